"""Element-wise kernels against runtime.reference.elementwise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.executor import run_calls
from runtime.kernels.abi import View
from runtime.kernels.elementwise import binary_calls, clip_calls, unary_calls, where_calls
from runtime.reference import elementwise as reference
from tests.runtime.kernels.strided_arrays import (
    assert_computes,
    bordered,
    empty,
    nhwc,
    shapes,
    strided,
    ulps,
    values,
)

NUMBERS = [
    0,
    -0.0,
    1,
    -1,
    0.5,
    -0.5,
    2.5,
    -2.5,
    1e-45,
    -1e-40,
    3e38,
    -3e38,
    0.625,
    -0.34,
    1 / 3,
    -6,
]
EXTREMES = [88.7, 89.1, -87.4, -103.9, np.inf, -np.inf, np.nan, 5]
SPECIAL = np.array([*NUMBERS, *EXTREMES], np.float32)


def all_magnitudes() -> np.ndarray:
    """Every 65521st float32, and a dense grid where activations bend."""
    patterns = np.arange(0, 2**32, 65521, dtype=np.uint64).astype(np.uint32).view(np.float32)
    return np.concatenate([SPECIAL, patterns, np.linspace(-12, 12, 30011, dtype=np.float32)])


EXACT = {
    "relu": ("relu", {}),
    "leaky_relu": ("leaky_relu", {"alpha": 0.3}),
    "hard_swish": ("hard_swish", {}),
    "hard_sigmoid": ("hard_sigmoid", {"alpha": 0.3, "beta": 0.4}),
    "sigmoid": ("sigmoid", {}),
    "silu": ("silu", {}),
    "exp": ("exp", {}),
    "sqrt": ("sqrt", {}),
    "neg": ("neg", {}),
    "abs": ("abs_", {}),
    "reciprocal": ("reciprocal", {}),
    "floor": ("floor", {}),
    "ceil": ("ceil", {}),
    "round": ("round_", {}),
    "sign": ("sign", {}),
}


@pytest.mark.parametrize("operation", EXACT)
def test_unary_equals_reference_in_every_bit(operation: str) -> None:
    name, attributes = EXACT[operation]
    x = all_magnitudes()
    y = np.zeros_like(x)
    calls = unary_calls(operation, View.of(x), View.of(y), **attributes)
    assert_computes(calls, y, getattr(reference, name)(x, **attributes))


@pytest.mark.parametrize(("operation", "bound"), [("tanh", 2), ("erf", 2), ("log", 1), ("elu", 4)])
def test_unary_is_within_ulps(operation: str, bound: int) -> None:
    x = all_magnitudes()
    y = np.zeros_like(x)
    attributes = {"alpha": 0.3} if operation == "elu" else {}
    run_calls(unary_calls(operation, View.of(x), View.of(y), **attributes))
    assert ulps(y, getattr(reference, operation)(x, **attributes)).max() <= bound


@pytest.mark.parametrize(("operation", "approximate"), [("gelu", "none"), ("gelu_tanh", "tanh")])
def test_gelu_is_within_two_ulps_of_its_operand(operation: str, approximate: str) -> None:
    x = np.linspace(-12, 12, 100003, dtype=np.float32)
    y = np.zeros_like(x)
    run_calls(unary_calls(operation, View.of(x), View.of(y)))
    expected = reference.gelu(x, approximate=approximate)
    assert (np.abs(y - expected) <= 2 * np.spacing(np.abs(x)) + 1e-45).all()


def test_clip_keeps_nan_and_open_bounds() -> None:
    x = all_magnitudes()
    y = np.zeros_like(x)
    calls = clip_calls(View.of(x), View.of(y), low=0.0, high=np.inf)
    assert_computes(calls, y, reference.clip(x, min=0.0, max=np.inf))


SIGNED = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]


def all_widths(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Integers of 1 bit to all bits of a type, and its limits."""
    x = values(rng, shape, dtype) >> rng.integers(0, 8 * np.dtype(dtype).itemsize, shape, dtype)
    limits = np.iinfo(dtype)
    x.flat[:4] = limits.min, limits.max, 0, 1
    return x


@pytest.mark.parametrize("dtype", SIGNED + UNSIGNED)
def test_integer_unary(dtype: str) -> None:
    x = all_widths(np.random.default_rng(0), (9, 7), dtype)
    y = np.zeros_like(x)
    calls = clip_calls(View.of(x), View.of(y), low=0.5, high=np.inf)
    assert_computes(calls, y, reference.clip(x, min=0.5, max=np.inf))
    calls = clip_calls(View.of(x), View.of(y), low=-3.5, high=77.5)
    assert_computes(calls, y, reference.clip(x, min=-3.5, max=77.5))
    for operation, name in [("relu", "relu"), ("neg", "neg"), ("abs", "abs_"), ("sign", "sign")]:
        calls = unary_calls(operation, View.of(x), View.of(y))
        assert_computes(calls, y, getattr(reference, name)(x))


def test_not() -> None:
    x = values(np.random.default_rng(0), (99,), bool)
    y = np.zeros_like(x)
    assert_computes(unary_calls("not", View.of(x), View.of(y)), y, ~x)


NAMES = {"pow": "pow_", "min": "min_", "max": "max_", "and": "and_", "or": "or_"}
FLOAT_BINARY = ["add", "sub", "mul", "div", "mod", "min", "max", "prelu", "pow"]
COMPARISONS = ["equal", "less", "less_equal", "greater", "greater_equal"]


@pytest.mark.parametrize("operation", FLOAT_BINARY + COMPARISONS)
@pytest.mark.parametrize("layout", ["contiguous", "scalar", "strided"])
def test_float_binary(operation: str, layout: str) -> None:
    rng = np.random.default_rng(1)
    a = np.concatenate([rng.permutation(SPECIAL) for _ in range(30)]).reshape(30, -1)
    b = np.concatenate([rng.permutation(SPECIAL) for _ in range(30)]).reshape(30, -1)
    b = {"contiguous": b, "scalar": b[:1, :1], "strided": b[:, ::-1]}[layout]
    function = getattr(reference, NAMES.get(operation, operation))
    with np.errstate(all="ignore"):
        expected = function(a, b)
    y = np.zeros_like(expected)
    assert_computes(binary_calls(operation, View.of(a), View.of(b), View.of(y)), y, expected)


INTEGER_BINARY = ["add", "sub", "mul", "div", "mod", "min", "max", "pow", "less"]
DIVISIONS = itertools.product(("div", "mod"), SIGNED + UNSIGNED)
AT_BOTH_ENDS = itertools.product(INTEGER_BINARY, ("int8", "int64", "uint16", "uint64"))


@pytest.mark.parametrize(("operation", "dtype"), sorted({*DIVISIONS, *AT_BOTH_ENDS}))
def test_integer_binary(operation: str, dtype: str) -> None:
    rng = np.random.default_rng(2)
    a, b = all_widths(rng, (20, 30), dtype), rng.permutation(all_widths(rng, (30,), dtype))
    if operation in ("div", "mod"):
        b[b == 0] = 3
    with np.errstate(all="ignore"):
        expected = getattr(reference, NAMES.get(operation, operation))(a, b)
    y = np.zeros_like(expected)
    assert_computes(binary_calls(operation, View.of(a), View.of(b), View.of(y)), y, expected)


@pytest.mark.parametrize("exponent", ["int64", "uint64", "float32"])
@pytest.mark.parametrize("base", ["int8", "uint32", "uint64", "float32"])
def test_pow_of_mixed_types(base: str, exponent: str) -> None:
    rng = np.random.default_rng(7)
    few = np.arange(-3, 4).astype(base)  # wraps where unsigned
    a = np.concatenate([few, rng.choice(few, 60)])
    if exponent == "float32":
        a = rng.integers(0, 5, a.shape).astype(base)
        b = (rng.integers(-8, 8, a.shape) / 2).astype(exponent)
    else:
        b = rng.permutation(all_widths(rng, a.shape, exponent))
    with np.errstate(all="ignore"):
        expected = reference.pow_(a, b)
    y = np.zeros_like(expected)
    run_calls(binary_calls("pow", View.of(a), View.of(b), View.of(y)))
    if base == "float32":
        assert ulps(y, expected).max() <= 1  # numpy's float64 pow is another one
    else:
        np.testing.assert_array_equal(y, expected)


def test_integer_division_cannot_trap() -> None:
    a = np.array([5, np.iinfo(np.int64).min, -7], np.int64)
    b = np.array([0, -1, -1], np.int64)
    y = np.zeros_like(a)
    run_calls(binary_calls("div", View.of(a), View.of(b), View.of(y)))
    np.testing.assert_array_equal(y, [0, np.iinfo(np.int64).min, 7])
    run_calls(binary_calls("mod", View.of(a), View.of(b), View.of(y)))
    np.testing.assert_array_equal(y, [0, 0, 0])
    for dtype in UNSIGNED:
        a, b, y = np.array([5, 7], dtype), np.array([0, 2], dtype), np.zeros(2, dtype)
        run_calls(binary_calls("div", View.of(a), View.of(b), View.of(y)))
        np.testing.assert_array_equal(y, [0, 3])
        run_calls(binary_calls("mod", View.of(a), View.of(b), View.of(y)))
        np.testing.assert_array_equal(y, [0, 1])


@pytest.mark.parametrize("operation", ["and", "or", "xor"])
def test_logical(operation: str) -> None:
    rng = np.random.default_rng(3)
    a, b = values(rng, (7, 1, 5), bool), values(rng, (4, 5), bool)
    expected = getattr(reference, NAMES.get(operation, operation))(a, b)
    y = np.zeros_like(expected)
    assert_computes(binary_calls(operation, View.of(a), View.of(b), View.of(y)), y, expected)


@settings(max_examples=60, deadline=None)
@given(shapes, st.data())
def test_any_strides_and_broadcasting(shape: tuple[int, ...], data: st.DataObject) -> None:
    rng = np.random.default_rng(4)
    operands = []
    for _ in range(2):
        own = tuple(data.draw(st.sampled_from([1, size])) for size in shape)
        own = own[data.draw(st.integers(0, len(own) - 1)) :]
        operands.append(data.draw(strided(own))(values(rng, own, np.float32)))
    a, b = operands
    y = data.draw(strided(shape))(np.zeros(shape, np.float32))
    calls = binary_calls("sub", View.of(a), View.of(b), View.of(y))
    assert_computes(calls, y, np.broadcast_to(np.asarray(a - b), shape))


def test_per_channel_operand_in_a_bordered_buffer() -> None:
    rng = np.random.default_rng(5)
    x, c = bordered(values(rng, (2, 48, 9, 8), np.float32)), values(rng, (48, 1, 1), np.float32)
    y = empty(x.shape, np.float32, bordered)
    assert_computes(binary_calls("mul", View.of(x), View.of(c), View.of(y)), y, x * c)


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int64"])
def test_where(dtype: str) -> None:
    rng = np.random.default_rng(6)
    condition = values(rng, (2, 1, 6, 5), bool)
    a, b = nhwc(values(rng, (2, 3, 6, 5), dtype)), values(rng, (5,), dtype)
    y = np.zeros(a.shape, dtype)
    calls = where_calls(*(View.of(v) for v in (condition, a, b, y)))
    assert_computes(calls, y, np.where(condition, a, b))


def test_rank_zero() -> None:
    a, y = np.full((), 3, np.float32), np.zeros((), np.float32)
    assert_computes(binary_calls("add", View.of(a), View.of(a), View.of(y)), y, np.array(6, "f4"))


def test_empty_result_needs_no_call() -> None:
    x = View.of(np.zeros((3, 0), np.float32))
    assert unary_calls("relu", x, x) == []
    assert binary_calls("add", x, x, x) == []

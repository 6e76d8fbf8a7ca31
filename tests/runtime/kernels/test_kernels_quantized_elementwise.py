"""u8 add, sub and mul, tables, and changes of type against runtime.reference."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.executor import run_calls
from runtime.kernels import convert, lookup
from runtime.kernels.abi import View
from runtime.kernels.quantized_elementwise import Quantization, quantized_binary_calls
from runtime.reference import elementwise
from runtime.reference.integer import arithmetic
from runtime.reference.quantization import QuantParams, dequantize, quantize
from tests.runtime.kernels.strided_arrays import (
    LAYOUTS,
    assert_computes,
    bordered,
    empty,
    nchw,
    nhwc,
    values,
)

F32 = np.float32
QUANTIZATIONS = st.builds(
    Quantization, st.sampled_from([0.1, 1.0, 0.037, 7.3]), st.sampled_from([0, 3, 128, 255])
)


def parameters(q: Quantization, dtype: type = np.uint8) -> QuantParams:
    return QuantParams.of(dtype, q.scale, q.zero_point)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["add", "sub", "mul"]),
    QUANTIZATIONS,
    QUANTIZATIONS,
    QUANTIZATIONS,
    st.sampled_from([(2, 70, 5, 9), (70, 1, 1), (1, 1, 1, 1), (9,)]),
    st.sampled_from(LAYOUTS),
)
def test_u8_result(operation, qa, qb, qy, b_shape, layout) -> None:
    rng = np.random.default_rng(0)
    a = layout(values(rng, (2, 70, 5, 9), np.uint8))
    b = values(rng, b_shape, np.uint8)
    expected = getattr(arithmetic, operation)(
        a, b, a_params=parameters(qa), b_params=parameters(qb), result_params=parameters(qy)
    )
    y = empty(a.shape, np.uint8, layout)
    calls = quantized_binary_calls(
        operation, View.of(a), View.of(b), View.of(y), qa=qa, qb=qb, qy=qy
    )
    assert_computes(calls, y, expected)
    calls = quantized_binary_calls(
        operation, View.of(a), View.of(b), View.of(y), qa=qa, qb=qb, qy=qy, low=9, high=200
    )
    assert_computes(calls, y, np.clip(expected, 9, 200))


@pytest.mark.parametrize("operation", ["add", "sub", "mul"])
def test_float_result(operation: str) -> None:
    rng = np.random.default_rng(1)
    a, b = values(rng, (3, 999), np.uint8), values(rng, (999,), np.uint8)
    qa, qb = Quantization(0.1, 7), Quantization(0.3, 200)
    left, right = (x.astype(np.int32) - q.zero_point for x, q in ((a, qa), (b, qb)))
    if operation == "mul":
        expected = (left * right).astype(F32) * (F32(0.1) * F32(0.3))
    else:
        p, q = left.astype(F32) * F32(0.1), right.astype(F32) * F32(0.3)
        expected = p + q if operation == "add" else p - q
    y = np.zeros(a.shape, F32)
    calls = quantized_binary_calls(
        operation, View.of(a), View.of(b), View.of(y), qa=qa, qb=qb, low=-5.0, high=60.0
    )
    assert_computes(calls, y, np.clip(expected, F32(-5), F32(60)))


@pytest.mark.parametrize("result", ["uint8", "float32"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_lookup(result: str, layout) -> None:
    rng = np.random.default_rng(2)
    table = values(rng, (256,), result)
    x = layout(values(rng, (2, 130, 7, 9), np.uint8))
    for y_layout in (layout, nchw):
        y = empty(x.shape, result, y_layout)
        assert_computes(lookup.lookup_calls(View.of(x), View.of(y), table), y, table[x])


def test_lookup_without_the_permute_instruction() -> None:
    table = values(np.random.default_rng(3), (256,), np.uint8)
    x = values(np.random.default_rng(4), (1000,), np.uint8)
    y = np.zeros_like(x)
    (call,) = lookup.lookup_calls(View.of(x), View.of(y), table)
    kernel = lookup.lookup_kernel("uint8", False)
    assert_computes([type(call)(kernel, call.arguments, call.keep)], y, table[x])


def test_lookup_refuses_another_table() -> None:
    x = View.of(np.zeros(4, np.uint8))
    with pytest.raises(ValueError, match="256 entries of type uint8"):
        lookup.lookup_calls(x, x, np.zeros(128, np.uint8))
    with pytest.raises(ValueError, match="65536 entries"):
        lookup.half_lookup_calls(x, x, np.zeros(256, np.uint16))
    with pytest.raises(ValueError, match="elements of 16 bits"):
        lookup.half_lookup_calls(x, x, np.zeros(1 << 16, np.uint16))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lookup_of_halves(layout) -> None:
    rng = np.random.default_rng(8)
    table = rng.permutation(1 << 16).astype(np.uint16)
    x = layout(values(rng, (2, 30, 7, 9), np.uint16))
    for y_layout in (layout, nchw):
        y = empty(x.shape, np.uint16, y_layout)
        assert_computes(lookup.half_lookup_calls(View.of(x), View.of(y), table), y, table[x])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize(("source", "target"), list(itertools.product(LAYOUTS, LAYOUTS)))
@pytest.mark.parametrize("channels", [1, 3, 4, 20])
def test_quantize(dtype, source, target, channels: int) -> None:
    rng = np.random.default_rng(5)
    x = source((rng.standard_normal((2, channels, 13, 37)) * 30).astype(F32))
    x[0, 0, :4, 0] = [np.nan, np.inf, -np.inf, 1e30]
    y = empty(x.shape, dtype, target)
    expected = quantize(x, QuantParams.of(dtype, 0.3, 17))
    calls = convert.quantize_calls(View.of(x), View.of(y), scale=0.3, zero_point=17)
    assert_computes(calls, y, expected)


def test_quantize_ties_go_to_even() -> None:
    x = np.arange(-8, 8, dtype=F32) / 2
    y = np.zeros(x.shape, np.uint8)
    calls = convert.quantize_calls(View.of(x), View.of(y), scale=1.0, zero_point=100)
    assert_computes(calls, y, (np.rint(x) + 100).astype(np.uint8))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("axis", [0, 1, 3])
def test_per_channel(dtype, axis: int) -> None:
    rng = np.random.default_rng(6)
    x = nhwc((rng.standard_normal((6, 5, 7, 9)) * 30).astype(F32))
    scale = rng.random(x.shape[axis]).astype(F32) + F32(0.1)
    zero_point = values(rng, scale.shape, dtype)
    params = QuantParams.of(dtype, scale, zero_point, axis=axis)
    stored = np.zeros(x.shape, dtype)
    options = {"scale": scale, "zero_point": zero_point, "axis": axis}
    calls = convert.quantize_axis_calls(View.of(x), View.of(stored), **options)
    assert_computes(calls, stored, quantize(x, params))
    stored = quantize(x, params)
    y = np.zeros(x.shape, F32)
    calls = convert.dequantize_axis_calls(View.of(stored), View.of(y), **options)
    assert_computes(calls, y, dequantize(stored, params))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32])
def test_dequantize(dtype) -> None:
    x = bordered(values(np.random.default_rng(7), (2, 33, 5, 6), dtype) // 2)
    y = empty(x.shape, F32, nhwc)
    zero_point = 0 if dtype is np.int32 else 100
    expected = dequantize(x, QuantParams.of(dtype, 0.3, zero_point))
    calls = convert.dequantize_calls(View.of(x), View.of(y), scale=0.3, zero_point=zero_point)
    assert_computes(calls, y, expected)


TYPES = ["float32", "float64", "int64", "int32", "int8", "uint8", "uint32", "uint64", "bool"]
EDGES = [0, 0.5, -0.5, -0.99, 1.5, 127.9, 128, -128.9, -129, 255.9, 256, 2.0**31, -(2.0**31)]
EDGES += [3e9, -3e9, 2.0**63, -(2.0**63), 1e19, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("source", TYPES)
def test_cast(source: str) -> None:
    x = values(np.random.default_rng(8), (3, 40), source)
    if source.startswith("float"):
        x = np.concatenate([x.ravel(), np.array(EDGES, source)])
    for target in TYPES:
        narrow_integers = {source, target} <= {"int32", "int8", "uint8", "uint32"}
        if target == source or narrow_integers:  # these only wrap, like wide ones
            continue
        y = np.zeros(x.shape, target)
        expected = elementwise.cast(x, dtype=np.dtype(target))
        assert_computes(convert.cast_calls(View.of(x), View.of(y)), y, expected)


def around_halves() -> np.ndarray:
    """Every finite float16, the points between two of them, and their float64 neighbours."""
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    ties = (halves[1:] + halves[:-1]) / 2
    last = np.array([65519.99, 65520, 65536, 1e9, 1e30, 1e-30, np.inf, np.nan])
    near = [np.nextafter(ties, limit) for limit in (-np.inf, np.inf)]
    positive = np.concatenate([halves, ties, *near, last])
    return np.concatenate([positive, -positive])


def around_bfloat16() -> np.ndarray:
    """Every 7th bfloat16, the points between them, and their float32 neighbours."""
    bits = np.arange(0, 0x7F80, 7, dtype=np.uint32) << 16
    patterns = np.concatenate([bits, bits + 0x7FFF, bits + 0x8000, bits + 0x8001, [0x7F800001]])
    positive = patterns.astype(np.uint32).view(np.float32)
    return np.concatenate([positive, -positive])


HALVES = ("float16", "bfloat16")


def every_half(dtype: str) -> np.ndarray:
    return np.arange(2**16, dtype=np.uint16).view(dtype)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        *itertools.product(("float64", "float32", "int64", "uint64", "uint16", "bool"), HALVES),
        *itertools.product(HALVES, ("float64", "float32", *HALVES, "int64", "uint64", "int8")),
        *itertools.product(HALVES, ("uint16", "bool")),
    ],
)
def test_cast_of_half_precisions(source: str, target: str) -> None:
    with np.errstate(all="ignore"):
        if source in HALVES:
            x = every_half(source)
        elif source.startswith("float"):
            x = np.concatenate([around_halves(), around_bfloat16()]).astype(source)
        else:
            x = values(np.random.default_rng(10), (4096,), source)
        expected = elementwise.cast(x, dtype=np.dtype(target))
    y = np.zeros(x.shape, target)
    run_calls(convert.cast_calls(View.of(x), View.of(y)))
    if target in HALVES or target.startswith("float"):
        with np.errstate(invalid="ignore"):  # numpy minds signalling NaNs
            expected, y = expected.astype(np.float64), y.astype(np.float64)
        assert (np.signbit(y) == np.signbit(expected))[~np.isnan(expected)].all()
    np.testing.assert_array_equal(y, expected)


def test_cast_of_half_precisions_in_any_layout() -> None:
    x = bordered(values(np.random.default_rng(11), (2, 33, 5, 6), np.float32))
    y = empty(x.shape, np.float16, nhwc)
    assert_computes(convert.cast_calls(View.of(x), View.of(y)), y, x.astype(np.float16))


def test_flip_sign() -> None:
    x = values(np.random.default_rng(9), (5, 999), np.int8)
    y = np.zeros(x.shape, np.uint8)
    expected = (x.astype(np.int32) + 128).astype(np.uint8)
    assert_computes(convert.flip_sign_calls(View.of(x), View.of(y)), y, expected)

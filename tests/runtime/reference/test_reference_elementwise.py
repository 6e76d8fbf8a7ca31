"""Elementwise ops against ONNX Runtime, and the element types it does not take."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.errors import OctetError
from runtime.reference import REFERENCE

RNG = np.random.default_rng(7)
X = np.concatenate(
    [RNG.normal(0, 3, 1000), [0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 90, -90, 1e-30]]
).astype(np.float32)
POSITIVE = np.abs(X) + np.float32(1e-6)

UNARY_CASES = [
    ("relu", "Relu", {}, {}, X, 0),
    ("leaky_relu", "LeakyRelu", {"alpha": 0.1}, {"alpha": 0.1}, X, 0),
    ("elu", "Elu", {"alpha": 1.3}, {"alpha": 1.3}, X, 1e-5),
    ("hard_swish", "HardSwish", {}, {}, X, 1e-6),
    ("hard_sigmoid", "HardSigmoid", {"alpha": 0.2, "beta": 0.4}, None, X, 1e-6),
    ("sigmoid", "Sigmoid", {}, {}, X, 1e-5),
    ("tanh", "Tanh", {}, {}, X, 1e-5),
    ("erf", "Erf", {}, {}, X, 1e-5),
    ("gelu", "Gelu", {"approximate": "none"}, None, X, 1e-5),
    ("gelu", "Gelu", {"approximate": "tanh"}, None, X, 1e-5),
    ("sqrt", "Sqrt", {}, {}, POSITIVE, 0),
    ("exp", "Exp", {}, {}, np.clip(X, -80, 80), 1e-6),
    ("log", "Log", {}, {}, POSITIVE, 1e-6),
    ("neg", "Neg", {}, {}, X, 0),
    ("abs", "Abs", {}, {}, X, 0),
    ("reciprocal", "Reciprocal", {}, {}, POSITIVE, 0),
    ("floor", "Floor", {}, {}, X, 0),
    ("ceil", "Ceil", {}, {}, X, 0),
    ("round", "Round", {}, {}, X, 0),
    ("sign", "Sign", {}, {}, X, 0),
]


@pytest.mark.parametrize(
    ("name", "op_type", "attributes", "onnx_attributes", "x", "rtol"), UNARY_CASES
)
def test_unary(run_onnx, name, op_type, attributes, onnx_attributes, x, rtol):
    expected = run_onnx(
        op_type, [x], **(attributes if onnx_attributes is None else onnx_attributes)
    )
    result = REFERENCE[name](x, **attributes)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, rtol=rtol, atol=rtol / 10)


def test_silu_is_x_times_sigmoid():
    np.testing.assert_allclose(
        REFERENCE["silu"](X), X / (1 + np.exp(-X.astype(np.float64))), rtol=1e-6, atol=1e-37
    )


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint8, np.int32, np.int64])
def test_clip(run_onnx, dtype):
    x = (X * 20).astype(np.int64).astype(dtype)
    lo, hi = np.asarray(3, dtype), np.asarray(60, dtype)
    expected = run_onnx("Clip", [x, lo, hi])
    np.testing.assert_array_equal(REFERENCE["clip"](x, min=3.0, max=60.0), expected)
    np.testing.assert_array_equal(REFERENCE["clip"](x, min=-np.inf, max=np.inf), x)
    np.testing.assert_array_equal(REFERENCE["clip"](x), x)


def test_clip_of_integers_keeps_to_the_bounds():
    x = np.arange(-5, 6, dtype=np.int8)
    assert set(REFERENCE["clip"](x, min=-2.5, max=2.5).tolist()) == {-2, -1, 0, 1, 2}
    assert REFERENCE["clip"](x, min=1e9, max=None).tolist() == [127] * 11


BINARY = {
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "min": "Min",
    "max": "Max",
    "equal": "Equal",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
}


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64])
@pytest.mark.parametrize("name", BINARY)
def test_binary(run_onnx, name, dtype):
    a = RNG.integers(-9, 9, (2, 3, 5)).astype(dtype)
    b = RNG.integers(1, 9, (3, 1)).astype(dtype) * RNG.choice([-1, 1], (3, 1)).astype(dtype)
    expected = run_onnx(BINARY[name], [a, b])
    result = REFERENCE[name](a, b)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("name", ["and", "or", "xor"])
def test_logical(run_onnx, name):
    a = np.array([False, False, True, True])
    b = np.array([False, True, False, True])
    expected = run_onnx(name.capitalize(), [a, b])
    np.testing.assert_array_equal(REFERENCE[name](a, b), expected)
    np.testing.assert_array_equal(REFERENCE["not"](a), run_onnx("Not", [a]))


@given(
    st.lists(
        st.tuples(st.integers(-128, 127), st.integers(-128, 127).filter(bool)),
        min_size=1,
    )
)
def test_integer_division_truncates(pairs):
    a, b = (np.array(v, dtype=np.int16) for v in zip(*pairs, strict=True))
    expected = [int(x / y) for x, y in pairs]
    assert REFERENCE["div"](a, b).tolist() == expected


def test_integer_division_by_zero_is_an_error():
    for name in ("div", "mod"):
        with pytest.raises(OctetError, match=f"{name}: integer division by zero"):
            REFERENCE[name](np.array([1]), np.array([0]))


def test_mod(run_onnx):
    a = RNG.integers(-20, 20, 50)
    b = RNG.integers(1, 6, 50) * RNG.choice([-1, 1], 50)
    np.testing.assert_array_equal(REFERENCE["mod"](a, b), run_onnx("Mod", [a, b]))
    x, y = X[:50], POSITIVE[50:100]
    np.testing.assert_array_equal(REFERENCE["mod"](x, y), run_onnx("Mod", [x, y], fmod=1))


@pytest.mark.parametrize(
    ("base", "exponent"),
    [
        (np.float32, np.float32),
        (np.float32, np.int64),
        (np.int32, np.int32),
        (np.int64, np.float32),
    ],
)
def test_pow(run_onnx, base, exponent):
    a = (POSITIVE[:64] + 1).astype(base)
    b = RNG.integers(0, 5, 64).astype(exponent)
    result = REFERENCE["pow"](a, b)
    assert result.dtype == base
    np.testing.assert_allclose(result, run_onnx("Pow", [a, b]), rtol=1e-6)


def test_integer_pow_wraps_and_its_inverse_truncates():
    power = REFERENCE["pow"]
    a = np.array([2, 3, -1, -1, 1, 7, 0, -2], np.int8)
    b = np.array([8, 5, -3, -(2**62), -9, -1, -1, 7], np.int64)
    assert power(a, b).tolist() == [0, -13, -1, 1, 1, 0, 127, -128]
    assert power(np.array([3], np.uint64), np.array([2**63 + 1], np.uint64)).tolist() == [3]
    assert power(np.array([2], np.int32), np.array([0.5], np.float32)).tolist() == [1]


def test_prelu_and_where(run_onnx):
    x = X[:60].reshape(3, 4, 5)
    slope = RNG.random((4, 1), dtype=np.float32)
    np.testing.assert_array_equal(REFERENCE["prelu"](x, slope), run_onnx("PRelu", [x, slope]))
    condition = x[0] > 0
    np.testing.assert_array_equal(
        REFERENCE["where"](condition, x, slope), run_onnx("Where", [condition, x, slope])
    )


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precisions_round_the_float32_result_once(dtype):
    x, y = X[:200].astype(dtype), POSITIVE[200:400].astype(dtype)
    wide_x, wide_y = x.astype(np.float32), y.astype(np.float32)
    for name in ("add", "sub", "mul", "div", "min", "max", "mod", "prelu"):
        result = REFERENCE[name](x, y)
        assert result.dtype == dtype
        expected = REFERENCE[name](wide_x, wide_y).astype(dtype)
        np.testing.assert_array_equal(result.astype(np.float32), expected.astype(np.float32))
    for name in ("sigmoid", "tanh", "exp", "silu", "erf", "floor"):
        result = REFERENCE[name](x)
        assert result.dtype == dtype
        expected = REFERENCE[name](wide_x).astype(dtype)
        np.testing.assert_array_equal(result.astype(np.float32), expected.astype(np.float32))
    assert REFERENCE["less"](x, y).dtype == np.bool_


def test_cast_saturates_floats_and_wraps_integers():
    cast = REFERENCE["cast"]
    x = np.array([1.9, -1.9, 300, -300, np.nan, np.inf, 1e30], np.float32)
    assert cast(x, dtype=np.int8).tolist() == [1, -1, 127, -128, 0, 127, 127]
    assert cast(x, dtype=np.uint8).tolist() == [1, 0, 255, 0, 0, 255, 255]
    assert cast(x, dtype=np.int64)[-1] == np.iinfo(np.int64).max
    assert cast(np.array([300, -1]), dtype=np.uint8).tolist() == [44, 255]
    assert cast(x, dtype=np.bool_).all()
    halves = np.array([1 + 2**-8, 1 + 3 * 2**-8], np.float32)
    assert cast(halves, dtype=ml_dtypes.bfloat16).astype(np.float32).tolist() == [1, 1.015625]


def test_results_of_scalars_are_arrays():
    scalar = np.array(2.0, np.float32)
    for name in ("relu", "neg", "abs", "exp", "sqrt", "clip", "silu"):
        assert isinstance(REFERENCE[name](scalar), np.ndarray), name
    for name in ("add", "div", "pow", "less", "max"):
        assert isinstance(REFERENCE[name](scalar, scalar), np.ndarray), name

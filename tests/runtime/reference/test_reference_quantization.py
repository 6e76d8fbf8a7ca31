"""Quantize, dequantize and tables against their definition and ONNX Runtime."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dialects.errors import OctetError
from runtime.reference import (
    INTEGER_REFERENCE,
    REFERENCE,
    UNARY,
    QuantParams,
    dequantize,
    dynamic_quantize,
    lookup,
    quantize,
    requantize,
    requantize_table,
)

RNG = np.random.default_rng(31)
STORAGE = st.sampled_from([np.uint8, np.int8])
SCALES = st.floats(2.0**-20, 2.0**10, width=32)
REALS = hnp.arrays(
    np.float32,
    st.integers(1, 40),
    elements=st.floats(width=32, allow_subnormal=True),
)


@st.composite
def parameters(draw) -> QuantParams:
    """Per-tensor 8-bit parameters, sometimes with a narrowed range."""
    dtype = draw(STORAGE)
    limits = np.iinfo(dtype)
    qmin = limits.min + draw(st.integers(0, 1))
    qmax = limits.max - draw(st.sampled_from([0, 0, 100]))
    return QuantParams(np.dtype(dtype), qmin, qmax, draw(SCALES), draw(st.integers(qmin, qmax)))


def quantize_one(x: float, params: QuantParams) -> int:
    """The definition read aloud: divide, round half to even, shift, saturate; NaN is lowest."""
    with np.errstate(all="ignore"):
        real = np.float32(x) / params.scale
    if math.isnan(real):
        return params.qmin
    if math.isinf(real):
        return params.qmax if real > 0 else params.qmin
    return min(max(round(float(real)) + int(params.zero_point), params.qmin), params.qmax)


@given(REALS, parameters())
def test_quantize_is_round_then_saturate(x, params):
    assert quantize(x, params).tolist() == [quantize_one(v, params) for v in x]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("axis", [None, 1])
def test_quantize_and_dequantize_agree_with_onnx(run_onnx, dtype, axis):
    x = RNG.standard_normal((4, 3, 50), dtype=np.float32) * 20
    x.flat[:3] = [np.inf, -np.inf, 0.5]
    shape = () if axis is None else (3,)
    scale = np.asarray(RNG.uniform(0.05, 0.3, shape), np.float32)
    zero = np.asarray(RNG.integers(0, 20, shape), dtype)
    params = QuantParams.of(dtype, scale, zero, axis=axis)
    attributes = {} if axis is None else {"axis": axis}
    expected = run_onnx("QuantizeLinear", [x, scale, zero], **attributes)
    q = quantize(x, params)
    assert q.dtype == dtype
    np.testing.assert_array_equal(q, expected)
    np.testing.assert_array_equal(
        dequantize(q, params), run_onnx("DequantizeLinear", [q, scale, zero], **attributes)
    )


def test_quantize_to_int32_saturates_at_both_ends():
    params = QuantParams.of(np.int32, 1.0)
    q = quantize(np.array([3e9, -3e9, 2.5, np.nan], np.float32), params)
    assert q.tolist() == [2**31 - 1, -(2**31), 2, -(2**31)]


@given(parameters())
def test_a_stored_value_survives_dequantize_and_quantize(params):
    q = np.arange(params.qmin, params.qmax + 1).astype(params.dtype)
    assert quantize(dequantize(q, params), params).tolist() == q.tolist()


@given(parameters(), parameters())
def test_requantize_table_is_quantize_of_dequantize(source, target):
    every = (np.arange(256) + np.iinfo(source.dtype).min).astype(source.dtype)
    expected = quantize(dequantize(every, source), target)
    table = requantize_table(source, target)
    assert table.dtype == target.dtype
    np.testing.assert_array_equal(lookup(every, table=table), expected)
    np.testing.assert_array_equal(
        requantize(every, x_params=source, result_params=target), expected
    )


ATTRIBUTES = {
    "leaky_relu": {"alpha": 0.2},
    "elu": {"alpha": 1.0},
    "hard_sigmoid": {"alpha": 0.2, "beta": 0.5},
    "gelu": {"approximate": "none"},
    "clip": {"min": -1.0, "max": 2.0},
}


@pytest.mark.parametrize("name", sorted(UNARY))
def test_unary_ops_on_stored_integers_go_through_floats(name):
    source, target = QuantParams.of(np.int8, 0.05, 3), QuantParams.of(np.uint8, 0.02, 100)
    attributes = ATTRIBUTES.get(name, {})
    q = np.arange(-128, 128).astype(np.int8)
    expected = quantize(REFERENCE[name](dequantize(q, source), **attributes), target)
    result = INTEGER_REFERENCE[name](q, x_params=source, result_params=target, **attributes)
    np.testing.assert_array_equal(result, expected)


def test_lookup_indexes_signed_bytes_from_minus_128():
    table = np.arange(256, dtype=np.float32)
    assert lookup(np.array([-128, 0, 127], np.int8), table=table).tolist() == [0, 128, 255]
    assert INTEGER_REFERENCE["lookup"] is REFERENCE["lookup"] is lookup
    assert lookup(np.array([0, 255], np.uint8), table=table).tolist() == [0, 255]
    with pytest.raises(OctetError, match="not int32"):
        lookup(np.array([0], np.int32), table=table)


@pytest.mark.parametrize("shift", [-5.0, 0.0, 7.0])
def test_dynamic_quantize_agrees_with_onnx(run_onnx, shift):
    x = RNG.standard_normal((7, 9), dtype=np.float32) + np.float32(shift)
    for given_x in (x, np.zeros((2, 2), np.float32)):
        q, scale, zero_point = dynamic_quantize(given_x)
        expected = run_onnx("DynamicQuantizeLinear", [given_x], 3)
        np.testing.assert_array_equal(q, expected[0])
        assert scale == expected[1]
        assert zero_point == expected[2]
        assert (q.dtype, scale.dtype, zero_point.dtype) == (np.uint8, np.float32, np.uint8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.dtype(np.int16), -5, 5, 1.0, 0), "storage int16"),
        ((np.dtype(np.int8), -129, 5, 1.0, 0), "does not fit int8"),
        ((np.dtype(np.int8), -5, 5, 0.0, 0), "positive finite"),
        ((np.dtype(np.int8), -5, 5, np.inf, 0), "positive finite"),
        ((np.dtype(np.int8), -5, 5, [1.0, 2.0], 0), "expected scalars"),
        ((np.dtype(np.int8), -5, 5, [1.0, 2.0], [0], 1), "vectors of one length"),
    ],
)
def test_parameters_that_do_not_fit_together_are_errors(arguments, message):
    with pytest.raises(OctetError, match=message):
        QuantParams(*arguments)

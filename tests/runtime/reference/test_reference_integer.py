"""Ops on stored integers against slow exact versions of the same formulas, and ONNX Runtime."""

from __future__ import annotations

import inspect
import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.errors import OctetError
from runtime.reference import (
    INTEGER_REFERENCE,
    REFERENCE,
    QuantParams,
    dequantize,
    fma_f32,
    quantize,
)
from runtime.reference.integer.linear import multiplier
from runtime.reference.integer.means import mean_factor

RNG = np.random.default_rng(37)
F32 = np.float32
RELU = ("clip", 0.0, float("inf"))


def stored(dtype: type, *shape: int) -> np.ndarray:
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max + 1, shape).astype(dtype)


def tensor_params(dtype: type, scale: float | None = None) -> QuantParams:
    limits = np.iinfo(dtype)
    scale = RNG.uniform(0.01, 0.1) if scale is None else scale
    return QuantParams.of(dtype, scale, int(RNG.integers(limits.min, limits.max + 1)))


def weight_params(dtype: type, channels: int, axis: int, symmetric: bool) -> QuantParams:
    zero = np.zeros(channels) if symmetric else RNG.integers(-20 if dtype is np.int8 else 90, 110)
    return QuantParams.of(dtype, RNG.uniform(0.001, 0.02, channels), zero, axis=axis)


def slow_conv(x, w, bias, strides, pads, dilations, groups) -> np.ndarray:
    """The sum over taps and channels, one output element at a time, in Python integers."""
    per_group, out_per_group = w.shape[1], w.shape[0] // groups
    padded = np.pad(x, [(0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])])
    spans = [(k - 1) * d + 1 for k, d in zip(w.shape[2:], dilations, strict=True)]
    size = [
        (n - span) // s + 1 for n, span, s in zip(padded.shape[2:], spans, strides, strict=True)
    ]
    result = np.zeros((x.shape[0], w.shape[0], *size), np.int64)
    for n, o, i, j in itertools.product(*map(range, result.shape)):
        first = o // out_per_group * per_group
        window = padded[
            n,
            first : first + per_group,
            i * strides[0] : i * strides[0] + spans[0] : dilations[0],
            j * strides[1] : j * strides[1] + spans[1] : dilations[1],
        ]
        result[n, o, i, j] = int((window * w[o]).sum()) + int(bias[o])
    return result


def slow_store(real, zero: int, lo: int, hi: int) -> int:
    return min(max(round(float(real)) + zero, lo), hi)


CONVS = [
    # channels, out, kernel, strides, pads, dilations, groups
    (4, 5, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1),
    (4, 4, (3, 2), (2, 1), (0, 1, 2, 0), (1, 2), 2),
    (3, 3, (3, 3), (1, 2), (1, 1, 1, 1), (1, 1), 3),
    (7, 6, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1),
]


@pytest.mark.parametrize("case", CONVS)
@pytest.mark.parametrize("x_type", [np.uint8, np.int8])
@pytest.mark.parametrize(
    ("w_type", "symmetric"), [(np.int8, True), (np.int8, False), (np.uint8, False)]
)
def test_conv_is_its_definition(case, x_type, w_type, symmetric):
    channels, out, kernel, strides, pads, dilations, groups = case
    x, w = stored(x_type, 1, channels, 5, 6), stored(w_type, out, channels // groups, *kernel)
    bias = RNG.integers(-3000, 3000, out).astype(np.int32)
    xp, wp, yp = (
        tensor_params(x_type),
        weight_params(w_type, out, 0, symmetric),
        tensor_params(x_type, 0.2),
    )
    attributes = {"strides": strides, "pads": pads, "dilations": dilations, "groups": groups}
    params = {"x_params": xp, "weight_params": wp}
    centered = w.astype(np.int64) - wp.zero_point.reshape(-1, 1, 1, 1)
    acc = slow_conv(x.astype(np.int64) - xp.zero_point, centered, bias, *attributes.values())
    conv = INTEGER_REFERENCE["conv"]

    result = conv(x, w, bias, result_params=yp, activation=RELU, **params, **attributes)
    lowest = max(yp.qmin, int(yp.zero_point))
    for (n, o, i, j), value in np.ndenumerate(acc):
        m = F32(F32(xp.scale) * F32(wp.scale[o])) / F32(yp.scale)
        expected = slow_store(F32(value) * m, int(yp.zero_point), lowest, yp.qmax)
        assert result[n, o, i, j] == expected
    assert result.dtype == x_type

    real = conv(x, w, bias, **params, **attributes)
    scale = (F32(xp.scale) * wp.scale).reshape(1, -1, 1, 1)
    np.testing.assert_array_equal(real, acc.astype(F32) * scale)
    clipped = conv(x, w, bias, activation=("clip", -0.5, 0.5), **params, **attributes)
    np.testing.assert_array_equal(clipped, np.clip(real, F32(-0.5), F32(0.5)))


def test_fused_residual_is_one_multiply_add_after_the_other():
    x, w, r = stored(np.uint8, 1, 8, 4, 4), stored(np.int8, 6, 8, 1, 1), stored(np.int8, 1, 6, 4, 4)
    xp, wp, rp = tensor_params(np.uint8), weight_params(np.int8, 6, 0, True), tensor_params(np.int8)
    yp = tensor_params(np.uint8, 0.3)
    attributes = {"strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1], "groups": 1}
    result = INTEGER_REFERENCE["conv"](
        x,
        w,
        None,
        r,
        x_params=xp,
        weight_params=wp,
        residual_params=rp,
        result_params=yp,
        **attributes,
    )
    centered = x.astype(np.int64) - xp.zero_point
    acc = slow_conv(centered, w.astype(np.int64), np.zeros(6), *attributes.values())
    rs = F32(rp.scale) / F32(yp.scale)
    rz = F32(-int(rp.zero_point)) * rs
    for (n, o, i, j), value in np.ndenumerate(acc):
        m = F32(F32(xp.scale) * wp.scale[o]) / F32(yp.scale)
        inner = fma_f32(F32(value), m, rz)
        real = fma_f32(F32(r[n, o, i, j]), rs, inner)
        assert result[n, o, i, j] == slow_store(real, int(yp.zero_point), yp.qmin, yp.qmax)
    # and what it computes is the sum of both, to one step
    whole = dequantize(r, rp) + acc * (F32(xp.scale) * wp.scale).reshape(1, -1, 1, 1)
    steps = result.astype(int) - quantize(whole.astype(F32), yp).astype(int)
    assert np.abs(steps).max() <= 1


@pytest.mark.parametrize("x_type", [np.uint8, np.int8])
def test_conv_against_onnx(run_onnx, x_type):
    x, w = stored(x_type, 1, 6, 8, 8), stored(np.int8, 5, 6, 3, 3)
    bias = RNG.integers(-3000, 3000, 5).astype(np.int32)
    xp, wp, yp = (
        tensor_params(x_type),
        weight_params(np.int8, 5, 0, True),
        tensor_params(x_type, 1.0),
    )
    expected = run_onnx(
        "QLinearConv",
        [x, xp.scale, xp.zero_point.astype(x_type), w, wp.scale, np.zeros(5, np.int8),
         yp.scale, yp.zero_point.astype(x_type), bias],
        pads=[1, 1, 1, 1],
    )  # fmt: skip
    result = INTEGER_REFERENCE["conv"](
        x, w, bias, x_params=xp, weight_params=wp, result_params=yp,
        strides=[1, 1], pads=[1] * 4, dilations=[1, 1], groups=1,
    )  # fmt: skip
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("x_type", [np.uint8, np.int8])
@pytest.mark.parametrize("symmetric", [True, False])
def test_matmul_against_its_definition_and_onnx(run_onnx, x_type, symmetric):
    a, b = stored(x_type, 2, 5, 40), stored(np.int8, 40, 7)
    ap, yp = tensor_params(x_type), tensor_params(x_type, 0.5)
    bp = weight_params(np.int8, 7, 1, symmetric)
    bias = RNG.integers(-3000, 3000, 7).astype(np.int32)
    acc = (a.astype(np.int64) - ap.zero_point) @ (b.astype(np.int64) - bp.zero_point)
    m = (F32(ap.scale) * bp.scale) / F32(yp.scale)
    result = INTEGER_REFERENCE["matmul"](a, b, bias, a_params=ap, b_params=bp, result_params=yp)
    for index, value in np.ndenumerate(acc + bias):
        expected = slow_store(F32(value) * m[index[-1]], int(yp.zero_point), yp.qmin, yp.qmax)
        assert result[index] == expected

    plain = INTEGER_REFERENCE["matmul"](a, b, a_params=ap, b_params=bp, result_params=yp)
    onnx = run_onnx(
        "QLinearMatMul",
        [a, ap.scale, ap.zero_point.astype(x_type), b, bp.scale, bp.zero_point.astype(np.int8),
         yp.scale, yp.zero_point.astype(x_type)],
    )  # fmt: skip
    np.testing.assert_array_equal(plain, onnx)


def test_matmul_of_two_activations_per_tensor():
    a, b = stored(np.int8, 3, 4, 6), stored(np.uint8, 3, 6, 5)
    ap, bp, yp = tensor_params(np.int8), tensor_params(np.uint8), tensor_params(np.int8, 1.0)
    result = INTEGER_REFERENCE["matmul"](a, b, a_params=ap, b_params=bp, result_params=yp)
    exact = quantize((dequantize(a, ap).astype(float) @ dequantize(b, bp)).astype(F32), yp)
    assert np.abs(result.astype(int) - exact.astype(int)).max() <= 1


def test_scale_products_are_rounded_step_by_step():
    for _ in range(200):
        xp, yp = tensor_params(np.uint8), tensor_params(np.uint8)
        wp = weight_params(np.int8, 3, 0, True)
        product = np.array([F32(F32(xp.scale) * s) for s in wp.scale])
        np.testing.assert_array_equal(multiplier(xp, wp, None), product)
        np.testing.assert_array_equal(multiplier(xp, wp, yp), product / F32(yp.scale))
        exact = Fraction(float(xp.scale)) / (Fraction(float(yp.scale)) * 49)
        assert mean_factor(xp, yp, 49) == F32(float(exact))
        assert mean_factor(xp, yp, 49).dtype == F32


def test_conv_transpose_scales_the_exact_sums():
    x, w = stored(np.uint8, 1, 4, 3, 3), stored(np.int8, 4, 5, 3, 3)
    xp, wp, yp = (
        tensor_params(np.uint8),
        weight_params(np.int8, 5, 1, True),
        tensor_params(np.uint8, 0.5),
    )
    bias = RNG.integers(-300, 300, 5).astype(np.int32)
    attributes = {
        "strides": [2, 2], "pads": [1] * 4, "dilations": [1, 1], "groups": 1,
        "output_padding": [1, 1],
    }  # fmt: skip
    acc = REFERENCE["conv_transpose"](
        (x - xp.zero_point).astype(float), w.astype(float), bias.astype(float), **attributes
    )
    result = INTEGER_REFERENCE["conv_transpose"](
        x, w, bias, x_params=xp, weight_params=wp, result_params=yp, **attributes
    )
    real = acc.astype(F32) * ((F32(xp.scale) * wp.scale) / F32(yp.scale)).reshape(1, -1, 1, 1)
    expected = np.clip(np.rint(real) + yp.zero_point, yp.qmin, yp.qmax)
    np.testing.assert_array_equal(result, expected)


def test_an_accumulator_outside_int32_is_an_error():
    a, b = np.full((1, 70000), 255, np.uint8), np.full((70000, 1), 127, np.int8)
    params = QuantParams.of(np.uint8, 1.0), QuantParams.of(np.int8, 1.0)
    with pytest.raises(OctetError, match=r"matmul: an accumulator reaches .* outside int32"):
        INTEGER_REFERENCE["matmul"](a, b, a_params=params[0], b_params=params[1])
    with pytest.raises(OctetError, match="outside int32"):
        REFERENCE["matmul_integer"](a, b)
    INTEGER_REFERENCE["matmul"](a[:, :66000], b[:66000], a_params=params[0], b_params=params[1])


def test_parameters_an_op_cannot_use_are_errors():
    a, b = stored(np.int8, 2, 3), stored(np.int8, 3, 4)
    ap, bp = tensor_params(np.int8), weight_params(np.int8, 3, 0, True)
    with pytest.raises(OctetError, match="along axis 0; expected axis 1"):
        INTEGER_REFERENCE["matmul"](a, b, a_params=ap, b_params=bp, result_params=ap)
    with pytest.raises(OctetError, match="first operand is quantized per channel"):
        INTEGER_REFERENCE["matmul"](a, b, a_params=bp, b_params=ap, result_params=ap)
    with pytest.raises(OctetError, match="needs a quantized result"):
        INTEGER_REFERENCE["matmul"](
            a, b, None, stored(np.int8, 2, 4), a_params=ap, b_params=ap, residual_params=ap
        )
    with pytest.raises(OctetError, match="must be quantized"):
        INTEGER_REFERENCE["matmul"](
            a, b, None, np.ones((2, 4), F32), a_params=ap, b_params=ap, result_params=ap
        )
    with pytest.raises(OctetError, match="reshape moves stored integers"):
        INTEGER_REFERENCE["reshape"](
            a, x_params=ap, result_params=tensor_params(np.int8, 3.0), shape=[6]
        )


TYPES = st.sampled_from([np.uint8, np.int8])


@settings(max_examples=40)
@given(TYPES, TYPES, st.integers(0, 2**32 - 1))
def test_arithmetic_rounds_as_stated(left, right, seed):
    rng = np.random.default_rng(seed)

    def params(dtype: type) -> QuantParams:
        limits = np.iinfo(dtype)
        zero = int(rng.integers(limits.min, limits.max + 1))
        return QuantParams.of(dtype, rng.uniform(0.01, 0.1), zero)

    a, b = (rng.integers(0, 128, (4, 5)).astype(dtype) for dtype in (left, right))
    ap, bp, yp = params(left), params(right), params(left)
    sa, sb, sy = (F32(p.scale) for p in (ap, bp, yp))
    quantized = {"a_params": ap, "b_params": bp, "result_params": yp}
    results = {name: INTEGER_REFERENCE[name](a, b, **quantized) for name in ("add", "sub", "mul")}
    for index, stored_a in np.ndenumerate(a):
        x, y = int(stored_a) - int(ap.zero_point), int(b[index]) - int(bp.zero_point)
        first, second = F32(x) * (sa / sy), F32(y) * (sb / sy)
        reals = {
            "add": first + second,
            "sub": first - second,
            "mul": F32(x * y) * ((sa * sb) / sy),
        }
        for name, real in reals.items():
            expected = slow_store(real, int(yp.zero_point), yp.qmin, yp.qmax)
            assert results[name][index] == expected, name


@pytest.mark.parametrize("include", [False, True])
def test_avg_pool_divides_by_the_elements_in_each_window(include):
    x = stored(np.uint8, 1, 2, 5, 5)
    xp, yp = tensor_params(np.uint8, 0.05), tensor_params(np.uint8, 0.04)
    attributes = {
        "kernel": [3, 3], "strides": [2, 2], "pads": [1] * 4, "dilations": [1, 1],
        "ceil_mode": False, "count_include_pad": include,
    }  # fmt: skip
    result = INTEGER_REFERENCE["avg_pool"](x, x_params=xp, result_params=yp, **attributes)
    for n, c, i, j in np.ndindex(*result.shape):
        rows, columns = (slice(max(2 * v - 1, 0), min(2 * v + 2, 5)) for v in (i, j))
        window = x[n, c, rows, columns].astype(int) - int(xp.zero_point)
        count = 9 if include else window.size
        factor = F32(float(xp.scale) / (float(yp.scale) * count))
        real = F32(window.sum()) * factor
        expected = slow_store(real, int(yp.zero_point), yp.qmin, yp.qmax)
        assert result[n, c, i, j] == expected


def test_reduce_mean_scales_the_sum():
    x = stored(np.int8, 2, 3, 7, 7)
    xp, yp = tensor_params(np.int8, 0.05), tensor_params(np.int8, 0.02)
    result = INTEGER_REFERENCE["reduce_mean"](
        x, x_params=xp, result_params=yp, axes=(2, 3), keepdims=True
    )
    total = (x.astype(np.int64) - xp.zero_point).sum(axis=(2, 3), keepdims=True)
    real = total.astype(F32) * F32(float(xp.scale) / (float(yp.scale) * 49))
    np.testing.assert_array_equal(result, np.clip(np.rint(real) + yp.zero_point, yp.qmin, yp.qmax))


WINDOW = {
    "kernel": [3, 3], "strides": [2, 2], "pads": [1] * 4, "dilations": [1, 1], "ceil_mode": True,
}  # fmt: skip
NEAREST = {
    "mode": "nearest", "coordinate_transformation": "half_pixel", "nearest_mode": "floor",
    "scales": (1, 1, 1.5, 2),
}  # fmt: skip
COMMUTING = [
    ("max_pool", WINDOW),
    ("relu", {}),
    ("clip", {"min": -0.61, "max": 1.23}),
    ("reshape", {"shape": [-2, -1]}),
    ("transpose", {"permutation": [0, 2, 3, 1]}),
    ("slice", {"starts": [0, 0, 1, 5], "ends": [2, 4, 5, 0], "steps": [1, 2, 1, -1]}),
    ("pad", {"pads": [0, 0, 1, 1, 0, 0, 2, 0], "mode": "constant", "value": 0.0}),
    ("pad", {"pads": [0, 0, 1, 1, 0, 0, 2, 0], "mode": "constant", "value": -0.7}),
    ("pad", {"pads": [0, 0, 1, 1, 0, 0, 2, 0], "mode": "reflect"}),
    ("expand", {"shape": [3, 1, 4, 1, 1]}),
    ("tile", {"repeats": [1, 2, 1, 1]}),
    ("resize", NEAREST),
    ("depth_to_space", {"block": 2, "mode": "CRD"}),
    ("space_to_depth", {"block": 2}),
    ("reduce_max", {"axes": (1, 2), "keepdims": False}),
    ("reduce_min", {"axes": (1, 2), "keepdims": True}),
]


@pytest.mark.parametrize(("name", "attributes"), COMMUTING)
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_ops_that_move_or_compare_commute_with_quantize(name, attributes, dtype):
    params = tensor_params(dtype, 0.02)
    x = RNG.standard_normal((2, 4, 6, 6), dtype=F32) * 3
    after = quantize(REFERENCE[name](x, **attributes), params)
    before = INTEGER_REFERENCE[name](
        quantize(x, params), x_params=params, result_params=params, **attributes
    )
    assert before.dtype == dtype
    np.testing.assert_array_equal(before, after)


def test_ops_with_several_operands_commute_with_quantize():
    params = tensor_params(np.int8, 0.02)
    x, y = (RNG.standard_normal((3, 4), dtype=F32) * 3 for _ in range(2))
    qx, qy = quantize(x, params), quantize(y, params)
    joined = INTEGER_REFERENCE["concat"](
        qx, qy, operand_params=[params, params], result_params=params, axis=1
    )
    np.testing.assert_array_equal(joined, quantize(np.concatenate([x, y], 1), params))
    for name in ("min", "max"):
        result = INTEGER_REFERENCE[name](
            qx, qy, a_params=params, b_params=params, result_params=params
        )
        np.testing.assert_array_equal(result, quantize(REFERENCE[name](x, y), params))
    chosen = INTEGER_REFERENCE["where"](
        x > 0, qx, qy, x_params=params, y_params=params, result_params=params
    )
    np.testing.assert_array_equal(chosen, quantize(np.where(x > 0, x, y), params))
    rows = INTEGER_REFERENCE["gather"](
        qx, np.array([2, 0]), x_params=params, result_params=params, axis=0
    )
    np.testing.assert_array_equal(rows, qx[[2, 0]])


def test_selection_on_stored_integers():
    params = tensor_params(np.uint8, 0.02)
    q = stored(np.uint8, 3, 9)
    select = {"axis": 1, "keepdims": False, "select_last_index": False}
    index = INTEGER_REFERENCE["argmax"](q, x_params=params, **select)
    np.testing.assert_array_equal(index, np.argmax(dequantize(q, params), axis=1))
    values, indices = INTEGER_REFERENCE["topk"](
        q, x_params=params, result_params=params, k=3, axis=1, largest=False, sorted=True
    )
    np.testing.assert_array_equal(values, np.sort(q, axis=1)[:, :3])
    np.testing.assert_array_equal(np.take_along_axis(q, indices, axis=1), values)


def test_interpolating_resize_of_integers_is_an_error():
    params = tensor_params(np.uint8)
    with pytest.raises(OctetError, match="only 'nearest' moves integers"):
        INTEGER_REFERENCE["resize"](
            stored(np.uint8, 1, 1, 2, 2), x_params=params, result_params=params,
            **{**NEAREST, "mode": "linear"},
        )  # fmt: skip


@pytest.mark.parametrize("zero_points", [False, True])
def test_conv_integer(run_onnx, zero_points):
    x, w = stored(np.uint8, 1, 4, 6, 6), stored(np.uint8, 3, 4, 3, 3)
    zeros = [np.array(7, np.uint8), np.array(131, np.uint8)] if zero_points else []
    expected = run_onnx("ConvInteger", [x, w, *zeros], pads=[1, 0, 1, 0], strides=[1, 2])
    result = REFERENCE["conv_integer"](
        x, w, *zeros, strides=[1, 2], pads=[1, 0, 1, 0], dilations=[1, 1], groups=1
    )
    assert result.dtype == np.int32
    np.testing.assert_array_equal(result, expected)


def test_matmul_integer(run_onnx):
    a, b = stored(np.uint8, 5, 8), stored(np.int8, 8, 3)
    za, zb = np.array(9, np.uint8), np.array([1, -2, 3], np.int8)
    for zeros in ([], [za], [za, zb]):
        expected = run_onnx("MatMulInteger", [a, b, *zeros])
        np.testing.assert_array_equal(REFERENCE["matmul_integer"](a, b, *zeros), expected)
    rows = np.arange(5, dtype=np.uint8)
    expected = (a.astype(int) - rows[:, None]) @ b.astype(int)
    np.testing.assert_array_equal(REFERENCE["matmul_integer"](a, b, rows), expected)


def test_every_reference_documents_itself():
    for name, function in REFERENCE.items():
        assert inspect.getdoc(function), name

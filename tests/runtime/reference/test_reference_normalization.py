"""Normalizations and softmax against ONNX Runtime, and what must hold of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from runtime.reference import REFERENCE, exp_f32, lane_sum

RNG = np.random.default_rng(17)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5), (2, 3, 4, 5)])
def test_batch_norm(run_onnx, shape):
    x, scale, bias, mean = normal(*shape), normal(3), normal(3), normal(3)
    variance = np.abs(normal(3)) + np.float32(0.1)
    expected = run_onnx("BatchNormalization", [x, scale, bias, mean, variance], epsilon=1e-3)
    result = REFERENCE["batch_norm"](x, scale, bias, mean, variance, epsilon=1e-3)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("axis", [-1, 1, 2])
def test_layer_norm(run_onnx, axis):
    x = normal(2, 3, 37)
    scale, bias = normal(*x.shape[axis:]), normal(*x.shape[axis:])
    expected = run_onnx("LayerNormalization", [x, scale, bias], axis=axis, epsilon=1e-5)
    result = REFERENCE["layer_norm"](x, scale, bias, axis=axis, epsilon=1e-5)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    plain = REFERENCE["layer_norm"](x, axis=axis, epsilon=1e-5)
    np.testing.assert_allclose(plain * scale + bias, result, rtol=1e-6, atol=1e-6)


def test_instance_norm(run_onnx):
    x, scale, bias = normal(2, 3, 6, 7), normal(3), normal(3)
    expected = run_onnx("InstanceNormalization", [x, scale, bias], epsilon=1e-4)
    result = REFERENCE["instance_norm"](x, scale, bias, epsilon=1e-4)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_lrn(run_onnx, size):
    x = normal(2, 7, 3, 4)
    attributes = {"size": size, "alpha": 0.3, "beta": 0.75, "bias": 1.5}
    np.testing.assert_allclose(
        REFERENCE["lrn"](x, **attributes), run_onnx("LRN", [x], **attributes), rtol=1e-5
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize(
    ("name", "op_type"), [("softmax", "Softmax"), ("log_softmax", "LogSoftmax")]
)
def test_softmax(run_onnx, name, op_type, axis):
    x = normal(3, 21, 5) * 4
    expected = run_onnx(op_type, [x], axis=axis)
    np.testing.assert_allclose(REFERENCE[name](x, axis=axis), expected, rtol=1e-5, atol=1e-6)


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 100)),
        elements=st.floats(-1e4, 1e4, width=32),
    )
)
def test_softmax_sums_to_one_and_keeps_order(x):
    result = REFERENCE["softmax"](x, axis=-1)
    assert np.all(result >= 0)
    np.testing.assert_allclose(result.sum(axis=-1, dtype=np.float64), 1, rtol=1e-5)
    order = np.argsort(x, axis=-1)
    ordered = np.take_along_axis(result, order, axis=-1)
    assert np.all(ordered[:, 1:] >= ordered[:, :-1])


@pytest.mark.parametrize("length", [1, 15, 16, 17, 100])
def test_softmax_repeats_its_definition_to_the_bit(length):
    x = normal(2, length) * 3
    powers = exp_f32(x - x.max(axis=1, keepdims=True))
    total = lane_sum(powers)
    np.testing.assert_array_equal(REFERENCE["softmax"](x, axis=1), powers / total[:, None])
    np.testing.assert_array_equal(REFERENCE["softmax"](x.T, axis=0), (powers / total[:, None]).T)


def test_layer_norm_repeats_its_definition_to_the_bit():
    x, scale, bias = normal(3, 50), normal(50), normal(50)
    deviation = x - (lane_sum(x) / np.float32(50))[:, None]
    variance = lane_sum(deviation * deviation) / np.float32(50)
    factor = np.float32(1) / np.sqrt(variance + np.float32(1e-5))
    expected = deviation * factor[:, None] * scale + bias
    result = REFERENCE["layer_norm"](x, scale, bias, axis=-1, epsilon=1e-5)
    np.testing.assert_array_equal(result, expected)


def test_softmax_in_half_precision_rounds_once():
    x = normal(4, 33).astype(np.float16)
    expected = REFERENCE["softmax"](x.astype(np.float32), axis=-1).astype(np.float16)
    np.testing.assert_array_equal(REFERENCE["softmax"](x, axis=-1), expected)

"""Attention against ONNX Runtime, and its integer form against the float one."""

from __future__ import annotations

import numpy as np
import pytest

from dialects.errors import OctetError
from runtime.reference import INTEGER_REFERENCE, REFERENCE, QuantParams, exp_f32, quantize
from runtime.reference.integer.attention import attention_weights

RNG = np.random.default_rng(23)
F32 = np.float32


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape, dtype=F32)


@pytest.mark.parametrize("masked", [False, True])
def test_attention(run_onnx, masked):
    heads, q, k, v = 3, normal(2, 5, 12), normal(2, 7, 12), normal(2, 7, 6)
    mask = np.where(RNG.random((2, 1, 1, 7)) < 0.4, -1e4, 0).astype(F32)

    def split(x: np.ndarray) -> np.ndarray:
        return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)

    scores = run_onnx("MatMul", [split(q), split(k).swapaxes(-1, -2)]) * F32(0.25)
    if masked:
        scores = scores + mask
    weights = run_onnx("Softmax", [scores], axis=-1)
    expected = run_onnx("MatMul", [weights, split(v)]).transpose(0, 2, 1, 3).reshape(2, 5, 6)
    options = {"mask": mask} if masked else {}
    result = REFERENCE["attention"](q, k, v, heads=heads, scale=0.25, **options)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def params_for(x: np.ndarray, dtype: type) -> QuantParams:
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    limits = np.iinfo(dtype)
    scale = F32((high - low) / 255)
    zero_point = np.int64(round(limits.min - low / float(scale)))
    return QuantParams(np.dtype(dtype), limits.min, limits.max, scale, zero_point)


def integer_attention(q, k, v, y, dtypes=(np.uint8,) * 4, **options):
    """The result of attention on quantized q, k, v, and its parameters; y gives its range."""
    params = [params_for(x, dtype) for x, dtype in zip((q, k, v, y), dtypes, strict=True)]
    stored = [quantize(x, p) for x, p in zip((q, k, v), params, strict=False)]
    names = ("q_params", "k_params", "v_params", "result_params")
    given = dict(zip(names, params, strict=True))
    return INTEGER_REFERENCE["attention"](*stored, **given, **options), params[3]


@pytest.mark.parametrize("sharpness", [0.01, 1.0, 10.0])
def test_integers_follow_floats(sharpness):
    q, k, v = normal(2, 40, 32) * F32(sharpness), normal(2, 64, 32), normal(2, 64, 32)
    options = {"heads": 4, "scale": 0.35, "mask": normal(1, 1, 40, 64)}
    expected = REFERENCE["attention"](q, k, v, **options)
    stored, params = integer_attention(q, k, v, expected, **options)
    error = (stored.astype(F32) - F32(params.zero_point)) * params.scale - expected
    assert np.sum(expected**2) > 10**2.5 * np.sum(error**2)


def test_signedness_changes_nothing():
    q, k, v = normal(1, 9, 8), normal(1, 11, 8), normal(1, 11, 8)
    options = {"heads": 2, "scale": 0.5}
    unsigned, _ = integer_attention(q, k, v, v, **options)
    signed, _ = integer_attention(q, k, v, v, (np.int8,) * 4, **options)
    np.testing.assert_array_equal(unsigned.astype(np.int16) - 128, signed)


def test_weights_are_rounded_exponentials():
    scores = RNG.uniform(-8, 0, (50, 40)).astype(F32)
    scores[:, 3] = 0
    exact = 255 * exp_f32(scores)
    weights = attention_weights(scores)
    assert np.abs(weights - exact).max() < 0.53
    assert (weights[:, 3] == 255).all()


def test_many_keys_share_the_weights_evenly():
    stored, params = integer_attention(
        np.full((1, 3, 4), 1e-3, F32),
        normal(1, 1000, 4),
        np.ones((1, 1000, 4), F32),
        np.ones(1),
        heads=1,
        scale=1.0,
    )
    real = (stored.astype(F32) - F32(params.zero_point)) * params.scale
    np.testing.assert_allclose(real, 1.0, rtol=1e-5)


def test_a_row_without_keys():
    q, k, v = normal(1, 2, 4), normal(1, 3, 4), normal(1, 3, 4)
    options = {"heads": 1, "scale": 1.0, "mask": np.array([[0] * 3, [-np.inf] * 3], F32)}
    stored, params = integer_attention(q, k, v, v, **options)
    assert (stored[0, 1] == params.zero_point).all()
    assert np.isnan(REFERENCE["attention"](q, k, v, **options)[0, 1]).all()


def test_sums_that_do_not_fit():
    x = np.full((1, 1, 70_000), 255, np.uint8)
    v = np.zeros((1, 1, 1), np.uint8)
    params = QuantParams(np.dtype(np.uint8), 0, 255, F32(1), np.int64(0))
    given = dict.fromkeys(("q_params", "k_params", "v_params", "result_params"), params)
    with pytest.raises(OctetError, match="attention: q @ k"):
        INTEGER_REFERENCE["attention"](x, x, v, heads=1, scale=1.0, **given)

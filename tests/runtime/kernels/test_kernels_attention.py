"""Attention kernels against the reference: bytes to the bit, floats within a tolerance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.elements import bfloat16
from runtime.executor import run_calls
from runtime.kernels.abi import View
from runtime.kernels.attention import Scaling, attention_calls, every_kernel, takes_bf16
from runtime.kernels.isa import Isa
from runtime.reference import INTEGER_REFERENCE, REFERENCE, QuantParams
from runtime.reference.integer.attention import score_multiplier, value_multiplier
from tests.runtime.kernels.kernel_arrays import dense

F32 = np.float32
FIXED = settings(max_examples=25, deadline=None, derandomize=True, database=None)

SIZES = {
    "batch": st.integers(1, 3),
    "heads": st.integers(1, 4),
    "queries": st.sampled_from([1, 2, 7, 31, 32, 33, 70]),
    "keys": st.sampled_from([1, 3, 16, 31, 32, 65, 131]),
    "depth": st.sampled_from([1, 2, 5, 16, 31, 64, 65]),
    "columns": st.sampled_from([1, 3, 8, 16, 33, 64]),
    "masked": st.sampled_from(["no", "keys", "scores", "heads"]),
    "threads": st.sampled_from([1, 2, 3]),
    "seed": st.integers(0, 100),
}


def mask_for(
    kind: str, rng: np.random.Generator, batch: int, heads: int, queries: int, keys: int
) -> np.ndarray | None:
    """Additive masks of different ranks, of -10000 and -inf; the first key is never masked."""
    if kind == "no":
        return None
    shape = {
        "keys": (batch, 1, 1, keys),
        "scores": (queries, keys),
        "heads": (batch, heads, queries, keys),
    }[kind]
    low = [-np.inf, -1e4][int(rng.integers(2))]
    mask = np.where(rng.random(shape) < 0.3, low, rng.normal(size=shape)).astype(F32)
    mask[..., 0] = 0
    return mask


def run_float(q, k, v, mask, heads, scale, isa, threads=1) -> np.ndarray:
    y = dense(np.zeros((*q.shape[:2], v.shape[2]), q.dtype))
    held = [dense(x) for x in (q, k, v, *(() if mask is None else (mask,)))]
    views = [*(guarded.view for guarded in held), None][:4]
    calls = attention_calls(*views, y.view, heads=heads, scale=scale, isa=isa)
    run_calls(calls, threads)
    y.assert_guards()
    return y.array


@FIXED
@given(**SIZES)
def test_float(isa, batch, heads, queries, keys, depth, columns, masked, threads, seed) -> None:
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(batch, queries, heads * depth)).astype(F32)
    k = rng.normal(size=(batch, keys, heads * depth)).astype(F32)
    v = rng.normal(size=(batch, keys, heads * columns)).astype(F32)
    mask = mask_for(masked, rng, batch, heads, queries, keys)
    scale = depth**-0.5
    expected = REFERENCE["attention"](q, k, v, mask=mask, heads=heads, scale=scale)
    result = run_float(q, k, v, mask, heads, scale, isa, threads)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * np.abs(v).max())


@FIXED
@given(**SIZES | {"depth": st.sampled_from([2, 6, 32, 64, 66, 96])})
def test_bfloat16(isa, batch, heads, queries, keys, depth, columns, masked, threads, seed) -> None:
    if not takes_bf16(isa, depth):
        assert isa.name == "portable"
        return
    rng = np.random.default_rng(seed)
    q = rng.normal(size=(batch, queries, heads * depth)).astype(bfloat16)
    k = rng.normal(size=(batch, keys, heads * depth)).astype(bfloat16)
    v = rng.normal(size=(batch, keys, heads * columns)).astype(bfloat16)
    mask = mask_for(masked, rng, batch, heads, queries, keys)
    scale = depth**-0.5
    wide = [x.astype(F32) for x in (q, k, v)]
    expected = REFERENCE["attention"](*wide, mask=mask, heads=heads, scale=scale)
    result = run_float(q, k, v, mask, heads, scale, isa, threads).astype(F32)
    # Weights and results are rounded, each by at most 2^-9.
    tolerance = (2.0**-9 + 1e-5) * np.abs(wide[2]).max()
    np.testing.assert_allclose(result, expected, rtol=2.0**-8, atol=tolerance)


def test_bfloat16_ignores_what_lies_behind(isa: Isa) -> None:
    """Neighbours of k, q and v in memory are NaNs: nothing is multiplied by them."""
    rng = np.random.default_rng(11)
    for depth in (34, 32):
        if not takes_bf16(isa, depth):
            continue
        padded = rng.normal(size=(3, 1, 9, depth + 40)).astype(bfloat16)
        padded[..., depth:] = np.nan
        q, k, v = padded
        y = np.zeros((1, 9, depth), bfloat16)
        views = [View.of(x[..., :depth]) for x in (q, k, v)]
        calls = attention_calls(*views, None, View.of(y), heads=1, scale=0.2, isa=isa)
        run_calls(calls, 1)
        assert np.isfinite(y.astype(F32)).all()


def test_bfloat16_of_an_odd_depth_has_no_kernel(isa: Isa) -> None:
    odd = View.of(np.zeros((1, 4, 7), bfloat16))
    with pytest.raises(ValueError, match="heads of 7 columns"):
        attention_calls(odd, odd, odd, None, odd, heads=1, scale=1.0, isa=isa)


def quantized(rng: np.random.Generator, scale: float) -> QuantParams:
    zero_point = int(rng.choice([0, 1, 128, 200, 255]))
    return QuantParams(np.dtype(np.uint8), 0, 255, F32(scale), np.int64(zero_point))


def run_bytes(q, k, v, mask, heads, scale, params, isa, threads=1) -> np.ndarray:
    q_params, k_params, v_params, y_params = params
    scaling = Scaling(
        q_zero_point=int(q_params.zero_point),
        v_zero_point=int(v_params.zero_point),
        score_multiplier=float(score_multiplier(q_params, k_params, scale)),
        value_multiplier=float(value_multiplier(v_params, y_params)),
        zero_point=int(y_params.zero_point),
        low=y_params.qmin,
        high=y_params.qmax,
    )
    y = dense(np.zeros((*q.shape[:2], v.shape[2]), np.uint8))
    held = [dense(x) for x in (q, k, v, *(() if mask is None else (mask,)))]
    views = [*(guarded.view for guarded in held), None][:4]
    run_calls(
        attention_calls(*views, y.view, heads=heads, scale=scale, isa=isa, scaling=scaling),
        threads,
    )
    y.assert_guards()
    return y.array


def by_reference(q, k, v, mask, heads, scale, params) -> np.ndarray:
    names = ("q_params", "k_params", "v_params", "result_params")
    given_params = dict(zip(names, params, strict=True))
    reference = INTEGER_REFERENCE["attention"]
    return reference(q, k, v, mask=mask, heads=heads, scale=scale, **given_params)


@FIXED
@given(sharpness=st.sampled_from([1e-4, 1e-2, 1.0]), **SIZES)
def test_bytes(
    isa, sharpness, batch, heads, queries, keys, depth, columns, masked, threads, seed
) -> None:
    rng = np.random.default_rng(seed)
    q = rng.integers(0, 256, (batch, queries, heads * depth)).astype(np.uint8)
    k = rng.integers(0, 256, (batch, keys, heads * depth)).astype(np.uint8)
    v = rng.integers(0, 256, (batch, keys, heads * columns)).astype(np.uint8)
    mask = mask_for(masked, rng, batch, heads, queries, keys)
    params = [quantized(rng, scale) for scale in (sharpness, 0.3, 0.02, 0.015)]
    arguments = (q, k, v, mask, heads, depth**-0.5, params)
    np.testing.assert_array_equal(run_bytes(*arguments, isa, threads), by_reference(*arguments))


@pytest.mark.parametrize("extreme", [0, 255])
def test_bytes_at_their_limits(isa: Isa, extreme: int) -> None:
    rng = np.random.default_rng(3)
    q, k, v = (np.full((1, 40, 128), value, np.uint8) for value in (extreme, 255 - extreme, 255))
    k[0, 7] = extreme
    v[0, 7] = 0
    zero = np.int64(255 - extreme)
    params = [
        QuantParams(np.dtype(np.uint8), 0, 255, F32(scale), zero)
        for scale in (0.1, 0.1, 0.01, 0.01)
    ]
    mask = rng.normal(size=(1, 1, 40, 40)).astype(F32)
    arguments = (q, k, v, mask, 2, 0.125, params)
    np.testing.assert_array_equal(run_bytes(*arguments, isa), by_reference(*arguments))


def test_a_fully_masked_row_attends_to_nothing(isa: Isa) -> None:
    rng = np.random.default_rng(5)
    q, k, v = (rng.integers(0, 256, (1, 6, 8)).astype(np.uint8) for _ in range(3))
    mask = np.zeros((6, 6), F32)
    mask[2] = -np.inf
    params = [quantized(rng, 0.02) for _ in range(4)]
    result = run_bytes(q, k, v, mask, 1, 0.3, params, isa)
    np.testing.assert_array_equal(result, by_reference(q, k, v, mask, 1, 0.3, params))
    np.testing.assert_array_equal(result[0, 2], int(params[3].zero_point))
    real = [x.astype(F32) for x in (q, k, v)]
    float_rows = run_float(*real, mask, 1, 0.3, isa)
    assert np.isnan(float_rows[0, 2]).all()
    assert np.isfinite(np.delete(float_rows, 2, axis=1)).all()


def test_large_negative_masks_are_no_weight(isa: Isa) -> None:
    rng = np.random.default_rng(6)
    q, k, v = (rng.normal(size=(2, 20, 32)).astype(F32) for _ in range(3))
    mask = np.zeros((2, 1, 1, 20), F32)
    mask[1, ..., 9:] = -1e4
    result = run_float(q, k, v, mask, 4, 0.35, isa)
    alone = run_float(q[1:], k[1:, :9], v[1:, :9], None, 4, 0.35, isa)
    np.testing.assert_allclose(result[1:], alone, rtol=0, atol=1e-6)


def test_too_many_keys_for_32_bits(isa: Isa) -> None:
    x = View(0, (1, 40_000, 4), (160_000, 4, 1), np.dtype(np.uint8))
    y = View(0, (1, 1, 4), (4, 4, 1), np.dtype(np.uint8))
    scaling = Scaling(0, 0, F32(1), F32(1), 0, 0, 255)
    with pytest.raises(ValueError, match="40000 keys"):
        attention_calls(y, x, x, None, y, heads=1, scale=1.0, isa=isa, scaling=scaling)


def test_every_kernel_is_listed(isa: Isa) -> None:
    x = View.of(np.zeros((1, 4, 4), F32))
    (call,) = attention_calls(x, x, x, None, x, heads=1, scale=1.0, isa=isa)
    assert call.kernel in every_kernel(isa)

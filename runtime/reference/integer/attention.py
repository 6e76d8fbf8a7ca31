"""Attention on stored integers: two integer products around a softmax with 8-bit weights.

With q, k, v of scales sq, sk, sv and zero points zq, zk, zv, per head and query:

    acc[j] = sum over d of (q[d] - zq) * (k[j, d] - mid)      int32; mid is k's middle: 128, or 0 if
                                                              it is signed
    s[j]   = float32(acc[j]) * (float32(sq * sk) * scale) + mask[j]
    w[j]   = rint(255 * exp(s[j] - max(s)))                   0 ... 255
    t      = sum of w, at least 1
    y      = float32(sum over j of w[j] * (v[j] - zv)) * ((sv / sy) / float32(t)), then `store`

k's zero point is left out because it adds the same to all scores of a query, and softmax does not
see that. The weights are quantized before they are divided by their sum: the greatest is always
255, however many keys share the attention, and their rounding errors do not move their sum. A query
whose keys are all masked with -inf attends to none, and gives real zero.
"""

from __future__ import annotations

import numpy as np

from ..attention import merge_heads, split_heads
from ..precision import widen
from ..quantization import QuantParams, store
from .linear import as_int32, centered

_F32 = np.float32

LOG2E = _F32(1.44269504088896341)
LEAST_EXPONENT = _F32(-20.0)
"""2^-20 and below are weights of 0, so a clamp here changes nothing."""
ROUND = _F32(12582912.0)
"""1.5 * 2^23: adding it rounds to an integer, half to even (as in `elementary.exp_f32`)."""
EXP2_255 = (
    _F32(14.068774223327637),
    _F32(61.865840911865234),
    _F32(176.78155517578125),
    _F32(254.98165893554688),
)
"""255 * 2^f for |f| <= 1/2, highest power first: minimax for the relative error, which is below
8e-5. A weight is off by at most 0.02 before it is rounded."""
LOWEST = np.finfo(_F32).min
"""What the maximum of scores starts from, so that a row of -inf has a finite one."""


def attention(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    q_params: QuantParams,
    k_params: QuantParams,
    v_params: QuantParams,
    result_params: QuantParams,
    heads: int,
    scale: float,
) -> np.ndarray:
    """Attention of q [B, Q, H * D], k [B, K, H * D], v [B, K, H * V]; see the module's docstring.

    Raises OctetError when a sum does not fit int32.
    """
    q_scale, q_zero = q_params.scalars("attention: q")
    k_scale, _ = k_params.scalars("attention: k")
    queries = centered(split_heads(q, heads), q_zero)
    keys = centered(split_heads(k, heads), middle(k_params))
    accumulators = as_int32(np.matmul(queries, keys.swapaxes(-1, -2)), "attention: q @ k^T")
    scores = accumulators.astype(_F32) * score_multiplier(q_scale, k_scale, scale)
    if mask is not None:
        scores = scores + widen(mask)
    weights = attention_weights(scores)
    values = centered(split_heads(v, heads), v_params.scalars("attention: v")[1])
    sums = as_int32(np.matmul(weights.astype(np.float64), values), "attention: weights @ v")
    totals = np.maximum(weights.sum(axis=-1, keepdims=True, dtype=np.int32), 1)
    factor = value_multiplier(v_params, result_params) / totals.astype(_F32)
    _, zero = result_params.scalars("attention: the result")
    stored = store(
        np.asarray(sums.astype(_F32) * factor),
        zero,
        result_params.qmin,
        result_params.qmax,
        result_params.dtype,
    )
    return merge_heads(stored)


@np.errstate(all="ignore")
def attention_weights(scores: np.ndarray) -> np.ndarray:
    """rint(255 * exp(s - max(s))) along the last axis, as uint8; NaN weighs nothing.

        x = (s - max(s)) * LOG2E ; x = x if x > LEAST_EXPONENT else LEAST_EXPONENT
        t = x + ROUND ; f = x - (t - ROUND)                              (t - ROUND = rint)
        p = ((c0 * f + c1) * f + c2) * f + c3                            (EXP2_255)
        w = rint(p * 2^rint(x))

    Plain float32 multiplies and adds, none of them fused.
    """
    largest = np.fmax.reduce(scores, axis=-1, keepdims=True, initial=LOWEST)
    x = (scores - largest) * LOG2E
    x = np.where(x > LEAST_EXPONENT, x, LEAST_EXPONENT)
    t = x + ROUND
    f = x - (t - ROUND)
    p = np.full_like(f, EXP2_255[0])
    for coefficient in EXP2_255[1:]:
        p = p * f + coefficient
    exponent = t.view(np.int32) - ROUND.view(np.int32)
    return np.rint(np.ldexp(p, exponent)).astype(np.uint8)


def middle(params: QuantParams) -> int:
    """What stands for k's zero point: the middle of its storage type."""
    return 128 if params.dtype == np.uint8 else 0


def score_multiplier(q_scale: np.float32, k_scale: np.float32, scale: float) -> np.float32:
    """float32(sq * sk) * scale: what a step of q @ k^T is worth."""
    return _F32(q_scale) * _F32(k_scale) * _F32(scale)


def value_multiplier(v_params: QuantParams, result_params: QuantParams) -> np.float32:
    """sv / sy in float32."""
    v_scale, _ = v_params.scalars("attention: v")
    return _F32(v_scale) / _F32(result_params.scalars("attention: the result")[0])

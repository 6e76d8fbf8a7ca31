"""Scaled dot-product attention of several heads (Vaswani et al. 2017), in float32."""

from __future__ import annotations

import numpy as np

from .normalization import softmax
from .precision import in_float32, widen


@in_float32
def attention(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    *,
    mask: np.ndarray | None = None,
    heads: int,
    scale: float,
) -> np.ndarray:
    """softmax(q @ k^T * scale + mask) @ v per head: q [B, Q, H * D] to [B, Q, H * V].

    k [B, K, H * D], v [B, K, H * V], mask broadcast to [B, H, Q, K]. A row whose keys are all
    masked with -inf is NaN.
    """
    scores = np.matmul(split_heads(q, heads), split_heads(k, heads).swapaxes(-1, -2))
    scores = scores * scores.dtype.type(scale)
    if mask is not None:
        scores = scores + widen(mask)
    return merge_heads(np.matmul(softmax(scores, axis=-1), split_heads(v, heads)))


def split_heads(x: np.ndarray, heads: int) -> np.ndarray:
    """[B, S, H * D] to [B, H, S, D]."""
    batch, length, columns = x.shape
    return x.reshape(batch, length, heads, columns // heads).transpose(0, 2, 1, 3)


def merge_heads(x: np.ndarray) -> np.ndarray:
    """[B, H, S, D] to [B, S, H * D]."""
    batch, heads, length, columns = x.shape
    return x.transpose(0, 2, 1, 3).reshape(batch, length, heads * columns)

"""Weights in blocks of few bits, and products with them: what `nn.matmul_nbits` means.

Bits as in ONNX Runtime's MatMulNBits: stored [N, blocks, bytes], the earlier weight in the lower
bits of a byte.
"""

from __future__ import annotations

import numpy as np

from . import linear
from .elementwise import Activation


def pack_blocks(stored: np.ndarray, bits: int) -> np.ndarray:
    """uint8 [N, blocks, block size], each below 2^bits, as bytes [N, blocks, size * bits / 8]."""
    if bits == 8:
        return stored
    return stored[..., 0::2] | (stored[..., 1::2] << np.uint8(4))


def unpack_blocks(b: np.ndarray, bits: int) -> np.ndarray:
    """The inverse of `pack_blocks`."""
    if bits == 8:
        return b
    return np.stack([b & np.uint8(15), b >> np.uint8(4)], axis=-1).reshape(*b.shape[:2], -1)


def middle(bits: int) -> int:
    """The zero point of blocks that have none of their own."""
    return 1 << (bits - 1)


def dequantize_blocks(
    b: np.ndarray, scales: np.ndarray, zero_points: np.ndarray | None, *, bits: int, k: int
) -> np.ndarray:
    """float32 weights [K, N]: float32(stored - zero point) * scale."""
    zeros = np.int32(middle(bits)) if zero_points is None else zero_points.astype(np.int32)
    centered = unpack_blocks(b, bits).astype(np.int32) - np.asarray(zeros)[..., None]
    weights = centered.astype(np.float32) * scales[..., None]
    return np.ascontiguousarray(weights.reshape(len(b), -1)[:, :k].T)


def matmul_nbits(
    a: np.ndarray,
    b: np.ndarray,
    scales: np.ndarray,
    zero_points: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    residual: np.ndarray | None = None,
    *,
    bits: int,
    block_size: int,
    activation: Activation | None = None,
) -> np.ndarray:
    """activation(a @ dequantized b + bias + residual), the sums in float32 in any order.

    a: float32 [.., K]; b: uint8 [N, blocks, block_size * bits / 8]; scales, zero_points: [N,
    blocks].
    """
    weights = dequantize_blocks(b, scales, zero_points, bits=bits, k=a.shape[-1])
    return linear.matmul(a, weights, bias, residual, activation=activation)

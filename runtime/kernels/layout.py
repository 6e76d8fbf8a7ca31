"""What the planners of convolutions and matrix products share: geometry and zero points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from runtime.kernels.abi import View
from runtime.kernels.epilogue import Epilogue


def fold_zero_points(
    weight: np.ndarray,
    bias: np.ndarray | None,
    x_zero_point: int,
    weight_zero_point: int | np.ndarray = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights [O, ...] and bias [O] of the same convolution on the stored activations.

    sum (x - zx) (w - zw) + b  =  sum x (w - zw)  +  (b - zx sum (w - zw)),  modulo 2^32.
    `w - zw` is int8 if there is no zero point to subtract, else int16.
    """
    if weight.dtype.kind not in "iu":
        return weight, np.zeros(len(weight), np.float32) if bias is None else bias
    if weight.dtype != np.int8 or np.any(weight_zero_point):
        zero = np.broadcast_to(np.asarray(weight_zero_point, np.int16), len(weight))
        weight = weight.astype(np.int16) - zero.reshape(-1, *[1] * (weight.ndim - 1))
    total = weight.reshape(len(weight), -1).sum(axis=1, dtype=np.int64)
    folded = -x_zero_point * total + (0 if bias is None else bias.astype(np.int64))
    return weight, folded.astype(np.int32)  # wraps, as the accumulators do


def channels_of(epilogue: Epilogue, channels: slice) -> Epilogue:
    """The epilogue of some of the output channels."""
    m = epilogue.multiplier
    return epilogue if m is None or np.size(m) == 1 else replace(epilogue, multiplier=m[channels])


def pixel_offsets(view: View, shape: tuple[int, ...], strides: Sequence[int]) -> np.ndarray:
    """Byte offset of each output pixel's first element in `view`: [N * H * W] of `shape`'s N, H,
    W."""
    batch, _, height, width = shape
    n, _, h, w = view.byte_strides
    offsets = (
        np.arange(batch)[:, None, None] * n
        + np.arange(height)[:, None] * (h * strides[0])
        + np.arange(width) * (w * strides[1])
    )
    return offsets.reshape(-1).astype(np.int64)


def require_channels_last(op: str, **views: View | None) -> None:
    """Raises `ValueError` if a view [N, C, ...] has channels that are not adjacent in memory."""
    for name, view in views.items():
        if view is not None and view.shape[1] > 1 and view.strides[1] != 1:
            raise ValueError(f"{op}: {name} has channel stride {view.strides[1]}, expected 1")

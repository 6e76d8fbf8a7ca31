"""Convolution and matrix product: im2col (or one pass per tap) around one BLAS call.

The cores `convolve` and `convolve_transposed` work in the element type they are given: float32
for the float ops, float64 holding integers for the int8 ones, where every sum below 2^53 is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .elementwise import Activation, activate
from .precision import is_float, narrow, widen
from .windows import extent, sliding_windows


def convolve(
    x: np.ndarray,
    weight: np.ndarray,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
) -> np.ndarray:
    """Cross-correlate x [N, C, spatial...] with weight [O, C/groups, kernel...]."""
    batch, channels = x.shape[:2]
    kernel = weight.shape[2:]
    windows = sliding_windows(x, kernel, strides=strides, pads=pads, dilations=dilations, fill=0)
    rank = len(kernel)
    spatial = windows.shape[2 : 2 + rank]
    if weight.shape[:2] == (channels, 1) and groups == channels:
        return _depthwise(windows, weight)
    taps_first = (0, 1, *range(2 + rank, 2 + 2 * rank), *range(2, 2 + rank))
    depth = weight.shape[1] * math.prod(kernel)
    columns = windows.transpose(taps_first).reshape(batch, groups, depth, math.prod(spatial))
    rows = weight.reshape(groups, weight.shape[0] // groups, depth)
    return np.matmul(rows, columns).reshape(batch, weight.shape[0], *spatial)


def _depthwise(windows: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """One channel in, one out: a multiply-add per tap (one small matrix per channel is slower)."""
    kernel = weight.shape[2:]
    result = np.zeros(windows.shape[: 2 + len(kernel)], dtype=np.result_type(windows, weight))
    for tap in np.ndindex(*kernel):
        factor = weight[(slice(None), 0, *tap)].reshape(-1, *(1,) * len(kernel))
        result += windows[(..., *tap)] * factor
    return result


def convolve_transposed(
    x: np.ndarray,
    weight: np.ndarray,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    output_padding: Sequence[int],
) -> np.ndarray:
    """The transpose of `convolve`: x [N, C, spatial...], weight [C, O/groups, kernel...]."""
    batch, channels, *size = x.shape
    kernel = weight.shape[2:]
    rank = len(kernel)
    out_channels = weight.shape[1] * groups
    columns = np.matmul(
        weight.reshape(groups, channels // groups, -1).swapaxes(1, 2),
        x.reshape(batch, groups, channels // groups, -1),
    ).reshape(batch, groups, weight.shape[1], *kernel, *size)
    columns = columns.reshape(batch, out_channels, *kernel, *size)
    full = [
        (n - 1) * s + extent(k, d) + extra
        for n, s, k, d, extra in zip(size, strides, kernel, dilations, output_padding, strict=True)
    ]
    result = np.zeros((batch, out_channels, *full), dtype=columns.dtype)
    for tap in np.ndindex(*kernel):
        place = tuple(
            slice(t * d, t * d + (n - 1) * s + 1, s)
            for t, d, n, s in zip(tap, dilations, size, strides, strict=True)
        )
        result[(slice(None), slice(None), *place)] += columns[(slice(None), slice(None), *tap)]
    inside = tuple(slice(pads[i], full[i] - pads[rank + i]) for i in range(rank))
    return result[(slice(None), slice(None), *inside)]


def conv(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    residual: np.ndarray | None = None,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    activation: Activation | None = None,
    dtype: np.dtype | None = None,
) -> np.ndarray:
    """activation(conv(x, weight) + bias + residual).

    Parameters: x [N, C, spatial...]; weight [O, C/groups, kernel...]; bias [O]; residual, shaped
    as the result; pads, all begins and then all ends; dtype of the result (default: x's).
    """
    result = convolve(
        widen(x), widen(weight), strides=strides, pads=pads, dilations=dilations, groups=groups
    )
    return _finish(result, bias, residual, activation, dtype or x.dtype, channel_axis=1)


def conv_transpose(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    output_padding: Sequence[int],
    dtype: np.dtype | None = None,
) -> np.ndarray:
    """Transposed convolution plus bias: x [N, C, spatial...], weight [C, O/groups, kernel...]."""
    result = convolve_transposed(
        widen(x),
        widen(weight),
        strides=strides,
        pads=pads,
        dilations=dilations,
        groups=groups,
        output_padding=output_padding,
    )
    return _finish(result, bias, None, None, dtype or x.dtype, channel_axis=1)


def matmul(
    a: np.ndarray,
    b: np.ndarray,
    bias: np.ndarray | None = None,
    residual: np.ndarray | None = None,
    *,
    activation: Activation | None = None,
    dtype: np.dtype | None = None,
) -> np.ndarray:
    """activation(a @ b + bias + residual) with numpy's rules for batches; bias on the last axis."""
    with np.errstate(all="ignore"):
        result = np.asarray(np.matmul(widen(a), widen(b)))
    return _finish(result, bias, residual, activation, dtype or a.dtype, channel_axis=-1)


def _finish(
    result: np.ndarray,
    bias: np.ndarray | None,
    residual: np.ndarray | None,
    activation: Activation | None,
    dtype: np.dtype,
    *,
    channel_axis: int,
) -> np.ndarray:
    """Bias, residual and activation in the accumulator's type, then one rounding to `dtype`."""
    if bias is not None:
        result = result + along_axis(widen(bias), channel_axis, result.ndim)
    if residual is not None:
        result = result + widen(residual)
    result = activate(result, activation)
    return narrow(result, dtype) if is_float(dtype) else result


def along_axis(values: np.ndarray, axis: int, rank: int) -> np.ndarray:
    """A vector reshaped so that it broadcasts along one axis of a tensor of the given rank."""
    shape = [1] * rank
    shape[axis] = -1
    return values.reshape(shape)

"""Sliding windows over the spatial axes of an [N, C, spatial...] tensor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def extent(kernel: int, dilation: int) -> int:
    """How many elements a dilated kernel spans."""
    return (kernel - 1) * dilation + 1


def window_count(
    size: int,
    kernel: int,
    stride: int,
    begin: int,
    end: int,
    dilation: int,
    ceil_mode: bool = False,
) -> int:
    """How many windows fit on one axis.

    With `ceil_mode` a last window may hang over the end, but not start in the padding there
    (ONNX MaxPool, opset 22).
    """
    room = size + begin + end - extent(kernel, dilation)
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + begin else count


def sliding_windows(
    x: np.ndarray,
    kernel: Sequence[int],
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    fill: float,
    ceil_mode: bool = False,
) -> np.ndarray:
    """A view of shape [N, C, windows..., kernel...] onto x padded with `fill`.

    Parameters: pads, all begins and then all ends; `fill`, the value in the padding.
    """
    rank = len(kernel)
    begins, ends = pads[:rank], pads[rank:]
    widths = [(0, 0), (0, 0)]
    counts = []
    for axis in range(rank):
        k, s, d = kernel[axis], strides[axis], dilations[axis]
        count = window_count(x.shape[2 + axis], k, s, begins[axis], ends[axis], d, ceil_mode)
        reach = (count - 1) * s + extent(k, d) - x.shape[2 + axis] - begins[axis]
        widths.append((begins[axis], max(ends[axis], reach)))
        counts.append(count)
    if any(width != (0, 0) for width in widths):
        x = np.pad(x, widths, constant_values=fill)
    spans = tuple(extent(k, d) for k, d in zip(kernel, dilations, strict=True))
    view = sliding_window_view(x, spans, axis=tuple(range(2, 2 + rank)))
    every = tuple(slice(None, (n - 1) * s + 1, s) for n, s in zip(counts, strides, strict=True))
    taps = tuple(slice(None, None, d) for d in dilations)
    return view[(slice(None), slice(None), *every, *taps)]

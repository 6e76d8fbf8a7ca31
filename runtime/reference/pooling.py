"""Max and average pooling over sliding windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .precision import in_float32, is_float
from .windows import sliding_windows, window_count


def max_pool(
    x: np.ndarray,
    *,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    ceil_mode: bool,
) -> np.ndarray:
    """The largest element of each window; padding never wins. x: [N, C, spatial...], any type."""
    lowest = -np.inf if is_float(x.dtype) else np.iinfo(x.dtype).min
    windows = sliding_windows(
        x,
        kernel,
        strides=strides,
        pads=pads,
        dilations=dilations,
        fill=lowest,
        ceil_mode=ceil_mode,
    )
    first, *others = np.ndindex(*kernel)
    result = windows[(..., *first)].copy()
    for tap in others:
        np.maximum(result, windows[(..., *tap)], out=result)
    return result


@in_float32
def avg_pool(
    x: np.ndarray,
    *,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
) -> np.ndarray:
    """The mean of each window; padding counts as zeros only with `count_include_pad`."""
    sums = window_sums(
        x, kernel=kernel, strides=strides, pads=pads, dilations=dilations, ceil_mode=ceil_mode
    )
    counts = window_counts(
        x.shape[2:],
        kernel=kernel,
        strides=strides,
        pads=pads,
        dilations=dilations,
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
    )
    return sums / counts.astype(x.dtype)


def window_sums(
    x: np.ndarray,
    *,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    ceil_mode: bool,
) -> np.ndarray:
    """The sum of each window in the element type of x, taps in row-major order."""
    windows = sliding_windows(
        x, kernel, strides=strides, pads=pads, dilations=dilations, fill=0, ceil_mode=ceil_mode
    )
    first, *others = np.ndindex(*kernel)
    result = windows[(..., *first)].copy()
    for tap in others:
        result += windows[(..., *tap)]
    return result


def window_counts(
    size: Sequence[int],
    *,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
) -> np.ndarray:
    """How many elements each window averages over, shape [windows...].

    With `count_include_pad` the declared padding counts, but not what `ceil_mode` adds beyond it.
    """
    rank = len(kernel)
    result = np.ones((), dtype=np.int64)
    for axis in range(rank):
        begin, end = pads[axis], pads[rank + axis]
        n, k, s, d = size[axis], kernel[axis], strides[axis], dilations[axis]
        starts = np.arange(window_count(n, k, s, begin, end, d, ceil_mode)) * s - begin
        positions = starts[:, None] + np.arange(k) * d
        lo, hi = (-begin, n + end) if count_include_pad else (0, n)
        counts = ((positions >= lo) & (positions < hi)).sum(axis=1)
        result = result[..., None] * counts
    return result

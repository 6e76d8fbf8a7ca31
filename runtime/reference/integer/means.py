"""Averages of stored integers: an int32 sum and one factor that also divides by the count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import pooling, reduction
from ..quantization import QuantParams
from .arithmetic import store_per_tensor
from .linear import as_int32

_F32 = np.float32


def avg_pool(
    x: np.ndarray,
    *,
    x_params: QuantParams,
    result_params: QuantParams,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    ceil_mode: bool,
    count_include_pad: bool,
) -> np.ndarray:
    """acc = sum(x - zx) over each window, f = float32(acc) * float32(sx / (sy * n)), `store`.

    n, the elements averaged, varies along the borders; the factor is computed in float64.
    """
    _, zero_point = x_params.scalars("avg_pool: the input")
    window: dict[str, Any] = {
        "kernel": kernel,
        "strides": strides,
        "pads": pads,
        "dilations": dilations,
        "ceil_mode": ceil_mode,
    }
    sums = pooling.window_sums(x.astype(np.int32) - np.int32(zero_point), **window)
    counts = pooling.window_counts(x.shape[2:], count_include_pad=count_include_pad, **window)
    factor = mean_factor(x_params, result_params, counts)
    return store_per_tensor(sums.astype(_F32) * factor, result_params)


def reduce_mean(
    x: np.ndarray,
    *,
    x_params: QuantParams,
    result_params: QuantParams,
    axes: Sequence[int],
    keepdims: bool,
) -> np.ndarray:
    """acc = sum(x - zx) over `axes`, f = float32(acc) * float32(sx / (sy * n)), then `store`."""
    _, zero_point = x_params.scalars("reduce_mean: the input")
    axes = reduction.reduced_axes(axes, x.ndim)
    total = np.sum(x.astype(np.int64) - zero_point, axis=axes, keepdims=keepdims)
    sums = as_int32(np.asarray(total), "reduce_mean")
    count = np.prod([x.shape[axis] for axis in axes], dtype=np.int64)
    return store_per_tensor(
        sums.astype(_F32) * mean_factor(x_params, result_params, count), result_params
    )


def mean_factor(x_params: QuantParams, result_params: QuantParams, count: Any) -> np.ndarray:
    """sx / (sy * n) computed in float64 and rounded once to float32."""
    sx, _ = x_params.scalars("the input")
    sy, _ = result_params.scalars("the result")
    return np.asarray(np.float64(sx) / (np.float64(sy) * count), dtype=_F32)

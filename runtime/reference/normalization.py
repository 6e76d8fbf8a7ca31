"""Normalizations and softmax, in float32 with the fixed summation order of `elementary`."""

from __future__ import annotations

import numpy as np

from .elementwise import exp
from .linear import along_axis
from .precision import in_float32
from .reduction import lanes_sum_over, mean_over


@in_float32
def batch_norm(
    x: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    *,
    epsilon: float,
) -> np.ndarray:
    """(x - mean) * (scale / sqrt(variance + epsilon)) + bias, per channel (axis 1)."""
    factor = scale / np.sqrt(variance + variance.dtype.type(epsilon))
    mean, factor, bias = (along_axis(v, 1, x.ndim) for v in (mean, factor, bias))
    return (x - mean) * factor + bias


@in_float32
def layer_norm(
    x: np.ndarray,
    scale: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    *,
    axis: int,
    epsilon: float,
) -> np.ndarray:
    """Normalize over `axis` and all later axes (Ba et al. 2016), then scale and shift.

    d = x - mean(x); d * (1 / sqrt(mean(d * d) + epsilon)) * scale + bias.
    """
    result = _standardize(x, tuple(range(axis % x.ndim, x.ndim)), epsilon)
    if scale is not None:
        result = result * scale
    return result if bias is None else result + bias


@in_float32
def instance_norm(
    x: np.ndarray, scale: np.ndarray, bias: np.ndarray, *, epsilon: float
) -> np.ndarray:
    """Normalize each sample and channel over the spatial axes, then scale and shift per channel."""
    result = _standardize(x, tuple(range(2, x.ndim)), epsilon)
    return result * along_axis(scale, 1, x.ndim) + along_axis(bias, 1, x.ndim)


def _standardize(x: np.ndarray, axes: tuple[int, ...], epsilon: float) -> np.ndarray:
    """Zero mean and unit variance over `axes` (the biased variance of the deviations)."""
    one = x.dtype.type(1)
    deviation = x - mean_over(x, axes)
    variance = mean_over(deviation * deviation, axes)
    return deviation * (one / np.sqrt(variance + x.dtype.type(epsilon)))


@in_float32
def lrn(x: np.ndarray, *, size: int, alpha: float, beta: float, bias: float) -> np.ndarray:
    """Local response normalization across channels (Krizhevsky et al. 2012), as ONNX defines it.

    x / (bias + alpha / size * sum of squares over the `size` channels around)^beta.
    """
    channels = x.shape[1]
    before, after = (size - 1) // 2, size // 2
    padding = [(0, 0)] * x.ndim
    padding[1] = (before, after)
    squares = np.pad(np.square(x.astype(np.float64)), padding)
    total = sum(squares[:, i : i + channels] for i in range(size))
    return (x / np.power(bias + alpha / size * total, beta)).astype(x.dtype)


@in_float32
def softmax(x: np.ndarray, *, axis: int) -> np.ndarray:
    """exp(x - max) / sum, the sum in the 16-lane order."""
    powers = exp(x - np.max(x, axis=axis, keepdims=True))
    return powers / lanes_sum_over(powers, (axis,))


@in_float32
def log_softmax(x: np.ndarray, *, axis: int) -> np.ndarray:
    """(x - max) - log(sum(exp(x - max))); the logarithm in float64, rounded once."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    total = lanes_sum_over(exp(shifted), (axis,))
    return shifted - np.log(total.astype(np.float64)).astype(x.dtype)

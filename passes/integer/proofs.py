"""Proves, from weights and types alone, that 32-bit accumulators and biases cannot overflow.

For output channel c the sum of an int8 convolution or matrix product is bounded by

    |acc[c]| <= sum over its inputs of |w - zw| * max|x - zx|  +  |bias[c]|

where x takes any value of its storage range. The bound holds for every input the program will
ever see, calibration or not.
"""

from __future__ import annotations

import numpy as np

from dialects.quant import UniformQuantizedType

INT32_MAX = 2**31 - 1

BIAS_LIMIT = 2**30
"""Biases may use half the int32 range; the other half is the sum's."""


def accumulator_bounds(
    magnitudes: np.ndarray, greatest_input: int, bias: np.ndarray | None
) -> np.ndarray:
    """The greatest |acc| per output channel.

    - magnitudes: sum of |w - zw| over the inputs of each output channel, exact integers.
    - greatest_input: max|x - zx|.
    - bias: int32 values per channel, or None.
    """
    bounds = magnitudes.astype(np.int64) * greatest_input
    return bounds if bias is None else bounds + np.abs(bias.astype(np.int64))


def greatest_input(element: UniformQuantizedType) -> int:
    """max|x - zx| over the storage range of a per-tensor type."""
    (zero_point,) = element.zero_points.get_values()
    low, high = element.limits
    return max(high - zero_point, zero_point - low)


def channel_magnitudes(
    stored: np.ndarray, element: UniformQuantizedType, channel_axis: int
) -> np.ndarray:
    """The sum of |w - zw| per index of `channel_axis`; over a matrix product's batch the greatest.

    For a convolution weight [O, C/g, kernel..] with axis 0 all other dimensions are summed. For
    `b` of a matrix product [.., K, N] with axis -1 only K is summed; leading dimensions are
    separate products, and the worst counts.
    """
    zero_points = np.array(element.zero_points.get_values(), np.int64)
    if element.channel_axis is not None:
        shape = [1] * stored.ndim
        shape[element.channel_axis] = -1
        zero_points = zero_points.reshape(shape)
    magnitude = np.abs(stored.astype(np.int64) - zero_points)
    if channel_axis == 0:
        return magnitude.reshape(magnitude.shape[0], -1).sum(axis=1)
    if magnitude.ndim == 1:
        return magnitude.sum(keepdims=True)
    sums = magnitude.sum(axis=-2)
    return sums.reshape(-1, sums.shape[-1]).max(axis=0)


def quantized_bias(bias: np.ndarray, scales: np.ndarray) -> np.ndarray | None:
    """`bias / scales` rounded half to even, as int32; None if an entry exceeds `BIAS_LIMIT`."""
    steps = np.rint(bias.astype(np.float64) / scales.astype(np.float64))
    if not np.all(np.abs(steps) <= BIAS_LIMIT):
        return None
    return steps.astype(np.int32)


def least_weight_scale(bias: np.ndarray, input_scale: float) -> np.ndarray:
    """The weight scale per channel from which on `bias` stays within `BIAS_LIMIT`.

    A channel whose weights are tiny beside its bias would otherwise need more than 32 bits.
    One step in 2^20 of slack covers the roundings of the scales to float32.
    """
    return np.abs(bias.astype(np.float64)) / (input_scale * BIAS_LIMIT) * (1.0 + 2.0**-20)

"""Normalizations in float32.

    layer_norm, instance_norm   d = x - sum(x) / n      v = sum(d * d) / n       (16-lane sums)
                                y = d * (1 / sqrt(v + epsilon)) * scale + bias
    batch_norm                  y = (x - mean) * (scale / sqrt(variance + epsilon)) + bias
    lrn                         y = x / (bias + alpha / size * sum of x^2 over `size` channels)^beta

Every product and sum is rounded on its own, in this order: equal to
`runtime.reference.normalization` in every bit (lrn: computed in float64, rounded once).
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numpy as np

from runtime.kernels.abi import Call, Kernel, View, f32_bits
from runtime.kernels.copy import copy_calls
from runtime.kernels.half import FLOATS, element_access
from runtime.kernels.intrinsics import f32_argument, f64_pointer
from runtime.kernels.isa import Isa
from runtime.kernels.lanes import sums_of
from runtime.kernels.strided import (
    Axis,
    advance,
    argument,
    collapse,
    device,
    nest2,
    nest3,
    nest4,
    nest_arguments,
    parameters_at,
)

_SIZE, _X, _Y, _EPSILON, _STEP = range(parameters_at(4), parameters_at(4) + 5)
_ZERO, _ONE = np.float32(0), np.float32(1)


@cache
def standardize_kernel(dtype: str, dense: bool) -> Kernel:
    """Layer and instance normalization of vectors of a float type, `dense` or at any stride.

    Scale and bias advance by `step` elements per element of the vector: 1 (layer) or 0 (instance).
    """

    stored, load, store = element_access(dtype)
    lane_sum, lane_sum_squares = sums_of(dtype)

    @device
    def row_function(
        row: int, n: int, x: Any, sx: int, s: Any, ss: int, b: Any, sb: int, y: Any, sy: int
    ) -> None:
        size = argument(row, _SIZE)
        xs, ys = (1, 1) if dense else (argument(row, _X), argument(row, _Y))
        step, epsilon = argument(row, _STEP), f32_argument(row, _EPSILON)
        count = np.float32(size)
        for i in range(n):
            source, result = advance(x, i * sx), advance(y, i * sy)
            scale, bias = advance(s, i * ss), advance(b, i * sb)
            mean = lane_sum(source, xs, size, _ZERO) / count
            variance = lane_sum_squares(source, xs, size, mean) / count
            factor = _ONE / np.sqrt(variance + epsilon)
            if dense and step == 1:
                for k in range(size):
                    result[k] = store((load(source[k]) - mean) * factor * scale[k] + bias[k])
            elif dense:
                for k in range(size):
                    result[k] = store((load(source[k]) - mean) * factor * scale[0] + bias[0])
            else:
                for k in range(size):
                    scaled = (load(source[k * xs]) - mean) * factor * scale[k * step]
                    result[k * ys] = store(scaled + bias[k * step])

    return nest4(standardize_kernel, row_function, stored, *["float32"] * 2, stored, dtype, dense)


def layer_norm_calls(
    x: View, y: View, *, axis: int, epsilon: float, scale: View | None, bias: View | None
) -> list[Call]:
    """Normalizes over `axis` and all later axes; scale and bias are contiguous, of their shape."""
    if y.size == 0:
        return []
    axis %= x.rank
    shape = x.shape[axis:]
    size = int(np.prod(shape, dtype=np.int64))
    keep: tuple[np.ndarray, ...] = ()
    parameters = []
    for given, neutral in ((scale, 1.0), (bias, 0.0)):
        if given is None:
            array = np.full(shape, neutral, np.float32)
            keep, given = (*keep, array), View.of(array)
        elif not given.is_contiguous or given.size != size:
            raise ValueError(f"layer_norm: scale and bias must be contiguous, of shape {shape}")
        parameters.append(View(given.address, (1,) * x.rank, (0,) * x.rank, given.dtype))
    axes = tuple(range(axis, x.rank))
    return _standardize_calls(x, y, axes, parameters[0], parameters[1], 1, epsilon, keep)


def instance_norm_calls(x: View, y: View, *, scale: View, bias: View, epsilon: float) -> list[Call]:
    """Normalizes each sample and channel over the spatial axes; scale and bias: [C]."""
    if y.size == 0:
        return []
    shape = (1, x.shape[1]) + (1,) * (x.rank - 2)
    scale, bias = (
        View(view.address, shape, (0, view.strides[0]) + (0,) * (x.rank - 2), view.dtype)
        for view in (scale, bias)
    )
    return _standardize_calls(x, y, tuple(range(2, x.rank)), scale, bias, 0, epsilon, ())


def _standardize_calls(
    x: View,
    y: View,
    axes: tuple[int, ...],
    scale: View,
    bias: View,
    step: int,
    epsilon: float,
    keep: tuple[np.ndarray, ...],
) -> list[Call]:
    inner = collapse([Axis(x.shape[a], (x.byte_strides[a], y.byte_strides[a])) for a in axes])
    if len(inner) > 1:  # not one vector in memory: work on a dense copy
        dense = np.empty(x.shape, x.dtype)
        view = View.of(dense)
        middle = _standardize_calls(view, view, axes, scale, bias, step, epsilon, (*keep, dense))
        return [*copy_calls(x, view), *middle, *copy_calls(view, y)]
    vector = inner[0] if inner else Axis(1, (0, 0))
    for axis in axes:
        x, y = x.slice(axis, 0, 1), y.slice(axis, 0, 1)
    views = (x, scale.broadcast_to(x.shape), bias.broadcast_to(x.shape), y)
    strides = tuple(stride // x.dtype.itemsize for stride in vector.strides)
    words = (*nest_arguments(views), vector.size, *strides, f32_bits(epsilon), step)
    return [Call(standardize_kernel(x.dtype.name, strides == (1, 1)), words, keep)]


# --- batch_norm ----------------------------------------------------------------------------------


@cache
def batch_norm_kernel() -> Kernel:
    """y = (x - p[0]) * p[1] + p[2] with three parameters per channel."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, p: Any, sp: int, y: Any, sy: int) -> None:
        if sp == 0:
            mean, factor, bias = p[0], p[1], p[2]
            for i in range(n):
                y[i * sy] = (x[i * sx] - mean) * factor + bias
        else:
            for i in range(n):
                y[i * sy] = (x[i * sx] - p[i * sp]) * p[i * sp + 1] + p[i * sp + 2]

    return nest3(batch_norm_kernel, row_function, *["float32"] * 3)


def batch_norm_calls(
    x: View,
    y: View,
    *,
    scale: np.ndarray,
    bias: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    epsilon: float,
) -> list[Call]:
    """Normalizes channel c (axis 1) by known statistics; all parameters are float32 [C]."""
    if y.size == 0:
        return []
    factor = scale / np.sqrt(variance + np.float32(epsilon))
    table = np.ascontiguousarray(np.stack([mean, factor, bias], axis=1), np.float32)
    shape = (1, x.shape[1]) + (1,) * (x.rank - 2)
    strides = (0, 3) + (0,) * (x.rank - 2)
    parameters = View(table.ctypes.data, shape, strides, table.dtype).broadcast_to(x.shape)
    return [Call(batch_norm_kernel(), nest_arguments((x, parameters, y)), (table,))]


# --- lrn -----------------------------------------------------------------------------------------

_LRN_CHANNELS, _LRN_X, _LRN_Y, _LRN_SIZE = range(parameters_at(2), parameters_at(2) + 4)
_LRN_FACTOR, _LRN_BETA, _LRN_BIAS = range(_LRN_SIZE + 1, _LRN_SIZE + 4)


@device
def _f64_argument(row: int, index: int) -> Any:
    return f64_pointer(row)[index]


@cache
def lrn_kernel() -> Kernel:
    """Local response normalization across the channels of each pixel."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        channels, size = argument(row, _LRN_CHANNELS), argument(row, _LRN_SIZE)
        xc, yc = argument(row, _LRN_X), argument(row, _LRN_Y)
        factor, beta = _f64_argument(row, _LRN_FACTOR), _f64_argument(row, _LRN_BETA)
        bias = _f64_argument(row, _LRN_BIAS)
        before, after = (size - 1) // 2, size // 2
        for i in range(n):
            source, result = advance(x, i * sx), advance(y, i * sy)
            for c in range(channels):
                total = np.float64(0)
                for k in range(max(c - before, 0), min(c + after + 1, channels)):
                    value = np.float64(source[k * xc])
                    total += value * value
                result[c * yc] = np.float64(source[c * xc]) / (bias + factor * total) ** beta

    return nest2(lrn_kernel, row_function, "float32", "float32")


def lrn_calls(x: View, y: View, *, size: int, alpha: float, beta: float, bias: float) -> list[Call]:
    """Divides by a power of the mean square of the `size` channels (axis 1) around; y is not x."""
    if y.size == 0:
        return []
    bits = (
        struct.unpack("<q", struct.pack("<d", value))[0] for value in (alpha / size, beta, bias)
    )
    words = nest_arguments((x.slice(1, 0, 1), y.slice(1, 0, 1)))
    return [Call(lrn_kernel(), (*words, x.shape[1], x.strides[1], y.strides[1], size, *bits))]


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every kernel; they are the same for all instruction sets."""
    standardize = [standardize_kernel(x, dense) for x in FLOATS for dense in (True, False)]
    return [*standardize, batch_norm_kernel(), lrn_kernel()]

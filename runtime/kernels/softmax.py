"""Softmax and log-softmax along one axis, float32.

    m = max(x)    e = exp(x - m)    s = sum(e), in 16 lanes
    softmax      y = e / s
    log_softmax  y = (x - m) - log(s), the logarithm in float64, rounded once

Equal to `runtime.reference.normalization` in every bit.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from runtime.kernels.abi import Call, Kernel, View
from runtime.kernels.lanes import lane_max, lane_sum
from runtime.kernels.scalar_math import exp
from runtime.kernels.strided import (
    advance,
    argument,
    device,
    nest2,
    nest_arguments,
    parameters_at,
)

_SIZE, _X, _Y = range(parameters_at(2), parameters_at(2) + 3)


@device
def _exp_shifted(x: Any, sx: int, y: Any, sy: int, n: int, shift: Any) -> None:
    """y = exp(x - shift)."""
    if sx == 1 and sy == 1:
        for k in range(n):
            y[k] = exp(x[k] - shift)
    else:
        for k in range(n):
            y[k * sy] = exp(x[k * sx] - shift)


@cache
def softmax_kernel() -> Kernel:
    """softmax; the exponentials are kept in y."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        size, xs, ys = argument(row, _SIZE), argument(row, _X), argument(row, _Y)
        for i in range(n):
            source, result = advance(x, i * sx), advance(y, i * sy)
            _exp_shifted(source, xs, result, ys, size, lane_max(source, xs, size))
            total = lane_sum(result, ys, size)
            if ys == 1:
                for k in range(size):
                    result[k] = result[k] / total
            else:
                for k in range(size):
                    result[k * ys] = result[k * ys] / total

    return nest2(softmax_kernel, row_function, "float32", "float32")


@cache
def log_softmax_kernel() -> Kernel:
    """log_softmax; y holds the exponentials until their sum is known."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        size, xs, ys = argument(row, _SIZE), argument(row, _X), argument(row, _Y)
        for i in range(n):
            source, result = advance(x, i * sx), advance(y, i * sy)
            largest = lane_max(source, xs, size)
            _exp_shifted(source, xs, result, ys, size, largest)
            total = np.float32(np.log(np.float64(lane_sum(result, ys, size))))
            for k in range(size):
                result[k * ys] = (source[k * xs] - largest) - total

    return nest2(log_softmax_kernel, row_function, "float32", "float32")


def _calls(kernel: Kernel, x: View, y: View, axis: int) -> list[Call]:
    if y.size == 0:
        return []
    size, strides = x.shape[axis], (x.strides[axis], y.strides[axis])
    words = nest_arguments((x.slice(axis, 0, 1), y.slice(axis, 0, 1)))
    return [Call(kernel, (*words, size, *strides))]


def softmax_calls(x: View, y: View, axis: int) -> list[Call]:
    """y = softmax(x) along `axis`; y may be x."""
    return _calls(softmax_kernel(), x, y, axis)


def log_softmax_calls(x: View, y: View, axis: int) -> list[Call]:
    """y = log(softmax(x)) along `axis`; y must not overlap x."""
    return _calls(log_softmax_kernel(), x, y, axis)

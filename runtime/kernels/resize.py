"""Resizing by tables of source elements and weights, one axis at a time.

    nearest         y[..., o, ...] = x[..., index[o], ...]
    interpolation   y[..., o, ...] = sum over t of x[..., index[t, o], ...] * weight[t, o]

The tables come from the caller (coordinates, rounding, cubic coefficients, clamping at the border
are its business).  The sum runs over t = 0, 1, ... with every product and sum rounded to float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from runtime.kernels.abi import Call, Kernel, View
from runtime.kernels.copy import copy_calls
from runtime.kernels.gather import gather_calls
from runtime.kernels.intrinsics import f32_pointer, i64_pointer
from runtime.kernels.isa import Isa
from runtime.kernels.strided import (
    advance,
    argument,
    device,
    nest3,
    nest_arguments,
    parameters_at,
)

_INDEX, _WEIGHT, _TAPS, _OUTPUTS, _STRIDE = range(parameters_at(3), parameters_at(3) + 5)


@dataclass(frozen=True, eq=False)
class Sampling:
    """How one axis is sampled: index int64 [taps, outputs] into x's axis, weight float32 [taps,
    outputs].

    For a nearest-neighbour resize there is one tap and no weight.
    """

    axis: int
    index: np.ndarray
    weight: np.ndarray | None = None


@cache
def interpolate_kernel() -> Kernel:
    """Weighted sums along one axis; the second operand is the output's position on that axis."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, o: Any, so: int, y: Any, sy: int) -> None:
        index, weight = i64_pointer(argument(row, _INDEX)), f32_pointer(argument(row, _WEIGHT))
        taps, outputs = argument(row, _TAPS), argument(row, _OUTPUTS)
        stride = argument(row, _STRIDE)
        if so == 0:  # one output position for the whole row
            position = np.int64(o[0])
            for t in range(taps):
                source = advance(x, index[t * outputs + position] * stride)
                w = weight[t * outputs + position]
                if t == 0 and sx == 1 and sy == 1:
                    for i in range(n):
                        y[i] = source[i] * w
                elif t == 0:
                    for i in range(n):
                        y[i * sy] = source[i * sx] * w
                elif sx == 1 and sy == 1:
                    for i in range(n):
                        y[i] = y[i] + source[i] * w
                else:
                    for i in range(n):
                        y[i * sy] = y[i * sy] + source[i * sx] * w
        else:
            for i in range(n):
                position = np.int64(o[i * so])
                total = np.float32(0)
                for t in range(taps):
                    at = index[t * outputs + position] * stride + i * sx
                    total = total + x[at] * weight[t * outputs + position]
                y[i * sy] = total

    return nest3(interpolate_kernel, row_function, "float32", "int32", "float32")


def interpolate_calls(x: View, y: View, sampling: Sampling) -> list[Call]:
    """Interpolates float32 `x` along one axis into `y`; all other axes are equal."""
    if y.size == 0:
        return []
    axis, index, weight = sampling.axis, sampling.index, sampling.weight
    if weight is None or index.shape != weight.shape:
        raise ValueError("an interpolation needs a weight for every index")
    taps, outputs = index.shape
    if outputs != y.shape[axis] or index.min() < 0 or index.max() >= x.shape[axis]:
        raise ValueError(f"sampling table does not fit axis {axis} of {x.shape} and {y.shape}")
    index, weight = np.ascontiguousarray(index, np.int64), np.ascontiguousarray(weight, np.float32)
    position = np.arange(outputs, dtype=np.int32)
    shape = tuple(outputs if a == axis else 1 for a in range(y.rank))
    places = View.of(position.reshape(shape)).broadcast_to(y.shape)
    source = x.slice(axis, 0, 1).broadcast_to(y.shape)
    keep = (index, weight, position)
    tables = (index.ctypes.data, weight.ctypes.data)
    words = (*nest_arguments((source, places, y)), *tables, taps, outputs, x.strides[axis])
    return [Call(interpolate_kernel(), words, keep)]


def nearest_calls(x: View, y: View, sampling: Sampling) -> list[Call]:
    """y = x[..., index, ...] along one axis; any element type."""
    index = np.ascontiguousarray(sampling.index, np.int64).reshape(-1)
    if index.size and (index.min() < 0 or index.max() >= x.shape[sampling.axis]):
        raise ValueError(f"sampling table does not fit axis {sampling.axis} of {x.shape}")
    calls = gather_calls(x, View.of(index), y, sampling.axis)
    return [Call(c.kernel, c.arguments, (*c.keep, index)) for c in calls]


def resize_calls(x: View, y: View, samplings: Sequence[Sampling]) -> list[Call]:
    """Resizes axis after axis, in the given order, through scratch arrays that the calls keep.

    Every axis in which x and y differ has exactly one sampling; without any this is a copy.
    """
    if y.size == 0:
        return []
    calls: list[Call] = []
    keep: tuple[np.ndarray, ...] = ()
    for number, sampling in enumerate(samplings):
        outputs = sampling.index.shape[-1]
        if number == len(samplings) - 1:
            target = y
        else:
            shape = (*x.shape[: sampling.axis], outputs, *x.shape[sampling.axis + 1 :])
            scratch = np.empty(_memory_order(shape, y), y.dtype)
            keep = (*keep, scratch)
            target = View.of(scratch.transpose(_logical_order(y)))
        step = nearest_calls if sampling.weight is None else interpolate_calls
        calls += step(x, target, sampling)
        x = target
    if not samplings:
        calls = copy_calls(x, y)
    return [Call(c.kernel, c.arguments, (*c.keep, *keep)) for c in calls]


def _axes_by_stride(y: View) -> list[int]:
    return sorted(range(y.rank), key=lambda axis: -abs(y.strides[axis]))


def _memory_order(shape: Sequence[int], y: View) -> list[int]:
    """`shape` with the axes in y's memory order, so that passes run along the same fast axis."""
    return [shape[axis] for axis in _axes_by_stride(y)]


def _logical_order(y: View) -> tuple[int, ...]:
    """The permutation that undoes `_memory_order`."""
    return tuple(int(axis) for axis in np.argsort(_axes_by_stride(y)))


def every_kernel(isa: Isa) -> list[Kernel]:
    """The kernel of interpolation; resizing to the nearest element is a gather."""
    return [interpolate_kernel()]

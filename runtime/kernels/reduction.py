"""Reductions over axes.

    sum, mean, max, min, prod     y[kept] = x[kept, reduced] combined over the reduced axes
    quantized mean                y = rint(clamp(sum(x - za) * m, low - zy, high - zy)) + zy
                                  m = sa / (sy * n), computed in float64 and rounded once

float32 is combined in 16 lanes: the reduced elements of one result, counted in row-major order, go
to lane 0, 1, ... 15, 0, ... (see `lanes`), and so are 16-bit floats, widened first, rounded last;
integers in 64 bits, wrapping to y's type.  Three kernels:

    rows      the reduced axes are one axis in memory: one lane reduction per result
    columns   otherwise: 64 results side by side, 16 lanes of 64 columns; vectorized over results
    integers  one result at a time
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from math import prod
from typing import Any, Literal, cast

import numpy as np
from numba.core import types

from runtime.kernels.abi import Call, Kernel, View, f32_bits
from runtime.kernels.element_types import WIDE_INTEGERS
from runtime.kernels.half import FLOATS, WIDEN, element_access
from runtime.kernels.intrinsics import f32_argument
from runtime.kernels.isa import Isa
from runtime.kernels.lanes import (
    LANES,
    add,
    itself,
    lane_reduction,
    larger,
    multiply,
    scratch,
    smaller,
)
from runtime.kernels.pooling import Window, average_pool_calls, mean_multiplier
from runtime.kernels.quantized_elementwise import Quantization, to_u8
from runtime.kernels.strided import (
    MAX_RANK,
    Axis,
    advance,
    argument,
    collapse,
    device,
    nest2,
    nest_arguments,
    parameters_at,
)

Operation = Literal["sum", "mean", "max", "min", "prod"]

_MAX_REDUCED = MAX_RANK
_COUNT = parameters_at(2)
_RANK, _SIZES = _COUNT + 1, _COUNT + 2
_STRIDES = _SIZES + _MAX_REDUCED
_EXTRA = _STRIDES + _MAX_REDUCED
_MULTIPLIER, _ZA, _LOW, _HIGH, _ZY = range(_EXTRA, _EXTRA + 5)
_INNER = _MAX_REDUCED - 1  # the reduced axes are right-aligned: the last slot is the innermost

_COMBINE: dict[str, Any] = {
    "sum": add,
    "mean": add,
    "max": larger,
    "min": smaller,
    "prod": multiply,
}
_NEUTRAL = {
    "sum": np.float32(0),
    "mean": np.float32(0),
    "max": -np.float32(np.inf),
    "min": np.float32(np.inf),
    "prod": np.float32(1),
}
_COLUMNS = 64

_ZERO = np.float32(0)


@device
def _outer_offset(row: int, index: int) -> int:
    """Offset in elements of step `index` of the reduced axes without the innermost."""
    offset = 0
    for axis in range(_INNER - 1, _INNER - argument(row, _RANK), -1):
        size = argument(row, _SIZES + axis)
        rest = index // size
        offset += (index - rest * size) * argument(row, _STRIDES + axis)
        index = rest
    return offset


@device
def _outer_count(row: int) -> int:
    """Number of steps of the reduced axes without the innermost."""
    return argument(row, _COUNT) // max(argument(row, _SIZES + _INNER), 1)


@device
def _divide(total: Any, count: Any) -> Any:
    return total / count


@device
def _unchanged(total: Any, count: Any) -> Any:
    return total


@cache
def reduce_rows_kernel(operation: Operation, dtype: str) -> Kernel:
    """Floats, the reduced elements at one stride."""
    stored, _, store = element_access(dtype)
    reduce = lane_reduction(_COMBINE[operation], itself, _NEUTRAL[operation], dtype)
    finish = _divide if operation == "mean" else _unchanged

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        count, stride = argument(row, _COUNT), argument(row, _STRIDES + _INNER)
        for i in range(n):
            total = reduce(advance(x, i * sx), stride, count, _ZERO)
            y[i * sy] = store(finish(total, np.float32(count)))

    return nest2(reduce_rows_kernel, row_function, stored, stored, operation, dtype)


@cache
def reduce_columns_kernel(operation: Operation, dtype: str) -> Kernel:
    """Floats, 64 results at a time."""
    stored, load, store = element_access(dtype)
    combine, neutral = _COMBINE[operation], _NEUTRAL[operation]
    finish = _divide if operation == "mean" else _unchanged
    lane_columns = scratch(types.float32, LANES * _COLUMNS)

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        lanes = lane_columns()
        size, stride = argument(row, _SIZES + _INNER), argument(row, _STRIDES + _INNER)
        count = np.float32(argument(row, _COUNT))
        for first in range(0, n, _COLUMNS):
            columns = min(_COLUMNS, n - first)
            for i in range(LANES * _COLUMNS):
                lanes[i] = neutral
            element = 0
            for outer in range(_outer_count(row)):
                offset = first * sx + _outer_offset(row, outer)
                for k in range(size):
                    lane = advance(lanes, element % LANES * _COLUMNS)
                    source = advance(x, offset + k * stride)
                    if sx == 1:
                        for i in range(columns):
                            lane[i] = combine(lane[i], load(source[i]))
                    else:
                        for i in range(columns):
                            lane[i] = combine(lane[i], load(source[i * sx]))
                    element += 1
            width = LANES // 2
            while width > 0:
                for i in range(width * _COLUMNS):
                    lanes[i] = combine(lanes[i], lanes[i + width * _COLUMNS])
                width //= 2
            for i in range(columns):
                y[(first + i) * sy] = store(finish(lanes[i], count))

    return nest2(reduce_columns_kernel, row_function, stored, stored, operation, dtype)


@device
def _floored_mean(total: Any, count: Any) -> Any:
    return total // count


@device
def _truncated_mean(total: Any, count: Any) -> Any:
    mean = total // count
    return mean + 1 if mean < 0 and mean * count != total else mean


@cache
def reduce_integers_kernel(operation: Operation, dtype: str) -> Kernel:
    """Any integer type; the mean truncates toward zero."""
    combine = _COMBINE[operation]
    signed = dtype.startswith("int")
    # Unsigned totals, or the largest u64 would compare as negative.
    wide = np.int64 if signed else np.uint64
    limits = np.iinfo(dtype)
    start = wide({"max": limits.min, "min": limits.max, "prod": 1}.get(operation, 0))
    mean = _truncated_mean if signed else _floored_mean
    finish = mean if operation == "mean" else _unchanged

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        size, stride = argument(row, _SIZES + _INNER), argument(row, _STRIDES + _INNER)
        for i in range(n):
            total = start
            for outer in range(_outer_count(row)):
                source = advance(x, i * sx + _outer_offset(row, outer))
                for k in range(size):
                    total = combine(total, wide(source[k * stride]))
            y[i * sy] = finish(total, wide(argument(row, _COUNT)))

    return nest2(reduce_integers_kernel, row_function, dtype, dtype, operation)


@cache
def quantized_mean_kernel() -> Kernel:
    """u8 mean, 64 results at a time where they are contiguous."""
    totals_scratch = scratch(types.int32, _COLUMNS)

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        totals = totals_scratch()
        size, stride = argument(row, _SIZES + _INNER), argument(row, _STRIDES + _INNER)
        low, high = f32_argument(row, _LOW), f32_argument(row, _HIGH)
        multiplier, zy = f32_argument(row, _MULTIPLIER), np.int32(argument(row, _ZY))
        start = np.int32(-argument(row, _COUNT) * argument(row, _ZA))
        for first in range(0, n, _COLUMNS):
            columns = min(_COLUMNS, n - first)
            for i in range(columns):
                totals[i] = start
            for outer in range(_outer_count(row)):
                offset = first * sx + _outer_offset(row, outer)
                if sx == 1:
                    for k in range(size):
                        source = advance(x, offset + k * stride)
                        for i in range(columns):
                            totals[i] = np.int32(totals[i] + np.int32(source[i]))
                else:
                    for i in range(columns):
                        source = advance(x, offset + i * sx)
                        total = np.int32(0)
                        for k in range(size):
                            total = np.int32(total + np.int32(source[k * stride]))
                        totals[i] = np.int32(totals[i] + total)
            for i in range(columns):
                f = np.float32(totals[i]) * multiplier
                y[(first + i) * sy] = to_u8(f, low, high, zy)

    return nest2(quantized_mean_kernel, row_function, "uint8", "uint8")


# --- planning ------------------------------------------------------------------------------------


def split_axes(x: View, y: View, axes: Sequence[int]) -> tuple[View, View, list[Axis]]:
    """(x at the first reduced element, y, the reduced axes) with the kept axes as the views' shape.

    y may have the reduced axes with size 1 (keepdims) or not at all.
    """
    reduced = sorted(axis % x.rank for axis in axes)
    kept = [axis for axis in range(x.rank) if axis not in reduced]
    inner = collapse([Axis(x.shape[axis], (x.byte_strides[axis],)) for axis in reduced])
    if y.rank == x.rank:
        y = _select(y, kept)
    x = _select(x, kept)
    if y.shape != x.shape:
        raise ValueError(f"a reduction to shape {x.shape} cannot be stored in shape {y.shape}")
    return x, y, inner


def _select(view: View, axes: Sequence[int]) -> View:
    shape = tuple(view.shape[axis] for axis in axes)
    return View(view.address, shape, tuple(view.strides[axis] for axis in axes), view.dtype)


def _reduced_words(reduced: list[Axis], itemsize: int) -> tuple[int, ...]:
    missing = _MAX_REDUCED - len(reduced)
    count = prod(axis.size for axis in reduced)
    sizes = [1] * missing + [axis.size for axis in reduced]
    strides = [0] * missing + [axis.strides[0] // itemsize for axis in reduced]
    return (count, len(reduced), *sizes, *strides)


def _inner_operand(x: View) -> int | None:
    """x's contiguous kept axis, if there is one, should be the inner loop."""
    contiguous = any(s == 1 and n > 1 for s, n in zip(x.strides, x.shape, strict=True))
    return 0 if contiguous else None


def reduce_calls(operation: Operation, x: View, y: View, axes: Sequence[int]) -> list[Call]:
    """y = x reduced over `axes` (() copies); both of one type: f32, a 16-bit float or any
    integer."""
    if y.size == 0:
        return []
    x, y, reduced = split_axes(x, y, axes)
    words = nest_arguments((x, y), _inner_operand(x)) + _reduced_words(reduced, x.dtype.itemsize)
    if x.dtype.name not in FLOATS:
        return [Call(reduce_integers_kernel(operation, _reduced_as(operation, x.dtype)), words)]
    one_axis = len(reduced) == 0 or (
        len(reduced) == 1
        and (abs(reduced[0].strides[0]) == x.dtype.itemsize or _inner_operand(x) is None)
    )
    kernel = reduce_rows_kernel if one_axis else reduce_columns_kernel
    return [Call(kernel(operation, x.dtype.name), words)]


def quantized_mean_calls(
    x: View,
    y: View,
    axes: Sequence[int],
    *,
    qx: Quantization,
    qy: Quantization,
    low: int = 0,
    high: int = 255,
) -> list[Call]:
    """y = the mean of u8 `x` over `axes`, requantized to u8 and limited to [low, high].

    The mean of images over both spatial axes is an average pool with one window.
    """
    if y.size == 0:
        return []
    if x.rank == 4 and sorted(axis % 4 for axis in axes) == [2, 3]:
        window = Window(x.shape[2:], (1, 1), (0,) * 4, (1, 1))
        pooled = y if y.rank == 4 else y.expand_dims(2).expand_dims(3)
        return average_pool_calls(x, pooled, window, qx=qx, qy=qy, low=low, high=high)
    x, y, reduced = split_axes(x, y, axes)
    count = prod(axis.size for axis in reduced)
    multiplier = float(mean_multiplier(qx, qy, np.array(count))[0])
    bounds = (f32_bits(low - qy.zero_point), f32_bits(high - qy.zero_point))
    words = nest_arguments((x, y), _inner_operand(x)) + _reduced_words(reduced, 1)
    parameters = (f32_bits(multiplier), qx.zero_point, *bounds, qy.zero_point)
    return [Call(quantized_mean_kernel(), words + parameters)]


HALVES_REDUCED: tuple[Operation, ...] = ("sum", "mean", "max")
"""Reductions with kernels for 16-bit floats; for the others programs widen them."""

_UNSIGNED = {1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64"}


def _reduced_as(operation: Operation, dtype: np.dtype) -> str:
    """The integer type whose kernel gives the same bits: sums and products do not care for signs,
    and a bool is a byte."""
    if operation in ("sum", "prod") or dtype == np.bool_:
        return _UNSIGNED[dtype.itemsize]
    return dtype.name


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every reduction that programs ask for; they are the same for all instruction sets."""
    floats = [
        *product(_COMBINE, ("float32",)),
        *((operation, half) for operation in HALVES_REDUCED for half in WIDEN),
    ]
    integers = [
        *product(("max", "min", "mean"), WIDE_INTEGERS),
        *product(("sum", "prod"), ("uint32", "uint64")),
    ]
    return [
        *(
            make(cast(Operation, operation), dtype)
            for make in (reduce_rows_kernel, reduce_columns_kernel)
            for operation, dtype in floats
        ),
        *(
            reduce_integers_kernel(cast(Operation, operation), dtype)
            for operation, dtype in integers
        ),
        quantized_mean_kernel(),
    ]

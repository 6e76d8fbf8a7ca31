"""Ops that select by order along one axis: argmax, argmin, topk.

    argmax   y = the index of the largest element; of equals the first (or the last)
    topk     values, indices = the k largest (or smallest) elements in order; of equals the lower
             index first

NaN is larger than every number for topk, and wins in both argmax and argmin, as in numpy.  topk
keeps the best k so far in the result itself and inserts: n comparisons when little changes, n * k
at worst.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any, Literal

import numpy as np
from numba.core import types

from runtime.kernels.abi import Call, Kernel, View
from runtime.kernels.element_types import INTEGERS
from runtime.kernels.isa import Isa
from runtime.kernels.lanes import scratch
from runtime.kernels.reduction import split_axes
from runtime.kernels.strided import (
    advance,
    argument,
    device,
    nest2,
    nest3,
    nest_arguments,
    parameters_at,
)

_COLUMNS = 64
_SIZE, _STRIDE = parameters_at(2), parameters_at(2) + 1
_TOP_K, _TOP_SIZE, _TOP_X, _TOP_VALUES, _TOP_INDICES = range(parameters_at(3), parameters_at(3) + 5)


@device
def _after(a: Any, b: Any) -> bool:
    """Whether a is larger than b, NaN being the largest."""
    return a > b or (a != a and b == b)


@device
def _before(a: Any, b: Any) -> bool:
    """Whether a is smaller than b, NaN being the largest."""
    return a < b or (b != b and a == a)


@device
def _before_or_nan(a: Any, b: Any) -> bool:
    """Whether a is smaller than b, NaN being the smallest."""
    return a < b or (a != a and b == b)


@cache
def arg_kernel(operation: Literal["argmax", "argmin"], last: bool, dtype: str) -> Kernel:
    """Index of the extreme element; of equals the `last` or the first.

    Vectorized over the results where these are contiguous in x.
    """
    better = _after if operation == "argmax" else _before_or_nan
    element = getattr(types, dtype)
    column_best, column_index = scratch(element, _COLUMNS), scratch(types.int32, _COLUMNS)

    @device
    def wins(value: Any, best: Any) -> bool:
        return better(value, best) or (last and not better(best, value))

    @device
    def columns(n: int, x: Any, size: int, stride: int, y: Any, sy: int) -> None:
        best, index = column_best(), column_index()
        for first in range(0, n, _COLUMNS):
            count = min(_COLUMNS, n - first)
            source = advance(x, first)
            for i in range(count):
                best[i] = source[i]
                index[i] = np.int32(0)
            for k in range(1, size):
                candidates = advance(source, k * stride)
                for i in range(count):
                    if wins(candidates[i], best[i]):
                        best[i] = candidates[i]
                        index[i] = np.int32(k)
            for i in range(count):
                y[(first + i) * sy] = index[i]

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        size, stride = argument(row, _SIZE), argument(row, _STRIDE)
        if sx == 1 and stride != 1:
            columns(n, x, size, stride, y, sy)
        else:
            for i in range(n):
                source = advance(x, i * sx)
                best, index = source[0], 0
                for k in range(1, size):
                    if wins(source[k * stride], best):
                        best, index = source[k * stride], k
                y[i * sy] = index

    return nest2(arg_kernel, row_function, dtype, "int64", operation, last)


def arg_calls(
    operation: Literal["argmax", "argmin"],
    x: View,
    y: View,
    axis: int,
    *,
    select_last_index: bool = False,
) -> list[Call]:
    """y (i64, with or without the axis) = the index of x's extreme element along `axis`."""
    if y.size == 0:
        return []
    size, stride = x.shape[axis], x.strides[axis]
    x, y, _ = split_axes(x, y, (axis,))
    kernel = arg_kernel(operation, select_last_index, x.dtype.name)
    return [Call(kernel, (*nest_arguments((x, y)), size, stride))]


@cache
def topk_kernel(largest: bool, dtype: str) -> Kernel:
    """The k first elements in descending (or ascending) order."""
    precedes = _after if largest else _before

    @device
    def row_function(row: int, n: int, x: Any, sx: int, v: Any, sv: int, p: Any, sp: int) -> None:
        k, size = argument(row, _TOP_K), argument(row, _TOP_SIZE)
        xs, vs, ps = argument(row, _TOP_X), argument(row, _TOP_VALUES), argument(row, _TOP_INDICES)
        for i in range(n):
            source, values, places = advance(x, i * sx), advance(v, i * sv), advance(p, i * sp)
            for j in range(size):
                value = source[j * xs]
                at = min(j, k)  # elements held
                if at == k and not precedes(value, values[(k - 1) * vs]):
                    continue
                at = min(at, k - 1)
                while at > 0 and precedes(value, values[(at - 1) * vs]):
                    values[at * vs] = values[(at - 1) * vs]
                    places[at * ps] = places[(at - 1) * ps]
                    at -= 1
                values[at * vs] = value
                places[at * ps] = j

    return nest3(topk_kernel, row_function, dtype, dtype, "int64", largest)


def topk_calls(
    x: View, values: View, indices: View, axis: int, *, largest: bool = True
) -> list[Call]:
    """values, indices (i64) = the first k elements in order on `axis`; k is values.shape[axis]."""
    if values.size == 0:
        return []
    k, size = values.shape[axis], x.shape[axis]
    if k > size:
        raise ValueError(f"topk: k = {k} on an axis of {size} elements")
    strides = tuple(view.strides[axis] for view in (x, values, indices))
    views = tuple(view.slice(axis, 0, 1) for view in (x, values, indices))
    kernel = topk_kernel(largest, np.dtype(x.dtype).name)
    return [Call(kernel, (*nest_arguments(views), k, size, *strides))]


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every selection; they are the same for all instruction sets."""
    operations: tuple[Literal["argmax", "argmin"], ...] = ("argmax", "argmin")
    either, elements = (False, True), ("float32", *INTEGERS)
    return [
        *(arg_kernel(*member) for member in product(operations, either, elements)),
        *(topk_kernel(*member) for member in product(either, elements)),
    ]

"""Ops that select by order along one axis: argmax, argmin, topk.

    argmax   y = the index of the largest element; of equals the first (or the last)
    topk     values, indices = the k largest (or smallest) elements in order; of equals the lower
             index first

NaN is larger than every number for topk, and wins in both argmax and argmin, as in numpy.  topk
keeps the best k so far in the result itself and inserts: n comparisons when little changes, n * k
at worst.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import numpy as np
from numba.core import types

from runtime.kernels.abi import Call, Kernel, View
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
from runtime.translation.marks import seldom, unrolled

_COLUMNS = 64
_SIZE, _STRIDE = parameters_at(2), parameters_at(2) + 1
_MASK, _LAST = parameters_at(2) + 2, parameters_at(2) + 3
_TOP_K, _TOP_SIZE, _TOP_X, _TOP_VALUES, _TOP_INDICES, _TOP_MASK = range(
    parameters_at(3), parameters_at(3) + 6
)

_SIGNED = {1: "int8", 2: "int16", 4: "int32", 8: "int64"}
"""The type as which integers of a size are loaded."""


@device
def _after(a: Any, b: Any, mask: int) -> bool:
    """Whether a is larger than b, NaN being the largest."""
    return a > b or (a != a and b == b)


@device
def _before(a: Any, b: Any, mask: int) -> bool:
    """Whether a is smaller than b, NaN being the largest."""
    return a < b or (b != b and a == a)


@device
def _before_or_nan(a: Any, b: Any, mask: int) -> bool:
    """Whether a is smaller than b, NaN being the smallest."""
    return a < b or (a != a and b == b)


@device
def _integer_after(a: Any, b: Any, mask: int) -> bool:
    """Whether a comes after b in the order that the mask makes (see `_order_mask`)."""
    return (a ^ mask) > (b ^ mask)


def _order_mask(dtype: np.dtype, largest: bool) -> int:
    """What to xor integers with so that the wanted one is the largest as a signed integer.

    One kernel then serves both signs and both orders.
    """
    if dtype.name == "float32":
        return 0
    unsigned = np.issubdtype(dtype, np.unsignedinteger)
    mask = -(1 << (8 * dtype.itemsize - 1)) if unsigned else 0
    return mask if largest else ~mask


@cache
def arg_kernel(dtype: str, largest: bool = True) -> Kernel:
    """Index of the extreme element; of equals the last or the first.

    Vectorized over the results where these are contiguous in x.  Integers are signed, and have
    but the one order (see `_order_mask`).
    """
    better = _integer_after
    if dtype == "float32":
        better = _after if largest else _before_or_nan
    element = getattr(types, dtype)
    column_best, column_index = scratch(element, _COLUMNS), scratch(types.int32, _COLUMNS)

    @device
    def wins(value: Any, best: Any, mask: int, last: bool) -> bool:
        return better(value, best, mask) or (last and not better(best, value, mask))

    @device
    def columns(row: int, n: int, x: Any, size: int, stride: int, y: Any, sy: int) -> None:
        mask, last = argument(row, _MASK), argument(row, _LAST) != 0
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
                    won = wins(candidates[i], best[i], mask, last)
                    best[i] = candidates[i] if won else best[i]
                    index[i] = np.int32(k) if won else index[i]
            for i in range(count):
                y[(first + i) * sy] = index[i]

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        size, stride = argument(row, _SIZE), argument(row, _STRIDE)
        mask, last = argument(row, _MASK), argument(row, _LAST) != 0
        if sx == 1 and stride != 1:
            columns(row, n, x, size, stride, y, sy)
        else:
            for i in range(n):
                source = advance(x, i * sx)
                best, index = source[0], 0
                for k in unrolled(size):
                    value = source[k * stride]
                    # Two branches: the first alone is predicted, and the second a constant's.
                    if seldom(better(value, best, mask)):  # noqa: SIM114
                        best, index = value, k
                    elif last and not better(best, value, mask):
                        best, index = value, k
                y[i * sy] = index

    return nest2(arg_kernel, row_function, dtype, "int64", largest)


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
    largest = operation == "argmax"
    words = (*nest_arguments((x, y)), size, stride)
    words += (_order_mask(x.dtype, largest), int(select_last_index))
    return [Call(_ordering(arg_kernel, x.dtype, largest), words)]


def _ordering(family: Callable[[str, bool], Kernel], dtype: np.dtype, largest: bool) -> Kernel:
    """The member of a family of kernels for a type and an order."""
    if dtype.name == "float32":
        return family("float32", largest)
    return family(_SIGNED[dtype.itemsize], True)


@cache
def topk_kernel(dtype: str, largest: bool = True) -> Kernel:
    """The k first elements in descending (or ascending) order; integers as in `arg_kernel`."""
    precedes = _integer_after
    if dtype == "float32":
        precedes = _after if largest else _before

    @device
    def row_function(row: int, n: int, x: Any, sx: int, v: Any, sv: int, p: Any, sp: int) -> None:
        k, size = argument(row, _TOP_K), argument(row, _TOP_SIZE)
        mask = argument(row, _TOP_MASK)
        xs, vs, ps = argument(row, _TOP_X), argument(row, _TOP_VALUES), argument(row, _TOP_INDICES)
        for i in range(n):
            source, values, places = advance(x, i * sx), advance(v, i * sv), advance(p, i * sp)
            for j in range(size):
                value = source[j * xs]
                at = min(j, k)  # elements held
                if at == k and not precedes(value, values[(k - 1) * vs], mask):
                    continue
                at = min(at, k - 1)
                while at > 0 and precedes(value, values[(at - 1) * vs], mask):
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
    words = (*nest_arguments(views), k, size, *strides, _order_mask(x.dtype, largest))
    return [Call(_ordering(topk_kernel, x.dtype, largest), words)]


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every selection; they are the same for all instruction sets."""
    orders = [("float32", True), ("float32", False), *((x, True) for x in _SIGNED.values())]
    return [family(*order) for family in (arg_kernel, topk_kernel) for order in orders]

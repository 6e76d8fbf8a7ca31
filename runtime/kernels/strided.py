"""Loop nests over strided operands: the part that all element-wise kernels share.

Operands with one common (broadcast) shape are walked as

    for block in outer axes (up to 6):        # address found by division, once per block
        for row in middle axis:               # address advances by a stride
            for i in inner axis:              # the kernel's own loop: row function

The planner orders the axes by the memory order of the output, joins axes that are contiguous in
every operand, and writes sizes and strides to the call's row; the kernels are therefore generic in
rank and shape.

    word 1 INNER   2 MIDDLE   3 BLOCKS   4 SPLIT_INNER   5 RANK   6..11 outer sizes
    then 9 words per operand: address, inner stride (elements), middle and 6 outer strides (bytes)
    then the kernel's own parameters
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numba.core import types
from numba.extending import register_jitable

from runtime.kernels.abi import Kernel, KernelFunction, View
from runtime.kernels.intrinsics import POINTERS, argument, intrinsic
from runtime.kernels.numba_compiler import DEVICE_OPTIONS

MAX_RANK = 8
_OUTER = MAX_RANK - 2
INNER, MIDDLE, BLOCKS = 1, 2, 3
_SPLIT_INNER, _RANK, _SIZES = 4, 5, 6
_OPERANDS = _SIZES + _OUTER
_OPERAND_WORDS = 3 + _OUTER

_SHORT = 8
"""An inner axis below this many elements cannot fill a vector: a longer axis is preferred."""
_MIN_ROWS = 16
"""With fewer rows than this the inner axis is split among threads instead of the rows."""

device: Callable[[Callable[..., Any]], Any] = register_jitable(**DEVICE_OPTIONS)
"""Decorator of functions that kernels call: always inlined (a call in a loop keeps it from being
vectorized). It is how numba knows them; the functions stay as they are."""


def parameters_at(operands: int) -> int:
    """Index of the first parameter word behind the nest of `operands` operands."""
    return _OPERANDS + _OPERAND_WORDS * operands


# --- planning ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Axis:
    """One loop: its size and, per operand, the distance in bytes between two steps."""

    size: int
    strides: tuple[int, ...]


def collapse(axes: Sequence[Axis]) -> list[Axis]:
    """Drops axes of size 1 and joins neighbours that form one regular axis in all operands."""
    joined: list[Axis] = []
    for axis in axes:
        if axis.size == 1:
            continue
        if joined and all(
            outer == inner * axis.size
            for outer, inner in zip(joined[-1].strides, axis.strides, strict=True)
        ):
            axis = Axis(joined.pop().size * axis.size, axis.strides)
        joined.append(axis)
    return joined


def common_axes(views: Sequence[View], order_by: int = -1) -> list[Axis]:
    """Collapsed axes of views of one shape, outermost first in the memory order of one of them."""
    shape = views[0].shape
    if any(view.shape != shape for view in views):
        raise ValueError(f"operands differ in shape: {[view.shape for view in views]}")
    if len(shape) > MAX_RANK:
        raise ValueError(f"shape {shape} has more than {MAX_RANK} axes")
    axes = [
        Axis(size, tuple(view.byte_strides[axis] for view in views))
        for axis, size in enumerate(shape)
    ]
    axes.sort(key=lambda axis: -abs(axis.strides[order_by]))
    return collapse(axes)


def _lead(axes: list[Axis], lead: int | None) -> list[Axis]:
    """Moves the axis that should be the inner loop to the end."""
    if len(axes) < 2:
        return axes
    if lead is not None:
        inner = min(axes, key=lambda axis: abs(axis.strides[lead]) or np.iinfo(np.int64).max)
    elif axes[-1].size < _SHORT:
        inner = max(axes, key=lambda axis: axis.size)
    else:
        return axes
    return [axis for axis in axes if axis is not inner] + [inner]


def nest_arguments(views: Sequence[View], lead: int | None = None) -> tuple[int, ...]:
    """The words of a nest over views of one shape; the last view is the output.

    `lead` names the operand whose most contiguous axis becomes the inner loop (default: the
    output's, unless that is too short).
    """
    axes = _lead(common_axes(views), lead)
    return nest_of_axes(views, axes)


def nest_of_axes(views: Sequence[View], axes: Sequence[Axis]) -> tuple[int, ...]:
    """The words of a nest over the given loops, outermost first."""
    nothing = Axis(1, (0,) * len(views))
    *outer, middle, inner = [nothing, nothing, *axes]
    outer = [axis for axis in outer if axis.size != 1]
    if len(outer) > _OUTER:
        raise ValueError(f"{len(outer)} outer loops; at most {_OUTER} are possible")
    blocks = prod(axis.size for axis in outer)
    split_inner = int(blocks * middle.size < _MIN_ROWS)
    padding = (0,) * (_OUTER - len(outer))
    words = [inner.size, middle.size, blocks, split_inner, len(outer)]
    words += [*(axis.size for axis in outer), *padding]
    for number, view in enumerate(views):
        element_stride = inner.strides[number] // view.dtype.itemsize
        words += [view.address, element_stride, middle.strides[number]]
        words += [*(axis.strides[number] for axis in outer), *padding]
    return tuple(words)


# --- inside kernels ------------------------------------------------------------------------------


@device
def inner_part(row: int, thread: int, threads: int) -> tuple[int, int]:
    """(first element, number of elements) of the inner axis that this thread works on."""
    size = argument(row, INNER)
    if argument(row, _SPLIT_INNER) == 0:
        return 0, size
    # 64 elements are at least a cache line, so that threads seldom share one.
    step = ((size + threads - 1) // threads + 63) // 64 * 64
    first = min(thread * step, size)
    return first, min(first + step, size) - first


@device
def row_part(row: int, thread: int, threads: int) -> tuple[int, int]:
    """(first row, one past the last) that this thread works on."""
    rows = argument(row, BLOCKS) * argument(row, MIDDLE)
    if argument(row, _SPLIT_INNER) != 0:
        return 0, rows
    return rows * thread // threads, rows * (thread + 1) // threads


@device
def rows_left(row: int, index: int, end: int) -> int:
    """How many rows from `index` on (itself included) precede the end of the block and `end`."""
    middle = argument(row, MIDDLE)
    return min(middle - index % middle, end - index)


@device
def row_address(row: int, operand: int, index: int) -> int:
    """Address of the first element of row `index` of an operand."""
    at = _OPERANDS + _OPERAND_WORDS * operand
    middle = argument(row, MIDDLE)
    block = index // middle
    address = argument(row, at) + (index - block * middle) * argument(row, at + 2)
    for axis in range(argument(row, _RANK) - 1, -1, -1):
        size = argument(row, _SIZES + axis)
        rest = block // size
        address += (block - rest * size) * argument(row, at + 3 + axis)
        block = rest
    return address


@device
def inner_stride(row: int, operand: int) -> int:
    """Distance in elements between two steps of the inner loop."""
    return argument(row, _OPERANDS + _OPERAND_WORDS * operand + 1)


@device
def middle_stride(row: int, operand: int) -> int:
    """Distance in bytes between two rows of a block."""
    return argument(row, _OPERANDS + _OPERAND_WORDS * operand + 2)


@intrinsic
def advance(typingctx: Any, pointer: Any, elements: Any) -> Any:
    """The address of pointer[elements], as a pointer."""
    signature = pointer(pointer, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return signature, generate


@intrinsic
def address(typingctx: Any, pointer: Any) -> Any:
    """The address of pointer[0], for functions that take addresses."""
    signature = types.int64(pointer)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(arguments[0], context.get_value_type(types.int64))

    return signature, generate


# --- kernels made of a row function --------------------------------------------------------------


def _as_member(function: KernelFunction, maker: Callable[..., Any], parameters: tuple) -> Kernel:
    """A kernel whose identity (and sources, for the cache) are those of the family `maker`."""
    function.__module__ = maker.__module__
    function.__qualname__ = maker.__qualname__
    return Kernel.of(function, *parameters)


def nest1(maker: Callable[..., Any], row_function: Any, y: str, *parameters: object) -> Kernel:
    """Kernel that calls `row_function(row, n, y, y_stride)` for every row of one operand.

    `maker` is the family (the function that made `row_function` from `parameters`).
    """
    y_pointer, y_size = POINTERS[y], np.dtype(y).itemsize

    def kernel(row: int, thread: int, threads: int) -> None:
        first, n = inner_part(row, thread, threads)
        index, end = row_part(row, thread, threads)
        sy = inner_stride(row, 0)
        if n == 0:
            return
        while index < end:
            rows = rows_left(row, index, end)
            at_y = row_address(row, 0, index) + first * sy * y_size
            for _ in range(rows):
                row_function(row, n, y_pointer(at_y), sy)
                at_y += middle_stride(row, 0)
            index += rows

    return _as_member(kernel, maker, (y, *parameters))


def nest2(
    maker: Callable[..., Any], row_function: Any, x: str, y: str, *parameters: object
) -> Kernel:
    """Kernel that calls `row_function(row, n, x, sx, y, sy)` for every row (see `nest1`)."""
    x_pointer, x_size = POINTERS[x], np.dtype(x).itemsize
    y_pointer, y_size = POINTERS[y], np.dtype(y).itemsize

    def kernel(row: int, thread: int, threads: int) -> None:
        first, n = inner_part(row, thread, threads)
        index, end = row_part(row, thread, threads)
        sx, sy = inner_stride(row, 0), inner_stride(row, 1)
        if n == 0:
            return
        while index < end:
            rows = rows_left(row, index, end)
            at_x = row_address(row, 0, index) + first * sx * x_size
            at_y = row_address(row, 1, index) + first * sy * y_size
            for _ in range(rows):
                row_function(row, n, x_pointer(at_x), sx, y_pointer(at_y), sy)
                at_x += middle_stride(row, 0)
                at_y += middle_stride(row, 1)
            index += rows

    return _as_member(kernel, maker, (x, y, *parameters))


def nest3(
    maker: Callable[..., Any], row_function: Any, a: str, b: str, y: str, *parameters: object
) -> Kernel:
    """Kernel that calls `row_function(row, n, a, sa, b, sb, y, sy)` for every row (see `nest1`)."""
    a_pointer, a_size = POINTERS[a], np.dtype(a).itemsize
    b_pointer, b_size = POINTERS[b], np.dtype(b).itemsize
    y_pointer, y_size = POINTERS[y], np.dtype(y).itemsize

    def kernel(row: int, thread: int, threads: int) -> None:
        first, n = inner_part(row, thread, threads)
        index, end = row_part(row, thread, threads)
        sa, sb, sy = inner_stride(row, 0), inner_stride(row, 1), inner_stride(row, 2)
        if n == 0:
            return
        while index < end:
            rows = rows_left(row, index, end)
            at_a = row_address(row, 0, index) + first * sa * a_size
            at_b = row_address(row, 1, index) + first * sb * b_size
            at_y = row_address(row, 2, index) + first * sy * y_size
            for _ in range(rows):
                row_function(row, n, a_pointer(at_a), sa, b_pointer(at_b), sb, y_pointer(at_y), sy)
                at_a += middle_stride(row, 0)
                at_b += middle_stride(row, 1)
                at_y += middle_stride(row, 2)
            index += rows

    return _as_member(kernel, maker, (a, b, y, *parameters))


def nest4(
    maker: Callable[..., Any],
    row_function: Any,
    a: str,
    b: str,
    c: str,
    y: str,
    *parameters: object,
) -> Kernel:
    """Kernel that calls `row_function(row, n, a, sa, b, sb, c, sc, y, sy)` for every row."""
    a_pointer, a_size = POINTERS[a], np.dtype(a).itemsize
    b_pointer, b_size = POINTERS[b], np.dtype(b).itemsize
    c_pointer, c_size = POINTERS[c], np.dtype(c).itemsize
    y_pointer, y_size = POINTERS[y], np.dtype(y).itemsize

    def kernel(row: int, thread: int, threads: int) -> None:
        first, n = inner_part(row, thread, threads)
        index, end = row_part(row, thread, threads)
        sa, sb = inner_stride(row, 0), inner_stride(row, 1)
        sc, sy = inner_stride(row, 2), inner_stride(row, 3)
        if n == 0:
            return
        while index < end:
            rows = rows_left(row, index, end)
            at_a = row_address(row, 0, index) + first * sa * a_size
            at_b = row_address(row, 1, index) + first * sb * b_size
            at_c = row_address(row, 2, index) + first * sc * c_size
            at_y = row_address(row, 3, index) + first * sy * y_size
            for _ in range(rows):
                pa, pb, pc, py = a_pointer(at_a), b_pointer(at_b), c_pointer(at_c), y_pointer(at_y)
                row_function(row, n, pa, sa, pb, sb, pc, sc, py, sy)
                at_a += middle_stride(row, 0)
                at_b += middle_stride(row, 1)
                at_c += middle_stride(row, 2)
                at_y += middle_stride(row, 3)
            index += rows

    return _as_member(kernel, maker, (a, b, c, y, *parameters))

"""Moving elements: y[i] = x[i] between views of any strides, and constants into views.

Transpose, slice, concat, expand, tile, depth_to_space, ... are copies between suitable views, e.g.
concat is one copy per operand into a slice of the result.  Elements of 1, 2, 4 or 8 bytes are
moved as integers.

    rows     both sides run along the same axis: one loop per row
    blocks   the fast axes differ (a transpose): tiles of 32 rows of y, so that every cache line of
             x is used up while it is in the first-level cache
    pixels   the planes of an image become interleaved (see `interleave_pixels`)
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import numpy as np

from runtime.kernels.abi import Call, Kernel, View
from runtime.kernels.interleave_pixels import interleave_pixel_calls, moves_pixels
from runtime.kernels.intrinsics import POINTERS
from runtime.kernels.isa import Isa
from runtime.kernels.strided import (
    BLOCKS,
    INNER,
    MIDDLE,
    Axis,
    argument,
    common_axes,
    device,
    inner_stride,
    middle_stride,
    nest1,
    nest2,
    nest_arguments,
    nest_of_axes,
    parameters_at,
    row_address,
)
from runtime.translation.marks import unrolled

PadMode = Literal["constant", "reflect", "edge", "wrap"]

_INTEGERS = {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}
_TILE = 32
_VALUE = parameters_at(1)


@cache
def copy_kernel(size: int) -> Kernel:
    """Copies elements of `size` bytes row by row."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        if sx == 1 and sy == 1:
            for i in range(n):
                y[i] = x[i]
        elif sx == 0 and sy == 1:
            value = x[0]
            for i in range(n):
                y[i] = value
        else:
            for i in range(n):
                y[i * sy] = x[i * sx]

    return nest2(copy_kernel, row_function, _INTEGERS[size], _INTEGERS[size])


@cache
def transpose_kernel(size: int) -> Kernel:
    """Copies planes whose middle axis is contiguous in x and whose inner axis is so in y."""
    pointer = POINTERS[_INTEGERS[size]]

    def transpose(row: int, thread: int, threads: int) -> None:
        middle, inner = argument(row, MIDDLE), argument(row, INNER)
        tiles = (middle + _TILE - 1) // _TILE
        sx, sy = inner_stride(row, 0) * size, inner_stride(row, 1) * size
        mx, my = middle_stride(row, 0), middle_stride(row, 1)
        total = argument(row, BLOCKS) * tiles
        for tile in range(total * thread // threads, total * (thread + 1) // threads):
            block = tile // tiles
            first = (tile - block * tiles) * _TILE
            rows = min(_TILE, middle - first)
            at_x = row_address(row, 0, block * middle + first)
            at_y = row_address(row, 1, block * middle + first)
            for start in range(0, inner, _TILE):
                columns = min(_TILE, inner - start)
                for j in range(rows):
                    x = pointer(at_x + j * mx + start * sx)
                    y = pointer(at_y + j * my + start * sy)
                    for i in unrolled(columns):
                        y[i * (sy // size)] = x[i * (sx // size)]

    return Kernel.of(transpose, size)


def copy_calls(x: View, y: View) -> list[Call]:
    """y = x, with x broadcast to y's shape; one element size, views that do not overlap."""
    if x.dtype.itemsize != y.dtype.itemsize:
        raise ValueError(f"cannot copy elements of type {x.dtype} to {y.dtype}: sizes differ")
    if y.size == 0:
        return []
    if moves_pixels(x, y):
        return interleave_pixel_calls(x, y)
    views = (x.broadcast_to(y.shape), y)
    size = y.dtype.itemsize
    axes = common_axes(views)
    fast = _contiguous_in_x(axes, size)
    if fast is None:
        return [Call(copy_kernel(size), nest_arguments(views))]
    ordered = [axis for axis in axes[:-1] if axis is not fast] + [fast, axes[-1]]
    return [Call(transpose_kernel(size), nest_of_axes(views, ordered))]


def _contiguous_in_x(axes: list[Axis], size: int) -> Axis | None:
    """The axis along which x is contiguous, if the copy is a transpose worth tiling."""
    if len(axes) < 2 or abs(axes[-1].strides[0]) <= size or axes[-1].size < 4:
        return None
    others = [axis for axis in axes[:-1] if axis.strides[0] == size and axis.size >= 4]
    return others[-1] if others else None


# --- constants -----------------------------------------------------------------------------------


@cache
def fill_kernel(size: int) -> Kernel:
    """Writes one value of `size` bytes everywhere."""

    @device
    def row_function(row: int, n: int, y: Any, sy: int) -> None:
        value = argument(row, _VALUE)
        if sy == 1:
            for i in range(n):
                y[i] = value
        else:
            for i in range(n):
                y[i * sy] = value

    return nest1(fill_kernel, row_function, _INTEGERS[size])


def fill_calls(y: View, value: float) -> list[Call]:
    """y = value, which must fit y's element type."""
    if y.size == 0:
        return []
    size = y.dtype.itemsize
    word = int(np.array(value, y.dtype).view(_INTEGERS[size]))
    return [Call(fill_kernel(size), (*nest_arguments((y,)), word))]


def halo_calls(interior: View, halo: tuple[int, int, int, int], value: float) -> list[Call]:
    """Fills the border around an [N, C, H, W] view: (top, left, bottom, right) pixels outside of
    it.

    Opposite borders of equal width are one call.
    """
    top, left, bottom, right = halo
    rows = _border(_widened(interior, 3, left, right), 2, top, bottom)
    columns = _border(interior, 3, left, right)
    return [call for view in rows + columns for call in fill_calls(view, value)]


def _widened(view: View, axis: int, before: int, after: int) -> View:
    return view.slice(axis, -before, before + view.shape[axis] + after)


def _border(view: View, axis: int, before: int, after: int) -> list[View]:
    """The views of the elements just before and just after `view` along one axis."""
    size = view.shape[axis]
    if before != after:
        return [view.slice(axis, -before, before), view.slice(axis, size, after)]
    both = view.slice(axis, -before, before).expand_dims(0)
    strides = ((before + size) * view.strides[axis], *both.strides[1:])
    return [View(both.address, (2, *both.shape[1:]), strides, view.dtype)]


def pad_calls(
    x: View, y: View, pads: tuple[int, ...], mode: PadMode = "constant", value: float = 0.0
) -> list[Call]:
    """Extends (or, where negative, crops) every axis of `x` into `y`; all begins, then all ends.

    The middle is copied first.  Then, axis by axis, what lies before and after it: constants, or
    copies of what y already holds along this axis, which also does the corners.
    """
    rank = x.rank
    source = done = None
    sizes: list[tuple[int, int, int]] = []  # per axis: elements before, kept, after
    source, done = x, y
    for axis in range(rank):
        begin, end = pads[axis], pads[rank + axis]
        kept = x.shape[axis] + min(begin, 0) + min(end, 0)
        source = source.slice(axis, max(-begin, 0), kept)
        done = done.slice(axis, max(begin, 0), kept)
        sizes.append((max(begin, 0), kept, max(end, 0)))
    calls = copy_calls(source, done)
    for axis, (before, kept, after) in enumerate(sizes):
        for start, first, size, step in _runs(before, kept, after, mode):
            target = done.slice(axis, start, size)
            if mode == "constant":
                calls += fill_calls(target, value)
            else:
                calls += copy_calls(done.slice(axis, first, size, step), target)
        done = _widened(done, axis, before, after)
    return calls


def _runs(before: int, kept: int, after: int, mode: PadMode) -> list[tuple[int, int, int, int]]:
    """An axis's border elements as runs (target, source, size, step), relative to the middle."""
    if mode == "constant":
        return [run for run in ((-before, 0, before, 1), (kept, 0, after, 1)) if run[2]]
    index = np.pad(np.arange(kept), (before, after), mode=mode).tolist()
    runs = []
    for begin, end in ((0, before), (before + kept, before + kept + after)):
        while begin < end:
            step = index[begin + 1] - index[begin] if begin + 1 < end else 1
            stop = begin + 1
            while stop < end and index[stop] - index[stop - 1] == step:
                stop += 1
            runs.append((begin - before, index[begin], stop - begin, step))
            begin = stop
    return runs


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every kernel that moves elements; they are the same for all instruction sets."""
    makers = (copy_kernel, transpose_kernel, fill_kernel)
    return [make(size) for make in makers for size in _INTEGERS]

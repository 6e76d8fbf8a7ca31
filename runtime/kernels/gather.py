"""y = x with one axis replaced by the axes of an index tensor (ONNX Gather).

    y[outer, i..., inner] = x[outer, indices[i...], inner]

A negative index counts from the end.  An index outside the axis is never followed: the nearest
valid element is taken instead and the index is recorded in the call's status array, which
`bad_index` reads after a run.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from runtime.kernels.abi import Call, Kernel, View
from runtime.kernels.intrinsics import i64_pointer
from runtime.kernels.isa import Isa
from runtime.kernels.strided import (
    advance,
    argument,
    device,
    nest3,
    nest_arguments,
    parameters_at,
)
from runtime.translation.marks import unrolled

_SIZE, _STRIDE, _STATUS = range(parameters_at(3), parameters_at(3) + 3)
_INTEGERS = {1: "uint8", 2: "int16", 4: "int32", 8: "int64"}
_FAMILY = "runtime.kernels.gather.gather_kernel"


@device
def _checked(index: int, size: int, status: Any) -> int:
    """The element that `index` names; records an index outside the axis and stays inside."""
    at = index + size if index < 0 else index
    if at < 0 or at >= size:
        status[1] = index
        status[0] = 1
        return 0 if at < 0 else size - 1
    return at


@cache
def gather_kernel(size: int, indices: str) -> Kernel:
    """Moves elements of `size` bytes, chosen by indices of a dtype (int32 or int64)."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, p: Any, sp: int, y: Any, sy: int) -> None:
        length, stride = argument(row, _SIZE), argument(row, _STRIDE)
        status = i64_pointer(argument(row, _STATUS))
        if sp == 0:  # one index for the whole row
            source = advance(x, _checked(np.int64(p[0]), length, status) * stride)
            if sx == 1 and sy == 1:
                for i in range(n):
                    y[i] = source[i]
            else:
                for i in range(n):
                    y[i * sy] = source[i * sx]
        else:
            for i in unrolled(n):
                at = _checked(np.int64(p[i * sp]), length, status)
                y[i * sy] = x[at * stride + i * sx]

    return nest3(gather_kernel, row_function, _INTEGERS[size], indices, _INTEGERS[size])


def gather_calls(x: View, indices: View, y: View, axis: int) -> list[Call]:
    """y = x[..., indices, ...] along `axis`; indices are i32 or i64, x and y of one element type.

    The shape of y is x's with `axis` replaced by the shape of `indices`.  Raises `ValueError` for
    an empty axis, of which nothing can be taken.
    """
    if y.size == 0:
        return []
    axis %= x.rank
    size, stride = x.shape[axis], x.strides[axis]
    if size == 0:
        raise ValueError(f"gather: axis {axis} of shape {x.shape} is empty")
    before, after = axis, x.rank - axis - 1
    source = x.slice(axis, 0, 1)
    source = View(
        source.address,
        (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]),
        (*x.strides[:axis], *((0,) * indices.rank), *x.strides[axis + 1 :]),
        x.dtype,
    )
    places = View(
        indices.address,
        source.shape,
        (*((0,) * before), *indices.strides, *((0,) * after)),
        indices.dtype,
    )
    status = np.zeros(2, np.int64)
    kernel = gather_kernel(x.dtype.itemsize, indices.dtype.name)
    words = (*nest_arguments((source, places, y)), size, stride, status.ctypes.data)
    return [Call(kernel, words, (status,))]


def bad_index(calls: Iterable[Call]) -> tuple[int, Call] | None:
    """The first call of `gather_calls` that met an index outside its axis since the last look, if
    any.

    Returns (index, call) and clears the call's status; other calls are ignored.
    """
    for call in calls:
        if not call.kernel.key.startswith(_FAMILY):
            continue
        status = call.keep[0]
        if status[0]:
            status[0] = 0
            return int(status[1]), call
    return None


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every gather; they are the same for all instruction sets."""
    return [gather_kernel(size, indices) for size in _INTEGERS for indices in ("int32", "int64")]

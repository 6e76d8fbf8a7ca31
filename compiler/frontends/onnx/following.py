"""Values whose sizes follow an input of the program.

Exporters compute such sizes with Shape and hand them to Range, Slice, Expand or ConstantOfShape:
position indices, masks, tokens of type 0. Here they become `nn.crop` and `nn.expand` with an
operand `like`, an input of that size, so that the program suits every length. What they cannot
say gives None, and the caller says why the program is fixed to its sizes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dialects.nn.movement import CropOp, ExpandOp
from dialects.shapes import Shape, copy_of

from .coding import code_sizes, column, varies
from .values import Tensor

if TYPE_CHECKING:
    from .builder import Builder

LONGEST = 2**15
"""Entries of a counting constant (0, 1, 2, ...) that is cropped to the length of a sequence."""


def expanded(
    builder: Builder, x: Tensor, targets: Sequence[Sequence[int]], layer: str
) -> Tensor | None:
    """`x` broadcast to the target shape at each assignment."""
    found = _coded(builder, x, targets, offset=len(targets[0]) - x.rank)
    if found is None:
        return None
    like, codes = found
    return builder.emit(ExpandOp, [x, like], layer, shape=codes)[0]


def cropped(builder: Builder, x: Tensor, targets: Sequence[Shape], layer: str) -> Tensor | None:
    """The first elements of `x`, as many as the target shape at each assignment says."""
    found = _coded(builder, x, targets)
    if found is None:
        return None
    like, codes = found
    if all(a == b for a, b in zip(x.shapes, targets, strict=True)):
        return x
    return builder.emit(CropOp, [x, x if like is None else like], layer, shape=codes)[0]


def _coded(
    builder: Builder, x: Tensor, targets: Sequence[Sequence[int]], offset: int = 0
) -> tuple[Tensor | None, list[int]] | None:
    """Codes of the target, and the input whose sizes some of them copy."""
    codes = code_sizes(x.shapes, targets, offset)
    foreign = [column(targets, index) for index, code in enumerate(codes) if code is None]
    like = builder.input_with(foreign) if foreign else None
    if foreign and like is None:
        return None
    return like, [
        code if code is not None else _copied(x, like, column(targets, index))
        for index, code in enumerate(codes)
    ]


def _copied(x: Tensor, like: Tensor | None, sizes: Sequence[int]) -> int:
    assert like is not None
    axes = range(like.rank)
    return copy_of(x.rank + next(a for a in axes if column(like.shapes, a) == tuple(sizes)))


def materialized(builder: Builder, tensor: Tensor) -> Tensor | None:
    """Known contents that vary with the sizes, if they are one number everywhere, or count in even
    steps along one dimension: a constant that is cropped and expanded."""
    shapes = tensor.shapes
    axes = [axis for axis in range(tensor.rank) if varies(column(shapes, axis))]
    if not axes:
        return None
    arrays = [tensor.array(assignment) for assignment in range(builder.count)]
    largest = max(arrays, key=lambda array: array.size)
    if any(largest.shape[axis] < 2 for axis in axes):
        return None
    base = largest[
        tuple(slice(0, 1) if axis in axes else slice(None) for axis in range(tensor.rank))
    ]
    steps = {axis: _step(largest, base, axis, axes) for axis in axes}
    counting = [axis for axis in axes if steps[axis].any()]
    if len(counting) > 1 or (counting and base.dtype.kind == "b"):
        return None
    if not all(np.array_equal(_counted(base, steps, a.shape, counting), a) for a in arrays):
        return None
    if not counting:
        constant = builder.constant(base, layer=tensor.source)
        return expanded(builder, constant, shapes, tensor.source)
    (axis,) = counting
    long = list(base.shape)
    long[axis] = LONGEST
    constant = builder.constant(_counted(base, steps, long, counting), layer=tensor.source)
    targets = [
        tuple(1 if other in axes and other != axis else size for other, size in enumerate(shape))
        for shape in shapes
    ]
    short = cropped(builder, constant, targets, tensor.source)
    if short is None or axes == [axis]:
        return short
    return expanded(builder, short, shapes, tensor.source)


def _step(largest: np.ndarray, base: np.ndarray, axis: int, axes: Sequence[int]) -> np.ndarray:
    second = tuple(
        slice(1, 2) if other == axis else slice(0, 1) if other in axes else slice(None)
        for other in range(largest.ndim)
    )
    return largest[second] ^ base if base.dtype.kind == "b" else largest[second] - base


def _counted(
    base: np.ndarray,
    steps: dict[int, np.ndarray],
    shape: Sequence[int],
    counting: Sequence[int],
) -> np.ndarray:
    """`base` plus the step of each counting dimension times the index along it."""
    total = base
    for axis in counting:
        index = np.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(base.ndim)])
        total = total + (index * steps[axis]).astype(base.dtype)
    return np.broadcast_to(total, shape)


def counted_from(tensor: Tensor, count: int) -> int | None:
    """The first of the indices n, n + 1, n + 2, ... that a tensor holds at every assignment."""
    first: int | None = None
    for assignment in range(count):
        array = tensor.array(assignment)
        indices = array.reshape(-1)
        if array.size != max(array.shape, default=0) or not indices.size:
            return None
        start = int(indices[0])
        if first not in (None, start) or not np.array_equal(
            indices, start + np.arange(len(indices))
        ):
            return None
        first = start
    return first

"""Ops that move data. Quantized values pass through them as they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dialects.assembly import INT64_MAX
from dialects.errors import OctetError
from dialects.nn import movement as nn
from dialects.quant import UniformQuantizedType
from dialects.shapes import Shape, normalize_axis

from ..coding import code_slice, column, inferred, varies
from ..following import counted_from, cropped, expanded
from ..node import NodeContext
from ..registry import importer
from ..values import Tensor

# --- shape changes --------------------------------------------------------------------------


@importer("Reshape")
def import_reshape(node: NodeContext) -> Tensor:
    x = node.movable(0)
    targets = node.integers_at(1, "shape")
    allow_zero = bool(node.integer("allowzero", 0))
    shapes = node.shapes(x)
    if node.builder.implied_batch:
        targets = _with_batch(shapes, targets)
    default = inferred(shapes[0], targets[0], allow_zero)
    try:
        others = [
            inferred(shape, target, allow_zero)
            for shape, target in zip(shapes[1:], targets[1:], strict=True)
        ]
        return node.reshape(x, [default, *others])
    except OctetError as error:
        # The model says "1" or "8" where it means "as many as come in": then no other batch fits.
        batched = _with_batch(shapes, targets)
        if batched == targets:
            node.builder.fix(node.layer, str(error))
            return node.reshape(x, [default] * len(shapes))
        return node.reshape(
            x,
            [
                inferred(shape, target, allow_zero)
                for shape, target in zip(shapes, batched, strict=True)
            ],
        )


def _with_batch(shapes: Sequence[Shape], targets: list[list[int]]) -> list[list[int]]:
    """A leading literal that equals the operand's varying leading size is that size."""
    sizes = column(shapes, 0) if shapes[0] else ()
    if not sizes or not targets[0] or not varies(sizes):
        return targets
    leading = [target[0] for target in targets]
    if varies(leading) or leading[0] != sizes[0]:
        return targets
    return [[size, *target[1:]] for size, target in zip(sizes, targets, strict=True)]


@importer("Flatten")
def import_flatten(node: NodeContext) -> Tensor:
    x = node.movable(0)
    axis = node.integer("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    if not 0 <= axis <= x.rank:
        raise OctetError(f"attribute axis = {axis} is out of range for {list(x.shape)}")
    return node.reshape(
        x, [(math.prod(shape[:axis]), math.prod(shape[axis:])) for shape in node.shapes(x)]
    )


def _axes_operand(node: NodeContext) -> list[int] | None:
    """`axes`: an attribute before opset 13, an operand from then on."""
    if node.has(1):
        return node.constant_integers(1, "axes")
    return node.integers("axes")


@importer("Squeeze")
def import_squeeze(node: NodeContext) -> Tensor:
    x = node.movable(0)
    given = _axes_operand(node)
    axes = (
        {normalize_axis(axis, x.rank) for axis in given}
        if given is not None
        else {axis for axis, size in enumerate(x.shape) if size == 1}
    )
    if any(x.shape[axis] != 1 for axis in axes):
        raise OctetError(f"axes {sorted(axes)} of {list(x.shape)} are not all of size 1")
    targets = [
        tuple(size for axis, size in enumerate(shape) if axis not in axes)
        for shape in node.shapes(x)
    ]
    if any(varies(column(node.shapes(x), axis)) for axis in axes):
        node.builder.fix(node.layer, "it removes a dimension that may vary")
        targets = [targets[0]] * len(targets)
    return node.reshape(x, targets)


@importer("Unsqueeze")
def import_unsqueeze(node: NodeContext) -> Tensor:
    x = node.movable(0)
    given = _axes_operand(node)
    if given is None:
        raise OctetError("axes are missing")
    rank = x.rank + len(given)
    axes = {normalize_axis(axis, rank) for axis in given}
    if len(axes) != len(given):
        raise OctetError(f"axes {given} name a dimension twice")
    targets: list[Shape] = []
    for shape in node.shapes(x):
        sizes = iter(shape)
        targets.append(tuple(1 if axis in axes else next(sizes) for axis in range(rank)))
    return node.reshape(x, targets)


@importer("Transpose")
def import_transpose(node: NodeContext) -> Tensor:
    x = node.movable(0)
    permutation = node.integers("perm")
    if permutation is None:
        permutation = list(reversed(range(x.rank)))
    return node.emit(nn.TransposeOp, x, permutation=permutation)


# --- repetition -----------------------------------------------------------------------------


@importer("Expand")
def import_expand(node: NodeContext) -> Tensor:
    x = node.movable(0)
    targets = node.integers_at(1, "shape")
    for target in targets[:1]:
        if any(size < 0 for size in target):
            raise OctetError(f"the target shape {target} has a negative size")
    if not node.is_fixed:
        follows = expanded(node.builder, x, targets, node.layer)
        if follows is not None:
            return follows
        node.builder.fix(node.layer, "its shape has a size that no input has")
    return node.emit(nn.ExpandOp, x, None, shape=list(targets[0]))


@importer("Tile")
def import_tile(node: NodeContext) -> Tensor:
    x = node.movable(0)
    return node.emit(nn.TileOp, x, repeats=node.constant_integers(1, "repeats"))


# --- parts ----------------------------------------------------------------------------------


@importer("Concat")
def import_concat(node: NodeContext) -> Tensor:
    tensors = [node.movable(index) for index in range(node.operand_count)]
    if len({tensor.element for tensor in tensors}) > 1:
        # Quantized differently: what is joined is the stored integers.
        tensors = node.operands()
    node.same_elements(*tensors)
    axis = normalize_axis(node.integer("axis"), tensors[0].rank)
    return node.emit(nn.ConcatOp, *tensors, axis=axis)


@importer("Split")
def import_split(node: NodeContext) -> tuple[Tensor, ...]:
    """One slice per part; the bounds are counted so that they suit other sizes where possible."""
    x = node.movable(0)
    axis = normalize_axis(node.integer("axis", 0), x.rank)
    sizes = column(node.shapes(x), axis)
    parts = node.integer("num_outputs", 0)
    declared = node.integers("split")
    if node.has(1):
        declared = node.constant_integers(1, "split")
    results: list[Tensor] = []
    count = node.result_count
    if declared is not None and (len(declared) != count or sum(declared) != sizes[0]):
        raise OctetError(f"split {declared} does not divide {sizes[0]} into {count} parts")
    if parts and parts != count:
        raise OctetError(f"attribute num_outputs = {parts}, but there are {count} results")
    ends = [_split_ends(size, count, declared) for size in sizes]
    starts = [[0, *bounds[:-1]] for bounds in ends]
    for part in range(count):
        bounds = _Bounds([s[part] for s in starts], [e[part] for e in ends], 1)
        results.append(_slice(node, x, {axis: bounds}))
    return tuple(results)


def _split_ends(size: int, count: int, declared: list[int] | None) -> list[int]:
    if declared is None:
        # ONNX: equal parts, the last one smaller where they do not divide.
        part = -(-size // count)
        if part * (count - 1) >= size > 0:
            raise OctetError(f"{size} does not divide into {count} parts")
        return [min(part * (index + 1), size) for index in range(count)]
    return [sum(declared[: index + 1]) for index in range(count)]


class _Bounds:
    """Start and end of a slice at each assignment, and its step."""

    def __init__(self, starts: list[int], ends: list[int], step: int):
        self.starts = starts
        self.ends = ends
        self.step = step


def _slice(node: NodeContext, x: Tensor, bounds: dict[int, _Bounds]) -> Tensor:
    starts, ends, steps = [0] * x.rank, [INT64_MAX] * x.rank, [1] * x.rank
    for axis, bound in bounds.items():
        sizes = column(node.shapes(x), axis)
        coded = code_slice(sizes, bound.starts, bound.ends, bound.step)
        if coded is None and (short := _first(node, x, axis, bound)) is not None:
            x = short
            continue
        if coded is None:
            node.builder.fix(node.layer, "its bounds vary in a way that cannot be expressed")
            coded = bound.starts[0], bound.ends[0]
        starts[axis], ends[axis] = coded
        steps[axis] = bound.step
    return node.emit(nn.SliceOp, x, starts=starts, ends=ends, steps=steps)


def _first(node: NodeContext, x: Tensor, axis: int, bound: _Bounds) -> Tensor | None:
    """A slice from the start that is as long as an input of the program, or None."""
    if node.is_fixed or bound.step != 1 or any(bound.starts) or min(bound.ends) < 0:
        return None
    targets = [
        tuple(end if other == axis else size for other, size in enumerate(shape))
        for shape, end in zip(x.shapes, bound.ends, strict=True)
    ]
    return cropped(node.builder, x, targets, node.layer)


@importer("Slice")
def import_slice_by_attributes(node: NodeContext) -> Tensor:
    x = node.movable(0)
    starts, ends = node.integers("starts"), node.integers("ends")
    if starts is None or ends is None:
        raise OctetError("attributes 'starts' and 'ends' are needed")
    count = node.builder.count
    return _sliced(node, x, [starts] * count, [ends] * count, node.integers("axes"), None)


@importer("Slice", since=10)
def import_slice(node: NodeContext) -> Tensor:
    x = node.movable(0)
    starts, ends = node.integers_at(1, "starts"), node.integers_at(2, "ends")
    axes = node.constant_integers(3, "axes") if node.has(3) else None
    steps = node.constant_integers(4, "steps") if node.has(4) else None
    return _sliced(node, x, starts, ends, axes, steps)


def _sliced(
    node: NodeContext,
    x: Tensor,
    starts: list[list[int]],
    ends: list[list[int]],
    axes: list[int] | None,
    steps: list[int] | None,
) -> Tensor:
    axes = list(range(len(starts[0]))) if axes is None else axes
    steps = [1] * len(axes) if steps is None else steps
    if not len(starts[0]) == len(ends[0]) == len(axes) == len(steps):
        raise OctetError("starts, ends, axes and steps should have the same length")
    bounds: dict[int, _Bounds] = {}
    for index, axis in enumerate(axes):
        bounds[normalize_axis(axis, x.rank)] = _Bounds(
            [values[index] for values in starts], [values[index] for values in ends], steps[index]
        )
    if len(bounds) != len(axes):
        raise OctetError(f"axes {axes} name a dimension twice")
    return _slice(node, x, bounds)


@importer("Gather")
def import_gather(node: NodeContext) -> Tensor:
    x, indices = node.movable(0), node.operand(1)
    axis = normalize_axis(node.integer("axis", 0), x.rank)
    if indices.varies and not node.is_fixed:
        rows = _counted_rows(node, x, axis, indices)
        if rows is not None:
            return rows
        indices = _from_the_end(node, column(node.shapes(x), axis), indices)
    return node.emit(nn.GatherOp, x, indices, axis=axis)


def _counted_rows(node: NodeContext, x: Tensor, axis: int, indices: Tensor) -> Tensor | None:
    """Entries n, n + 1, n + 2, ... of a table, as many as an input is long: position embeddings."""
    first = counted_from(indices, node.builder.count)
    if first is None or first < 0 or varies(column(x.shapes, axis)):
        return None
    if first:
        starts = [first if other == axis else 0 for other in range(x.rank)]
        x = node.emit(nn.SliceOp, x, starts=starts, ends=[INT64_MAX] * x.rank, steps=[1] * x.rank)
    counts = [math.prod(shape) for shape in indices.shapes]
    targets = [
        (*shape[:axis], count, *shape[axis + 1 :])
        for shape, count in zip(x.shapes, counts, strict=True)
    ]
    rows = cropped(node.builder, x, targets, node.layer)
    if rows is None:
        return None
    return node.reshape(
        rows,
        [
            (*shape[:axis], *given, *shape[axis + 1 :])
            for shape, given in zip(x.shapes, indices.shapes, strict=True)
        ],
    )


def _from_the_end(node: NodeContext, sizes: Sequence[int], indices: Tensor) -> Tensor:
    """Indices such as "size - 1" as constants that count from the end, if they are."""
    counted = [indices.array(k) - sizes[k] for k in range(len(sizes))]
    if all(np.array_equal(counted[0], other) for other in counted[1:]) and (counted[0] < 0).all():
        return node.known(counted[0].astype(np.int64))
    return indices


# --- padding and blocks ---------------------------------------------------------------------


@importer("Pad")
def import_pad_by_attributes(node: NodeContext) -> Tensor:
    x = node.movable(0)
    pads = node.integers("pads")
    if pads is None:
        raise OctetError("attribute 'pads' is missing")
    return _pad(node, x, pads, node.number("value", 0.0))


@importer("Pad", since=11)
def import_pad(node: NodeContext) -> Tensor:
    x = node.movable(0)
    pads = node.constant_integers(1, "pads")
    fill = node.optional_constant(2, "constant_value")
    if node.has(3):
        axes = [normalize_axis(axis, x.rank) for axis in node.constant_integers(3, "axes")]
        if len(pads) != 2 * len(axes):
            raise OctetError(f"pads {pads} should have two entries for each of axes {axes}")
        full = [0] * (2 * x.rank)
        for index, axis in enumerate(axes):
            full[axis], full[x.rank + axis] = pads[index], pads[len(axes) + index]
        pads = full
    return _pad(node, x, pads, 0.0 if fill is None or fill.size == 0 else float(fill.item()))


def _pad(node: NodeContext, x: Tensor, pads: list[int], value: float) -> Tensor:
    mode = node.text("mode", "constant")
    if mode not in ("constant", "reflect", "edge", "wrap"):
        raise OctetError(f"attribute mode = {mode} is not known")
    element = x.element
    if isinstance(element, UniformQuantizedType):
        # The model pads with a stored integer; nn.pad is given the real number it stands for.
        value = (value - element.zero_points.get_values()[0]) * element.scales.get_values()[0]
    return node.emit(nn.PadOp, x, pads=pads, mode=mode, value=value)


@importer("DepthToSpace")
def import_depth_to_space(node: NodeContext) -> Tensor:
    return node.emit(
        nn.DepthToSpaceOp,
        node.movable(0),
        block=node.integer("blocksize"),
        mode=node.text("mode", "DCR"),
    )


@importer("SpaceToDepth")
def import_space_to_depth(node: NodeContext) -> Tensor:
    node.only("mode", "DCR")
    return node.emit(nn.SpaceToDepthOp, node.movable(0), block=node.integer("blocksize"))

"""Ops that move data."""

from __future__ import annotations

from dialects.assembly import INT64_MAX
from dialects.nn import movement as nn
from dialects.nn.base import shape_of
from dialects.shapes import copied_dimension

from ..node import OpContext
from ..registry import emitter


@emitter(nn.ReshapeOp)
def emit_reshape(op: nn.ReshapeOp, node: OpContext) -> str:
    x = node.operand(op.x)
    target, allow_zero = node.reshape_target(x, op.shape.get_values())
    return node.emit("Reshape", x, target, allowzero=allow_zero)


@emitter(nn.TransposeOp)
def emit_transpose(op: nn.TransposeOp, node: OpContext) -> str:
    return node.emit("Transpose", node.operand(op.x), perm=op.permutation.get_values())


@emitter(nn.ConcatOp)
def emit_concat(op: nn.ConcatOp, node: OpContext) -> str:
    return node.emit("Concat", *map(node.operand, op.inputs), axis=op.axis.value.data)


@emitter(nn.SliceOp)
def emit_slice(op: nn.SliceOp, node: OpContext) -> str:
    """Only the dimensions that lose something are named."""
    bounds = zip(op.starts.get_values(), op.ends.get_values(), op.steps.get_values(), strict=True)
    cut = [(axis, *bound) for axis, bound in enumerate(bounds) if bound != (0, INT64_MAX, 1)]
    axes, starts, ends, steps = (
        (list(column) for column in zip(*cut, strict=True)) if cut else ([], [], [], [])
    )
    return node.emit(
        "Slice",
        node.operand(op.x),
        node.integers(starts, "starts"),
        node.integers(ends, "ends"),
        node.integers(axes, "axes"),
        node.integers(steps, "steps"),
    )


@emitter(nn.PadOp)
def emit_pad(op: nn.PadOp, node: OpContext) -> str:
    mode = op.mode.data
    value = node.number(op.value.value.data, "value") if mode == "constant" else ""
    return node.emit(
        "Pad", node.operand(op.x), node.integers(op.pads.get_values(), "pads"), value, mode=mode
    )


@emitter(nn.ExpandOp)
def emit_expand(op: nn.ExpandOp, node: OpContext) -> str:
    """A dimension that keeps its size is a 1, which broadcasting leaves alone."""
    x, codes = node.operand(op.x), op.shape.get_values()
    if op.like is not None:
        return node.emit("Expand", x, node.sizes(x, codes, "shape", node.operand(op.like)))
    offset = len(codes) - len(shape_of(op.x))
    sizes = [1 if copied_dimension(code) == i - offset else code for i, code in enumerate(codes)]
    if all(copied_dimension(size) is None for size in sizes):
        return node.emit("Expand", x, node.integers(sizes, "shape"))
    return node.emit("Expand", x, node.sizes(x, codes, "shape"))


@emitter(nn.CropOp)
def emit_crop(op: nn.CropOp, node: OpContext) -> str:
    x, codes = node.operand(op.x), op.shape.get_values()
    ends = node.sizes(x, codes, "ends", node.operand(op.like))
    return node.emit("Slice", x, node.integers([0] * len(codes), "starts"), ends)


@emitter(nn.TileOp)
def emit_tile(op: nn.TileOp, node: OpContext) -> str:
    repeats = node.integers(op.repeats.get_values(), "repeats")
    return node.emit("Tile", node.operand(op.x), repeats)


@emitter(nn.GatherOp)
def emit_gather(op: nn.GatherOp, node: OpContext) -> str:
    return node.emit(
        "Gather", node.operand(op.x), node.operand(op.indices), axis=op.axis.value.data
    )


@emitter(nn.DepthToSpaceOp)
def emit_depth_to_space(op: nn.DepthToSpaceOp, node: OpContext) -> str:
    return node.emit(
        "DepthToSpace", node.operand(op.x), blocksize=op.block.value.data, mode=op.mode.data
    )


@emitter(nn.SpaceToDepthOp)
def emit_space_to_depth(op: nn.SpaceToDepthOp, node: OpContext) -> str:
    return node.emit("SpaceToDepth", node.operand(op.x), blocksize=op.block.value.data)

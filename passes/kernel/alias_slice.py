"""Pass `alias-slice`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp

from dialects.context import OctetContext
from dialects.kernel.ops import CallOp, buffer_element, buffer_shape, layout_of
from dialects.kernel.part import PartOp
from dialects.program import body_of, main_function
from dialects.shapes import slice_range
from passes.base import OctetPass
from passes.facts import MEMORY_PLANNED, ON_BUFFERS
from passes.kernel.windows import halo_within, reads_strides
from runtime.planning.memory import retype


@dataclass(frozen=True)
class AliasSlicePass(OctetPass):
    """Lets the readers of a slice read what it is a slice of: nothing is copied.

        %1 = kernel.call "slice" (x = %0) <starts = [0, 64, 0, 0], ends = [1, 96, 8, 8], ..>
            : (memref<1x96x8x8xf32, #kernel.buffer<nhwc>>)
            -> memref<1x32x8x8xf32, #kernel.buffer<nhwc>>
    becomes
        %1 = kernel.part %0 <axis = 1, start = 64, stop = 96>
            : .. -> memref<1x32x8x8xf32, #kernel.buffer<nhwc, window = [1, 64, 96]>>

    A slice stays a copy when it cuts more than one dimension or skips indices, when its order,
    element type or halo is not that of its operand, when a reader wants contiguous rows, when it
    is an output of the program, and when it is written into a concatenation.
    """

    name = "alias-slice"
    REQUIRES: ClassVar = frozenset({ON_BUFFERS})
    INVALIDATES: ClassVar = frozenset({MEMORY_PLANNED})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        for op in list(body_of(main_function(module)).ops):
            if not isinstance(op, CallOp) or op.callee.data != "slice":
                continue
            axis = _sliced_axis(op)
            if axis is not None and _can_alias(op, axis):
                _alias(op, axis)
                self.count(ctx, "slices", 1)


def _sliced_axis(op: CallOp) -> int | None:
    """The one dimension that a slice cuts, in steps of one; a slice of everything cuts the
    first."""
    shape, options = buffer_shape(op.inputs[0]), op.values()
    bounds = zip(shape, options["starts"], options["ends"], options["steps"], strict=True)
    cut = []
    for axis, (size, start, end, step) in enumerate(bounds):
        if slice_range(size, start, end, step) != range(size):
            cut.append(axis)
    if len(cut) > 1 or not shape:
        return None
    axis = cut[0] if cut else 0
    return axis if options["steps"][axis] == 1 else None


def _can_alias(op: CallOp, axis: int) -> bool:
    x, result = op.inputs[0], op.results[0]
    whole, layout = layout_of(x), layout_of(result)
    return (
        layout.window is None
        and (whole.window is None or whole.window.axis == axis)
        and layout.order == whole.order
        and buffer_element(x) == buffer_element(result)
        and not (whole.halo_widths and axis >= 2)
        and halo_within(layout, whole)
        and all(reads_strides(use.operation) for use in result.uses)
    )


def _alias(op: CallOp, axis: int) -> None:
    options, result = op.values(), op.results[0]
    part = PartOp.of(
        op.inputs[0],
        axis,
        options["starts"][axis],
        options["ends"][axis],
        result.type,  # pyright: ignore[reportArgumentType] - a memref
    )
    retype(part.result, buffer_shape(result), part.window())
    part.layer, part.index = op.layer, op.index
    block = op.parent
    assert block is not None
    block.insert_op_before(part, op)
    result.replace_all_uses_with(part.result)
    op.detach()
    op.erase()

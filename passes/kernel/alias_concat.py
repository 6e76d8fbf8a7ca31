"""Pass `alias-concat`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from dialects.context import OctetContext
from dialects.kernel.join import JoinOp
from dialects.kernel.ops import CallOp, buffer_element, buffer_shape, buffer_type, layout_of
from dialects.program import body_of, main_function
from passes.base import OctetPass
from passes.facts import MEMORY_PLANNED, ON_BUFFERS
from passes.kernel.windows import halo_within, takes_strides
from runtime.planning.memory import assign_windows, retype


@dataclass(frozen=True)
class AliasConcatPass(OctetPass):
    """Lets kernels write their results straight into the concatenation that they are parts of.

    The buffers become windows of the concatenation's, and nothing is copied. An operand that
    cannot become a window (an input or output of the program, a constant, one that a kernel for
    contiguous rows reads or writes, or that is joined elsewhere) is copied into its place.

        %1 = kernel.call "conv" .. -> memref<1x64x8x8xf32, #kernel.buffer<nhwc>>
        %2 = kernel.call "conv" .. -> memref<1x32x8x8xf32, #kernel.buffer<nhwc>>
        %3 = kernel.call "concat" (inputs = %1, inputs = %2) <axis = 1> : ..
    becomes
        %1 = kernel.call "conv" ..
            -> memref<1x64x8x8xf32, #kernel.buffer<nhwc, window = [1, 0, 96]>>
        %2 = kernel.call "conv" ..
            -> memref<1x32x8x8xf32, #kernel.buffer<nhwc, window = [1, 64, 96]>>
        %3 = kernel.join %1, %2 <axis = 1> : ..

    A concatenation that begins with the operands of an earlier one takes its result for them, so
    that a dense block grows in one buffer.
    """

    name = "alias-concat"
    REQUIRES: ClassVar = frozenset({ON_BUFFERS})
    INVALIDATES: ClassVar = frozenset({MEMORY_PLANNED})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        block = body_of(main_function(module))
        concats = [op for op in block.ops if isinstance(op, CallOp) and op.callee.data == "concat"]
        operands = [list(concat.inputs) for concat in concats]
        for index, concat in enumerate(concats):
            earlier = list(zip(concats, operands, strict=True))[:index]
            concats[index] = _reusing(concat, earlier)
        # The last first: an earlier one may be part of it.
        for concat in reversed(concats):
            _widen(concat)
            if _can_join(concat):
                windows = _join(concat)
                self.count(ctx, "concatenations", 1)
                self.count(ctx, "operands written in place", windows)


def _axis(concat: CallOp) -> int:
    return concat.values()["axis"] % len(buffer_shape(concat.results[0]))


def _reusing(concat: CallOp, earlier: list[tuple[CallOp, list[SSAValue]]]) -> CallOp:
    """The concatenation with the longest known beginning of its operands taken as one."""
    inputs = list(concat.inputs)
    known = [
        (len(parts), other)
        for other, parts in earlier
        if _axis(other) == _axis(concat)
        and 1 < len(parts) < len(inputs)
        and inputs[: len(parts)] == parts
    ]
    if not known:
        return concat
    count, longest = max(known, key=lambda candidate: candidate[0])
    operands = [longest.results[0], *inputs[count:]]
    replacement = CallOp.of(
        "concat",
        [("inputs", value) for value in operands],
        concat.values(),
        [concat.results[0].type],  # pyright: ignore[reportArgumentType] - a memref
        concat.attributes,
    )
    _replace(concat, replacement)
    return replacement


def _widen(concat: CallOp) -> None:
    """Gives the result a halo as wide as those of the operands, if all that read it allow one."""
    result = concat.results[0]
    layout = layout_of(result)
    halos = [layout_of(value).halo_widths for value in (*concat.inputs, result)]
    widths = [halo for halo in halos if halo]
    if not widths or layout.order.data != "nhwc" or layout.window is not None or _axis(concat) >= 2:
        return
    if all(takes_strides(op) for op in _users(result)):
        wide = tuple(map(max, *widths)) if len(widths) > 1 else widths[0]
        retype(result, buffer_shape(result), layout.with_halo(wide))


def _can_join(concat: CallOp) -> bool:
    """Whether a window along the concatenation's dimension exists, and an operand can be one."""
    layout, axis = layout_of(concat.results[0]), _axis(concat)
    if layout.window is not None and layout.window.axis != axis:
        return False
    if layout.halo_widths and axis >= 2:  # a halo between two parts would be written over
        return False
    return any(_can_be_window(concat, value) for value in concat.inputs)


def _can_be_window(concat: CallOp, value: SSAValue) -> bool:
    result = concat.results[0]
    layout, whole = layout_of(value), layout_of(result)
    return (
        isinstance(value.owner, CallOp)
        and layout.window is None
        and layout.order == whole.order
        and buffer_element(value) == buffer_element(result)
        and list(concat.inputs).count(value) == 1
        and halo_within(layout, whole)
        and all(takes_strides(op) for op in (value.owner, *_users(value)))
    )


def _users(value: SSAValue) -> Iterator[object]:
    return (use.operation for use in value.uses)


def _join(concat: CallOp) -> int:
    """Replaces a concatenation; returns how many operands are written in place."""
    result, axis = concat.results[0], _axis(concat)
    parts: list[SSAValue] = []
    windows = 0
    for value in concat.inputs:
        if _can_be_window(concat, value):
            windows += 1
            parts.append(value)
        else:
            parts.append(_copied(concat, value))
    join = JoinOp.of(parts, axis, result.type)  # pyright: ignore[reportArgumentType] - a memref
    join.layer, join.index = concat.layer, concat.index
    _replace(concat, join)
    assign_windows(join)
    return windows


def _copied(concat: CallOp, value: SSAValue) -> SSAValue:
    """A copy of an operand, which can lie in a window."""
    type = buffer_type(
        buffer_element(value),
        buffer_shape(value),
        layout_of(concat.results[0]).with_window(None),
    )
    copy = CallOp.of("copy", [("x", value)], {}, [type])
    block = concat.parent
    assert block is not None
    block.insert_op_before(copy, concat)
    return copy.results[0]


def _replace(old: CallOp, new: CallOp | JoinOp) -> None:
    block = old.parent
    assert block is not None
    block.insert_op_before(new, old)
    old.results[0].replace_all_uses_with(new.results[0])
    old.detach()
    old.erase()

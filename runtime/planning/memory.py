"""Plans the memory of a program at the `kernel` stage.

The IR carries the plan: every buffer's type ends with its offset, `at = 4096`. Views share the
offset of what they view, windows that of the buffer they are part of; constants are not in the
arena.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xdsl.dialects.builtin import FunctionType, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import BlockArgument, Operation, SSAValue

from dialects.elements import dtype_of
from dialects.errors import OctetError, SizeLimitError
from dialects.kernel.join import JoinOp, join_of
from dialects.kernel.layout import BufferAttr
from dialects.kernel.loops import Launch
from dialects.kernel.ops import (
    ConstantOp,
    ViewOp,
    buffer_element,
    buffer_shape,
    buffer_type,
    layout_of,
)
from dialects.kernel.part import PartOp
from dialects.program import body_of, input_names, main_function
from dialects.shapes import Shape
from runtime.planning.arena import SLACK, Buffer, arena_size, check, place

Alias = ViewOp | JoinOp | PartOp
"""Ops whose results have no memory of their own, or give theirs to their operands."""


@dataclass
class _Life:
    first: int
    last: int


def storage_of(value: SSAValue) -> SSAValue:
    """The buffer whose memory a value is: itself, what a view views, or what a window is part of.

    Raises OctetError for a window that no join makes part of anything.
    """
    while True:
        if isinstance(value.owner, ViewOp | PartOp):
            value = value.owner.x
        elif layout_of(value).window is None:
            return value
        else:
            join = join_of(value)
            if join is None:
                raise OctetError(f"memory plan: buffer {_describe(value)} is a window of nothing")
            value = join.result


def buffer_bytes(value: SSAValue) -> int:
    """Bytes of a buffer with its halo and the slack that kernels may read past its end."""
    elements = layout_of(value).elements(buffer_shape(value))
    return elements * dtype_of(buffer_element(value)).itemsize + SLACK


def buffers_of(function: FuncOp) -> tuple[list[SSAValue], list[Buffer]]:
    """All buffers of the arena with their lifetimes, in program order.

    Step 0 fills the inputs, step i is the i-th op, and outputs live to the end. A joined buffer
    lives from the first call that writes one of its windows.
    """
    block = body_of(function)
    lives: dict[SSAValue, _Life] = {argument: _Life(0, 0) for argument in block.args}
    ops = list(block.ops)
    for step, op in enumerate(ops, start=1):
        for operand in op.operands:
            storage = storage_of(operand)
            if isinstance(storage.owner, ConstantOp):
                continue
            lives[storage].last = len(ops) + 1 if isinstance(op, ReturnOp) else step
        if isinstance(op, Launch):
            for result in op.results:
                lives.setdefault(storage_of(result), _Life(step, step)).last = step
    values = list(lives)
    buffers = [
        Buffer(_describe(value), buffer_bytes(value), life.first, life.last)
        for value, life in lives.items()
    ]
    return values, buffers


def _describe(value: SSAValue) -> str:
    if isinstance(value, BlockArgument):
        return f"of input {value.index}"
    owner = value.owner
    return f"of {owner.source_name}" if isinstance(owner, Launch | JoinOp | PartOp) else "of a view"


def plan_memory(module: ModuleOp) -> int:
    """Gives every buffer its offset and returns the arena's size in bytes.

    The plan is proved before it is written into the IR.
    """
    function = main_function(module)
    values, buffers = buffers_of(function)
    offsets = place(buffers)
    size = arena_size(buffers, offsets)
    check(buffers, offsets, size)
    by_value = dict(zip(values, offsets, strict=True))
    for value in _all_buffers(function):
        offset = by_value[storage_of(value)]
        retype(value, buffer_shape(value), layout_of(value).placed_at(offset))
    _update_signature(function)
    return size


def verify_plan(module: ModuleOp) -> int:
    """Proves the offsets that stand in the IR and returns the arena's size.

    Raises OctetError if a buffer has no offset, overlaps another, or a view has strayed.
    """
    function = main_function(module)
    values, buffers = buffers_of(function)
    offsets: list[int] = []
    for value, buffer in zip(values, buffers, strict=True):
        offset = layout_of(value).offset
        if offset is None:
            raise OctetError(f"memory plan: buffer {buffer.name} has no offset; run plan-memory")
        offsets.append(offset)
    size = arena_size(buffers, offsets)
    check(buffers, offsets, size)
    return size


def resize_program(module: ModuleOp, shapes: Mapping[str, Shape]) -> None:
    """Changes the sizes of a lowered program's inputs and infers all others anew, in place.

    Raises OctetError when an op does not accept the new sizes. Offsets must be planned again.
    """
    function = main_function(module)
    block = body_of(function)
    for name, argument in zip(input_names(function), block.args, strict=True):
        retype(argument, shapes[name], layout_of(argument).placed_at(None))
    for op in block.ops:
        if isinstance(op, ConstantOp | ReturnOp):
            continue
        if not isinstance(op, Launch | Alias):
            raise OctetError(f"{op.name} is not lowered; run the kernel stage")
        for result, shape in zip(op.results, _infer(op), strict=True):
            retype(result, shape, layout_of(result).placed_at(None))
    for op in reversed(list(block.ops)):  # a join may be part of a later one
        if isinstance(op, JoinOp):
            assign_windows(op)
    for op in block.ops:  # a part may be cut from an earlier one
        if isinstance(op, PartOp):
            retype(op.result, buffer_shape(op.result), op.window())
    _update_signature(function)


def assign_windows(join: JoinOp) -> None:
    """Gives the operands of a join the layouts that follow from its result's."""
    for value, layout in zip(join.inputs, join.windows(), strict=True):
        retype(value, buffer_shape(value), layout)


def _infer(op: Launch | Alias) -> Sequence[Shape]:
    shapes = [buffer_shape(operand) for operand in op.operands]
    name = "a reshape" if isinstance(op, ViewOp) else op.source_name
    try:
        return op.infer_shapes(shapes)
    except SizeLimitError as error:
        raise OctetError(f"the inputs are too long for {name}: {error}; truncate them") from error
    except OctetError as error:
        raise OctetError(
            f"{name} does not fit the new input sizes: {error}; compile again with --shape"
        ) from error


def _all_buffers(function: FuncOp) -> list[SSAValue]:
    block = body_of(function)
    results = [
        result
        for op in block.ops
        if isinstance(op, Launch | Alias)
        for result in op.results
        if not isinstance(storage_of(result).owner, ConstantOp)
    ]
    return [*block.args, *results]


def retype(value: SSAValue, shape: Shape, layout: BufferAttr) -> None:
    """Changes the shape and layout of a buffer in place."""
    value._type = buffer_type(  # pyright: ignore[reportPrivateUsage] - xDSL's own idiom
        buffer_element(value), shape, layout
    )


def _update_signature(function: FuncOp) -> None:
    block = body_of(function)
    terminator: Operation | None = block.last_op
    assert terminator is not None
    function.function_type = FunctionType.from_lists(
        [argument.type for argument in block.args], [value.type for value in terminator.operands]
    )

"""Pass `fuse-loops`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import ClassVar, cast

from xdsl.dialects.builtin import ArrayAttr, MemRefType, ModuleOp, StringAttr, f32, i1
from xdsl.ir import Attribute, Operation, Region, SSAValue

from dialects.context import OctetContext
from dialects.elements import HALVES, boolean
from dialects.errors import OctetError
from dialects.kernel.loops import MAX_RESULTS, LoopOp, MapOp, ReduceOp, YieldOp
from dialects.kernel.ops import (
    CallOp,
    ConstantOp,
    buffer_element,
    buffer_shape,
    is_row_major,
    layout_of,
)
from dialects.origin import set_indices
from dialects.program import body_of, main_function
from dialects.quant import UniformQuantizedType
from dialects.shapes import Shape
from passes.base import Numerics, OctetPass
from passes.facts import MEMORY_PLANNED, ON_BUFFERS
from passes.kernel.scalar_bodies import ELEMENT_BODIES, ROUND_NOTHING, ROW_BODIES, BodyBuilder

MAX_BUFFERS = 12
"""A loop over more operands and results than this runs out of address registers."""

ALONE = frozenset({"softmax", "gelu", "silu", "sigmoid", "tanh", "erf", "exp", "elu"})
"""Calls whose loop is faster than their hand-written kernel (benchmarks/loops.py shows it): long
bodies, which profit most from the widest registers."""

_FLOATS = (f32, *HALVES)


@dataclass(frozen=True)
class FuseLoopsPass(OctetPass):
    """Makes chains of float kernels one loop, whose body is written out in scalar ops.

        %1 = kernel.call "add" (lhs = %0, rhs = %r) {layer = "res"} : ..
        %2 = kernel.call "layer_norm" (x = %1, scale = %s, bias = %b) <..> {layer = "norm"} : ..
        %3 = kernel.call "quantize" (x = %2) : ..
    becomes
        %2, %3 = kernel.reduce (%0, %r, %s, %b) <axis = 2, scalars = [1.0e-05]>
            {absorbed = ["res"], layer = "norm"} : .. {
        ^bb0(%4 : f32, %5 : f32, %6 : f32, %7 : f32, %8 : f32):
          %9 = arith.addf %4, %5 : f32
          %10 = kernel.fold "add" %9 : f32
          ..
          kernel.yield %20, %20 : f32, f32
        }

    An op joins the loop that computes one of its operands if it walks the same shape: elementwise
    ops with any broadcast operands, reductions, softmax and layer norm over the last dimensions of
    dense buffers, quantize of one scale. A dequantize of 8-bit values is read through by the loops
    that use it. What others use too, or the program returns, becomes one more result. Ops stay in
    their order: a loop stands where its last op stood, and no op joins if somebody needs an
    earlier result before. Loops over less than `min-elements` elements are not worth compiling.
    A call that has nothing to fuse with keeps its kernel, unless `single-calls` is set, or the
    body is long (softmax, gelu, ..), where the loop is faster.

    Each scalar op rounds as the kernel did whose part it was, and what a kernel would have stored
    in 16 bits is rounded to them before others use it: results are the same to the bit.
    """

    name = "fuse-loops"
    NUMERICS: ClassVar[Numerics] = Numerics.EXACT
    REQUIRES: ClassVar = frozenset({ON_BUFFERS})
    INVALIDATES: ClassVar = frozenset({MEMORY_PLANNED})

    min_elements: int = 2048
    single_calls: bool = False
    """Makes loops of calls that have nothing to fuse with, too (to compare with their kernels)."""

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        block = body_of(main_function(module))
        order = {op: index for index, op in enumerate(block.ops)}
        groups = _Grouping(order, self.min_elements, self.single_calls).groups()
        for group in groups:
            loop = _Builder(ctx, group).build()
            if loop is None:
                continue
            members = group.members
            members[-1].parent_block().insert_op_before(loop, members[-1])  # pyright: ignore[reportOptionalMemberAccess]
            for old, new in zip(_results_of(group), loop.results, strict=True):
                old.replace_all_uses_with(new)
            for op in reversed(members):
                op.detach()
                op.erase()
            self.count(ctx, f"{loop.name} ops")
            self.count(ctx, "fused calls", len(members))
        for op in reversed(list(block.ops)):
            if isinstance(op, CallOp) and _reads_through(op) and not op.results[0].uses:
                op.detach()
                op.erase()
                self.count(ctx, "dequantize calls read through")


# --- which ops are one loop ----------------------------------------------------------------------


@dataclass
class _Group:
    """Calls that become one loop, in program order."""

    shape: Shape
    axis: int | None = None
    members: list[CallOp] = field(default_factory=list)
    rows: set[SSAValue] = field(default_factory=set)
    """Results with one value per row."""

    @property
    def row_shape(self) -> Shape | None:
        """The shape of a row value that keeps its dimensions."""
        if self.axis is None:
            return None
        return (*self.shape[: self.axis], *(1 for _ in self.shape[self.axis :]))

    def __contains__(self, op: Operation) -> bool:
        return op in self.members

    @property
    def buffers(self) -> list[SSAValue]:
        """Operands from outside and results that are used outside."""
        inputs = [v for op in self.members for v in op.inputs if v.owner not in self.members]
        return list(dict.fromkeys([*map(_read_through, inputs), *_results_of(self)]))


def _results_of(group: _Group) -> list[SSAValue]:
    """The results of a group's members that somebody else uses."""
    return [
        result
        for op in group.members
        for result in op.results
        if any(use.operation not in group.members for use in result.uses)
    ]


@dataclass
class _Grouping:
    order: dict[Operation, int]
    min_elements: int
    single_calls: bool
    group_of: dict[Operation, _Group] = field(default_factory=dict)

    def groups(self) -> list[_Group]:
        """The groups worth a loop, in program order of their last members."""
        for op in self.order:
            if isinstance(op, CallOp) and (alone := self._alone(op)) is not None:
                self._join(op, alone)
        groups = list({id(group): group for group in self.group_of.values()}.values())
        worth = [group for group in groups if self._is_worth(group)]
        return sorted(worth, key=lambda group: self.order[group.members[-1]])

    def _is_worth(self, group: _Group) -> bool:
        """At least one buffer is not written and read again, or the loop is faster anyway."""
        inputs = {value for op in group.members for value in op.inputs}
        through = sum(_read_through(value) is not value for value in inputs)
        if len(group.members) + through >= 2:
            return True
        return self.single_calls or group.members[0].callee.data in ALONE

    def _alone(self, op: CallOp) -> _Group | None:
        """The group of one call; None if it has no scalar body."""
        name = op.callee.data
        if len(op.results) != 1 or not all(map(_is_scalar_type, (*op.inputs, *op.results))):
            return None
        if name in ELEMENT_BODIES:
            if name == "cast" and not _converts_floats(op):
                return None
            if name != "quantize" and _is_quantized(op.results[0]):
                return None
            group = _Group(buffer_shape(op.results[0]), None, [op])
        elif name in ROW_BODIES:
            shape = buffer_shape(op.inputs[0])
            axis = _row_axis(op, shape)
            if axis is None or prod(shape[axis:]) < 2:
                return None
            group = _Group(shape, axis, [op])
            if name.startswith("reduce"):
                group.rows.update(op.results)
        else:
            return None
        if prod(group.shape) < self.min_elements and group.axis is None:
            # It may still be a row value of a longer loop.
            return group if self._producers(op) else None
        return group if _is_sound(group) else None

    def _producers(self, op: CallOp) -> list[_Group]:
        """The groups that compute operands of `op`, without repetition."""
        found = {
            id(group): group
            for value in op.inputs
            if isinstance(value.owner, Operation)
            and (group := self.group_of.get(value.owner)) is not None
        }
        return list(found.values())

    def _join(self, op: CallOp, group: _Group) -> None:
        """Merges the group of `op` with those of its producers, as far as they fit."""
        for producer in self._producers(op):
            merged = self._merged(producer, group, op)
            if merged is not None:
                group = merged
        if prod(group.shape) < self.min_elements:
            return
        for member in group.members:
            self.group_of[member] = group

    def _merged(self, producer: _Group, group: _Group, op: CallOp) -> _Group | None:
        """Both groups as one, or None."""
        if producer.axis is not None and group.axis not in (None, producer.axis):
            return None
        axis = producer.axis if group.axis is None else group.axis
        as_row = self._is_row_op(producer, group, op)
        if producer.shape != group.shape and not as_row:
            return None
        members = sorted({*producer.members, *group.members}, key=self.order.__getitem__)
        rows = producer.rows | group.rows | (set(op.results) if as_row else set())
        merged = _Group(producer.shape, axis, members, rows)
        uses = [v for v in op.inputs if v.owner in producer.members]
        if any(not self._fits(value, merged, as_row) for value in uses):
            return None
        if len({m.precision for m in members if m.precision is not None}) > 1:
            return None
        last = self.order[op]
        for member in members:
            for result in member.results:
                for use in result.uses:
                    if use.operation not in members and self.order[use.operation] < last:
                        return None
        return merged if _is_sound(merged) else None

    def _is_row_op(self, producer: _Group, group: _Group, op: CallOp) -> bool:
        """`op` computes with row values alone."""
        if producer.axis is None or op.callee.data not in ELEMENT_BODIES or len(group.members) > 1:
            return False
        if buffer_shape(op.results[0]) != producer.row_shape:
            return False
        return all(value in producer.rows or _is_one_number(value) for value in op.inputs)

    def _fits(self, value: SSAValue, merged: _Group, as_row: bool) -> bool:
        """A member's use of another's result means the same element, or the same row."""
        if value in merged.rows:
            return buffer_shape(value) == merged.row_shape
        return not as_row and buffer_shape(value) == merged.shape


def _is_sound(group: _Group) -> bool:
    """What is true of every group: few buffers; dense ones if there are rows."""
    buffers = group.buffers
    if len(buffers) > MAX_BUFFERS or len(_results_of(group)) > MAX_RESULTS:
        return False
    if group.axis is None:
        whole = [v for v in buffers if buffer_shape(v) == group.shape]
        return len({layout_of(v).permutation(len(group.shape)) for v in whole}) <= 1
    rank, axis = len(group.shape), group.axis
    for value in buffers:
        if not is_row_major(layout_of(value), buffer_shape(value)):
            return False
        if value in group.rows or value.owner in group.members:
            continue
        shape = buffer_shape(value)
        tail = ((1,) * (rank - len(shape)) + shape)[axis:]
        if tail != group.shape[axis:] and any(size != 1 for size in tail):
            return False
    return True


def _row_axis(op: CallOp, shape: Shape) -> int | None:
    """Where the rows of a reduction begin; None if it is not over the last dimensions."""
    options, rank = op.values(), len(shape)
    if op.callee.data == "layer_norm":
        return options["axis"] % rank
    if op.callee.data == "softmax":
        return rank - 1 if options["axis"] % rank == rank - 1 else None
    axes = sorted(axis % rank for axis in options["axes"])
    if not axes or axes != list(range(axes[0], rank)):
        return None
    return axes[0]


def _is_one_number(value: SSAValue) -> bool:
    """A float constant of one element."""
    return (
        isinstance(value.owner, ConstantOp)
        and buffer_element(value) in _FLOATS
        and prod(buffer_shape(value)) == 1
    )


def _is_quantized(value: SSAValue) -> bool:
    return isinstance(buffer_element(value), UniformQuantizedType)


def _is_scalar_type(value: SSAValue) -> bool:
    """A float of 16 or 32 bits, a truth value, or the 8-bit result of a quantize."""
    element = buffer_element(value)
    if isinstance(element, UniformQuantizedType):
        produced = isinstance(value.owner, CallOp) and value.owner.callee.data == "quantize"
        return produced and _is_per_tensor_byte(element)
    return element in (*_FLOATS, boolean)


def _converts_floats(op: CallOp) -> bool:
    return all(buffer_element(value) in _FLOATS for value in (*op.inputs, *op.results))


def _is_per_tensor_byte(element: Attribute) -> bool:
    return (
        isinstance(element, UniformQuantizedType)
        and element.channel_axis is None
        and element.storage.width.data == 8
    )


def _reads_through(op: CallOp) -> bool:
    """A dequantize that loops do when they load."""
    return op.callee.data == "dequantize" and _is_per_tensor_byte(buffer_element(op.inputs[0]))


def _read_through(value: SSAValue) -> SSAValue:
    """The stored buffer behind a dequantize, else the value itself."""
    owner = value.owner
    if isinstance(owner, CallOp) and _reads_through(owner):
        return owner.inputs[0]
    return value


def _rounds(op: CallOp) -> bool:
    """Storing the result changes it."""
    element = buffer_element(op.results[0])
    floats = [buffer_element(value) for value in op.inputs if buffer_element(value) != boolean]
    exact = op.callee.data in ROUND_NOTHING and all(each == element for each in floats)
    return element in HALVES and not exact


def _is_used_in(group: _Group, value: SSAValue) -> bool:
    return any(use.operation in group.members for use in value.uses)


# --- the loop ------------------------------------------------------------------------------------


@dataclass
class _Builder:
    ctx: OctetContext
    group: _Group

    def build(self) -> LoopOp | None:
        """The loop of a group; None if its operands alone do not span the group's shape."""
        group = self.group
        inputs = self._inputs()
        builder = BodyBuilder([i1 if buffer_element(v) == boolean else f32 for v in inputs])
        values: dict[SSAValue, SSAValue] = dict(zip(inputs, builder.block.args, strict=True))
        stored: dict[SSAValue, SSAValue] = {}
        for op in group.members:
            bodies = ELEMENT_BODIES if op.callee.data in ELEMENT_BODIES else ROW_BODIES
            operands = {
                name: self._operand(value, values, builder)
                for name, value in zip(op.names, op.inputs, strict=True)
            }
            result, value = op.results[0], bodies[op.callee.data](builder, operands, op.values())
            stored[result] = values[result] = value
            if _rounds(op) and _is_used_in(group, result):
                values[result] = builder.rounded(value, buffer_element(result))
        results = _results_of(group)
        builder.block.add_op(YieldOp.of(*(stored[result] for result in results)))
        types = [cast(MemRefType, result.type) for result in results]
        region = Region(builder.block)
        if group.axis is None:
            loop = MapOp.of(inputs, builder.scalars, types, region)
        else:
            loop = ReduceOp.of(inputs, builder.scalars, group.axis, types, region)
        if not _spans(loop, [buffer_shape(result) for result in results]):
            loop.erase()
            return None
        self._describe(loop)
        return loop

    def _inputs(self) -> list[SSAValue]:
        """What the loop reads, in order of first use."""
        return list(
            dict.fromkeys(
                _read_through(value)
                for op in self.group.members
                for value in op.inputs
                if value.owner not in self.group.members and not self._is_scalar(value)
            )
        )

    def _is_scalar(self, value: SSAValue) -> bool:
        return _is_one_number(value) and len(buffer_shape(value)) <= len(self.group.shape)

    def _operand(
        self, value: SSAValue, values: dict[SSAValue, SSAValue], builder: BodyBuilder
    ) -> SSAValue:
        if value in values:
            return values[value]
        if self._is_scalar(value):
            constant = cast(ConstantOp, value.owner)
            return builder.scalar(self.ctx.weights[constant.value.digest.data].item())
        loaded, element = values[_read_through(value)], buffer_element(value)
        if element in HALVES:  # the dequantize it is read through rounds
            values[value] = loaded = builder.rounded(loaded, element)
        return loaded

    def _describe(self, loop: LoopOp) -> None:
        """Gives the loop the names and the precision of its members; the last name is its own."""
        members: Sequence[CallOp] = self.group.members
        layers = [op.layer for op in members if op.layer is not None]
        if layers:
            loop.layer = layers[-1]
        names = [
            name
            for op in members
            for name in (
                *((op.layer,) if op.layer is not None else ()),
                *(cast(ArrayAttr[StringAttr], op.absorbed) if op.absorbed is not None else ()),
            )
        ]
        absorbed = [name for name in dict.fromkeys(names) if name != loop.layer]
        if absorbed:
            loop.absorbed = ArrayAttr(absorbed)
        loop.precision = next((op.precision for op in members if op.precision is not None), None)
        loop.placed_by = next((op.placed_by for op in members[::-1] if op.placed_by), None)
        set_indices(loop, *members)


def _spans(loop: LoopOp, shapes: Sequence[Shape]) -> bool:
    try:
        return loop.infer_shapes([buffer_shape(value) for value in loop.inputs]) == list(shapes)
    except OctetError:
        return False

"""Channels of a value that can be rescaled without changing what the program computes.

    y = x @ W = (x / s) @ (s W)        s > 0, one factor for each channel of x

The consumers' weights take up s; whatever makes x takes up 1 / s: the weights and bias of linear
ops, seen through ops that are positively homogeneous (f(x / s) = f(x) / s), or the scale and bias
of a layer norm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.ir import Operation, SSAValue

from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import ReluOp
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.nn.movement import ConcatOp, PadOp, ReshapeOp
from dialects.nn.normalization import LayerNormOp
from dialects.nn.pooling import AvgPoolOp, MaxPoolOp
from dialects.nn.reduction import ReduceMeanOp
from dialects.program import body_of, main_function, scheme_of, sole_user
from passes.dataflow import quantizations

Linear = ConvOp | MatmulOp


@dataclass(frozen=True)
class Producer:
    """An op whose constants can take up factors for its output channels.

    `start` is the number of its first channel among those of the value (a concat joins several),
    `upper` and `lower` the clamp it ends with.
    """

    op: Linear | LayerNormOp
    start: int
    lower: float = -np.inf
    upper: float = np.inf

    @property
    def channels(self) -> slice:
        axis = channel_axis(self.op)
        return slice(self.start, self.start + shape_of(self.op.results[0])[axis])

    @property
    def clamps(self) -> bool:
        """It clamps at a bound other than 0, which does not scale along."""
        return bool(np.isfinite(self.upper) or (np.isfinite(self.lower) and self.lower != 0.0))


@dataclass(frozen=True)
class Link:
    """A value between producers and consumers: its channel axis, and the number of its first
    channel among those of the consumed value."""

    value: SSAValue
    axis: int
    start: int

    @property
    def channels(self) -> slice:
        return slice(self.start, self.start + shape_of(self.value)[self.axis])


@dataclass(frozen=True, eq=False)
class Site:
    """A value, the linear ops that multiply it, and what makes it."""

    value: SSAValue
    consumers: tuple[Linear, ...]
    has_other_uses: bool
    producers: tuple[Producer, ...]
    """Empty if some channel of the value comes from anything that cannot be rescaled."""
    path: tuple[Link, ...]
    """The values between the producers and the consumers, `value` among them."""

    @property
    def axis(self) -> int:
        return channel_axis(self.consumers[0])

    @property
    def channels(self) -> int:
        return shape_of(self.value)[self.axis]

    @property
    def values(self) -> set[SSAValue]:
        return {self.value, *(link.value for link in self.path)}

    @property
    def can_be_taken_up(self) -> bool:
        return bool(self.producers) and not self.has_other_uses


def channel_axis(op: Linear | LayerNormOp) -> int:
    """The channel dimension of an op's input and of its result."""
    return 1 if isinstance(op, ConvOp) else -1


def weight_index(op: Linear) -> int:
    return 1


def sites(module: ModuleOp) -> list[Site]:
    """The values that linear ops with weights of their own multiply, in program order.

    Values and weights that are quantized, or that a scheme gives fixed numbers, are left out, and
    so are ops placed in anything but int8, and weights that several ops share.
    """
    block = body_of(main_function(module))
    values = [*block.args, *(result for op in block.ops for result in op.results)]
    order = {op: index for index, op in enumerate(block.ops)}
    return [site for value in values if (site := _site_of(value, order)) is not None]


def _site_of(value: SSAValue, order: Mapping[Operation, int]) -> Site | None:
    consumers = [
        use.operation
        for use in value.uses
        if use.index == 0 and isinstance(use.operation, Linear) and _rescalable(use.operation)
    ]
    # The uses of a value are in no order that a parsed program keeps.
    consumers.sort(key=order.__getitem__)
    axes = {channel_axis(op) for op in consumers}
    if len(axes) != 1 or not _is_free(value):
        return None
    others = len(list(value.uses)) > len(consumers)
    producers, path = _producers(value, axes.pop())
    return Site(value, tuple(consumers), others, tuple(producers), tuple(path))


def _is_free(value: SSAValue) -> bool:
    """A float32 value that nobody has quantized or given numbers."""
    unquantized = next(quantizations(value), None) is None
    return unquantized and element_of_value(value) == f32 and not scheme_of(value).is_fixed


def _rescalable(op: Linear) -> bool:
    """Its weight is a float constant of its own, with an input and an output channel axis."""
    if op.precision is not None and not op.is_int8:
        return False
    if op.weight_scheme is not None and op.weight_scheme.scheme.is_fixed:
        return False
    weight = op.operands[weight_index(op)]
    own = isinstance(weight.owner, ConstantOp) and sole_user(weight) is op
    rank = len(shape_of(weight))
    return own and element_of_value(weight) == f32 and (isinstance(op, ConvOp) or rank == 2)


def _producers(value: SSAValue, axis: int) -> tuple[list[Producer], list[Link]]:
    """What makes the channels of `value`, and all values from there on; empty if not all can be
    rescaled. Nothing but the next op on the way uses any of them."""
    found: list[Producer] = []
    path: list[Link] = []
    pending = [Link(value, axis, 0)]
    while pending:
        link = pending.pop()
        current = link.value
        op = current.owner
        if not isinstance(op, NnOp) or not _is_free(current):
            return [], []
        if current is not value and sole_user(current) is None:
            return [], []
        path.append(link)
        producer = _producer(op, link)
        if producer is not None:
            found.append(producer)
            continue
        feeding = _feeding(op, link.axis, link.start)
        if not feeding:
            return [], []
        pending += reversed(feeding)
    return found, path


def _producer(op: NnOp, link: Link) -> Producer | None:
    if isinstance(op, LayerNormOp):
        rank = len(shape_of(op.x))
        over_last = op.axis.value.data % rank == rank - 1
        affine = [value for value in (op.scale, op.bias) if value is not None]
        known = all(isinstance(value.owner, ConstantOp) for value in affine)
        exact = op.scale is not None and known and over_last and link.axis == -1
        return Producer(op, link.start) if exact else None
    if not isinstance(op, Linear) or not _rescalable(op) or op.residual is not None:
        return None
    if channel_axis(op) != link.axis:
        return None
    if op.bias is not None and not isinstance(op.bias.owner, ConstantOp):
        return None
    bounds = (-np.inf, np.inf) if op.activation is None else op.activation.bounds
    return Producer(op, link.start, *bounds)


def _feeding(op: NnOp, axis: int, start: int) -> list[Link]:
    """The operands whose channels a homogeneous op hands on, their axis and first channel."""
    match op:
        case ReluOp() | MaxPoolOp() | AvgPoolOp():
            return [Link(op.operands[0], axis, start)]
        case PadOp() if _pads_other_axes(op, axis):
            return [Link(op.x, axis, start)]
        case ReduceMeanOp() if _keeps_axis(op, axis):
            return [Link(op.x, axis, start)]
        case ConcatOp():
            rank = len(shape_of(op.results[0]))
            if op.axis.value.data % rank != axis % rank:
                return []
            found = []
            for operand in op.inputs:
                found.append(Link(operand, axis, start))
                start += shape_of(operand)[axis]
            return found
        case ReshapeOp() if _flattens(op):
            return [Link(op.x, 1, start)]
        case _:
            return []


def _pads_other_axes(op: PadOp, axis: int) -> bool:
    rank = len(shape_of(op.x))
    pads = op.pads.get_values()
    zero = op.mode.data != "constant" or op.value.value.data == 0.0
    return zero and pads[axis % rank] == pads[rank + axis % rank] == 0


def _keeps_axis(op: ReduceMeanOp, axis: int) -> bool:
    rank = len(shape_of(op.x))
    return bool(op.keepdims.value.data) and axis % rank not in {
        one % rank for one in op.axes.get_values()
    }


def _flattens(op: ReshapeOp) -> bool:
    """[N, C, 1, 1] as [N, C]."""
    before, after = shape_of(op.x), shape_of(op.results[0])
    return len(before) > 2 and set(before[2:]) == {1} and tuple(after) == tuple(before[:2])

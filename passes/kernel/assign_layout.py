"""Chooses how every tensor will lie in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.ir import Operation, OpResult, SSAValue

from dialects.context import OctetContext
from dialects.kernel.signatures import CONVERSIONS, signatures
from dialects.nn.base import NnOp, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.movement import TransposeOp
from dialects.program import body_of, main_function
from dialects.quant import CastOp
from passes.base import OctetPass
from passes.facts import LAYOUTS_ASSIGNED

LAYOUTS = "layouts"
"""Attribute: the order ("nhwc" or "dense") of each result."""

TO_CHANNELS_FIRST = {3: (0, 2, 1), 4: (0, 3, 1, 2)}


def layout_name(value: SSAValue) -> str:
    """The order chosen for a value; arguments and constants are dense."""
    if not isinstance(value, OpResult):
        return "dense"
    layouts = value.op.attributes.get(LAYOUTS)
    if not isinstance(layouts, ArrayAttr):
        return "dense"
    return cast(StringAttr, layouts.data[value.index]).data


def required_layout(op: Operation) -> str:
    """The order the op's kernel works in: "nhwc", "dense" or "any"."""
    if isinstance(op, CastOp):
        return CONVERSIONS[0].layout
    if isinstance(op, NnOp) and not isinstance(op, ConstantOp):
        return signatures()[op.mnemonic].layout
    return "dense"


@dataclass(frozen=True)
class AssignLayoutPass(OctetPass):
    """Chooses nhwc or dense for every tensor of three or four dimensions.

    Convolutions and pools work channels-last; ops that take any strides follow their operands,
    or, where those are dense, the ops that use them; everything else is dense. A transpose
    between NCHW and NHWC then copies memory in order. Nothing is inserted here:
    `lower-to-kernel` copies where an op cannot read the order its operand has.

        %1 = quant.qcast %0 : tensor<1x3x8x8xf32> -> tensor<1x3x8x8x!quant..>
        %2 = nn.conv %1, ...
    becomes
        %1 = quant.qcast %0 {layouts = ["nhwc"]} : ...
        %2 = nn.conv %1, ... {layouts = ["nhwc"]} ...
    """

    name = "assign-layout"
    ESTABLISHES: ClassVar = frozenset({LAYOUTS_ASSIGNED})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        for op in body_of(main_function(module)).ops:
            if not op.results or isinstance(op, ConstantOp):
                continue
            chosen = [self._choose(op, result) for result in op.results]
            op.attributes[LAYOUTS] = ArrayAttr([StringAttr(layout) for layout in chosen])
            self.count(ctx, "nhwc results", chosen.count("nhwc"))

    def _choose(self, op: Operation, result: SSAValue) -> str:
        rank = len(shape_of(result))
        if rank not in (3, 4):
            return "dense"
        required = required_layout(op)
        if required != "any":
            return required
        if isinstance(op, TransposeOp):
            permutation = op.permutation.get_values()
            from_dense = layout_name(op.x) == "dense"
            return "nhwc" if from_dense and permutation == TO_CHANNELS_FIRST[rank] else "dense"
        same_rank = [value for value in op.operands if len(shape_of(value)) == rank]
        if any(layout_name(value) == "nhwc" for value in same_rank):
            return "nhwc"
        return "nhwc" if self._feeds_channels_last(result) else "dense"

    def _feeds_channels_last(self, value: SSAValue) -> bool:
        return any(required_layout(use.operation) == "nhwc" for use in value.uses)

"""Pass `fuse-residual`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.elements import is_float
from dialects.nn.base import element_of_value
from dialects.nn.elementwise import AddOp
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.program import sole_user
from passes.base import Numerics, OctetPass
from passes.naming import absorb, same_placement, take_range
from passes.simplify.constants import is_constant
from passes.simplify.rebuild import rebuild


class FuseResidual(RewritePattern):
    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: AddOp, rewriter: PatternRewriter, /) -> None:
        if op.lhs.type != op.result.type or op.rhs.type != op.result.type:
            return
        if not is_float(element_of_value(op.result)):
            return
        linear = _later(_open_linear(op, op.lhs), _open_linear(op, op.rhs))
        if linear is None:
            return
        residual = op.rhs if linear.result is op.lhs else op.lhs
        # A constant holds one batch's worth of elements; the program may run with another.
        if is_constant(residual):
            return
        # Placed where the addition stands, so the residual is defined before it.
        fused = rebuild(linear, operands={"residual": residual})
        absorb(fused, op)
        take_range(fused, op)
        rewriter.replace(op, fused)


def _open_linear(add: AddOp, value: SSAValue) -> ConvOp | MatmulOp | None:
    """The linear op that computes `value` for the addition alone and could take a residual."""
    linear = value.owner
    if not isinstance(linear, ConvOp | MatmulOp) or sole_user(value) is not add:
        return None
    if linear.residual is not None or linear.activation is not None:
        return None
    return linear if same_placement(linear, add) else None


def _later(
    first: ConvOp | MatmulOp | None, second: ConvOp | MatmulOp | None
) -> ConvOp | MatmulOp | None:
    """The one that stands later in the program: its operands need not be kept alive for it."""
    if first is None or second is None:
        return first or second
    return second if first.is_before_in_block(second) else first


@dataclass(frozen=True)
class FuseResidualPass(OctetPass):
    """Makes an addition the residual operand of the convolution or matrix product it adds.

    Before:

        %2 = nn.conv %1, %w <..> {layer = "Conv_3"} : (..) -> tensor<1x8x4x4xf32>
        %3 = nn.add %2, %0 {layer = "Add_4"} : (..) -> tensor<1x8x4x4xf32>

    After:

        %3 = nn.conv %1, %w, residual = %0 <..> {absorbed = ["Add_4"], layer = "Conv_3"} : ..

    When both sides are linear ops, the later one takes the other as its residual. A ReLU after
    the addition then fuses with `fuse-activation`: the activation comes after the residual. For
    that reason an op with an activation is left alone. It does not fire when the linear op's
    result has other uses or is an output, when a residual is there already, when an operand
    is broadcast or a constant, or on quantized tensors. Exact in float32; half precisions round
    once instead of twice.
    """

    name = "fuse-residual"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [FuseResidual()])

"""Pass `recognize-softmax`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.elements import is_float
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.elementwise import DivOp, ExpOp, SubOp
from dialects.nn.normalization import SoftmaxOp
from dialects.nn.reduction import ReduceMaxOp, ReduceOp, ReduceSumOp
from dialects.program import sole_user
from passes.base import Numerics, OctetPass
from passes.naming import absorb, same_placement


class RecognizeSoftmax(RewritePattern):
    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: DivOp, rewriter: PatternRewriter, /) -> None:
        exp, total = op.lhs.owner, op.rhs.owner
        if not isinstance(exp, ExpOp) or not isinstance(total, ReduceSumOp):
            return
        axis = _kept_axis(total)
        users = [use.operation for use in exp.result.uses]
        if axis is None or total.x is not exp.result or sole_user(total.result) is not op:
            return
        if len(users) != 2 or not is_float(element_of_value(op.result)):
            return
        x, shift = _without_maximum(exp.x, axis)
        interior: list[NnOp] = [*shift, exp, total]
        if not same_placement(op, *interior):
            return
        softmax = SoftmaxOp.make(x, axis=axis)
        softmax.attributes.update(op.attributes)
        absorb(softmax, *interior)
        rewriter.replace(op, softmax)


def _kept_axis(op: ReduceOp) -> int | None:
    """The one dimension that is reduced and kept with size 1."""
    axes = op.axes.get_values()
    if len(axes) != 1 or not op.keepdims.value.data:
        return None
    return axes[0] % len(shape_of(op.x))


def _without_maximum(value: SSAValue, axis: int) -> tuple[SSAValue, list[NnOp]]:
    """x and the ops of `x - max(x)`, if `value` is that; softmax subtracts the maximum itself."""
    sub = value.owner
    if not isinstance(sub, SubOp) or sole_user(value) is None:
        return value, []
    maximum = sub.rhs.owner
    if not isinstance(maximum, ReduceMaxOp) or sole_user(maximum.result) is not sub:
        return value, []
    if maximum.x is not sub.lhs or _kept_axis(maximum) != axis:
        return value, []
    return sub.lhs, [maximum, sub]


@dataclass(frozen=True)
class RecognizeSoftmaxPass(OctetPass):
    """Recognizes softmax written out as exponentials divided by their sum.

    Before, with or without the subtraction of the maximum:

        %1 = nn.reduce_max %0 <axes = [1], keepdims = true> : (..) -> ..
        %2 = nn.sub %0, %1 : (..) -> ..
        %3 = nn.exp %2 : (..) -> ..
        %4 = nn.reduce_sum %3 <axes = [1], keepdims = true> : (..) -> ..
        %5 = nn.div %3, %4 : (..) -> ..

    After:

        %5 = nn.softmax %0 <axis = 1> : (..) -> ..

    Where the maximum was not subtracted the softmax is defined for larger inputs than before. It
    does not fire when a value inside has another use, or for sums over several dimensions.
    """

    name = "recognize-softmax"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [RecognizeSoftmax()])

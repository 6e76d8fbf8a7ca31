"""Pass `recognize-hard-swish`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.nn.elementwise import ClipOp, DivOp, HardSigmoidOp, HardSwishOp, MulOp
from dialects.weights import WeightStore
from passes.base import Numerics, OctetPass
from passes.simplify.algebra import Expression, close
from passes.simplify.recognize_hard_sigmoid import clipped_line


@dataclass
class RecognizeHardSwish(RewritePattern):
    weights: WeightStore

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MulOp | DivOp, rewriter: PatternRewriter, /) -> None:
        for x_index in (0, 1):
            expression = Expression(op, self.weights)
            product = expression.product()
            if product is None or len(product[1]) != 2:
                return
            coefficient, values = product
            x, gate = values[x_index], values[1 - x_index]
            line = _gate_line(expression, gate, coefficient)
            if line is None:
                continue
            gated, alpha, beta = line
            if gated is x and close(alpha, 1 / 6) and close(beta, 0.5):
                expression.replace(rewriter, HardSwishOp.make(x))
                return


def _gate_line(
    expression: Expression, gate: SSAValue, coefficient: float
) -> tuple[SSAValue, float, float] | None:
    """The value, slope and offset of `coefficient * gate` as a hard sigmoid."""
    if (clip := expression.enter(gate, ClipOp)) is not None:
        return clipped_line(expression, clip, coefficient)
    hard_sigmoid = expression.enter(gate, HardSigmoidOp)
    if hard_sigmoid is None or not close(coefficient, 1.0):
        return None
    return hard_sigmoid.x, hard_sigmoid.alpha.value.data, hard_sigmoid.beta.value.data


@dataclass(frozen=True)
class RecognizeHardSwishPass(OctetPass):
    """Recognizes hard swish: a value times its own hard sigmoid (MobileNetV3).

    Before, with the division (or multiplication by 1/6) in any place, or a hard sigmoid:

        %1 = nn.add %0, %three : (..) -> ..
        %2 = nn.clip %1 <max = 6.0, min = 0.0> : (..) -> ..
        %3 = nn.mul %0, %2 : (..) -> ..
        %4 = nn.div %3, %six : (..) -> ..

    After:

        %4 = nn.hard_swish %0 : (..) -> ..

    Constants may be off by 0.1 %. It does not fire when the clip is of another value (a gate) or
    when a value inside the expression has another use.
    """

    name = "recognize-hard-swish"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [RecognizeHardSwish(ctx.weights)])

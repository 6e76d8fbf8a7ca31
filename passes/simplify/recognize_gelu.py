"""Pass `recognize-gelu`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.nn.elementwise import DivOp, ErfOp, GeluOp, MulOp, TanhOp
from dialects.weights import WeightStore
from passes.base import Numerics, OctetPass
from passes.simplify.algebra import Expression, all_close, close

ERF_ARGUMENT = (0.0, math.sqrt(0.5))
TANH_ARGUMENT = (0.0, math.sqrt(2 / math.pi), 0.0, math.sqrt(2 / math.pi) * 0.044715)
"""`sqrt(2 / pi) * (x + 0.044715 x^3)`: Hendrycks and Gimpel, "GELUs", arXiv:1606.08415."""


@dataclass
class RecognizeGelu(RewritePattern):
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
            approximate = _gate(expression, x, gate, coefficient)
            if approximate is not None:
                expression.replace(rewriter, GeluOp.make(x, approximate=approximate))
                return


def _gate(expression: Expression, x: SSAValue, gate: SSAValue, coefficient: float) -> str | None:
    """Which GELU `coefficient * gate` makes of `x`; None if it is neither."""
    value, scale, offset = expression.affine(gate)
    if not (close(coefficient * scale, 0.5) and close(coefficient * offset, 0.5)):
        return None
    if (erf := expression.enter(value, ErfOp)) is not None:
        return "none" if all_close(expression.polynomial(erf.x, x), ERF_ARGUMENT) else None
    if (tanh := expression.enter(value, TanhOp)) is not None:
        return "tanh" if all_close(expression.polynomial(tanh.x, x), TANH_ARGUMENT) else None
    return None


@dataclass(frozen=True)
class RecognizeGeluPass(OctetPass):
    """Recognizes GELU written out with erf or with tanh.

    Before, with any order of factors, divisions or multiplications:

        %1 = nn.div %0, %sqrt2 : (..) -> ..
        %2 = nn.erf %1 : (..) -> ..
        %3 = nn.add %2, %one : (..) -> ..
        %4 = nn.mul %0, %3 : (..) -> ..
        %5 = nn.mul %4, %half : (..) -> ..

    After:

        %5 = nn.gelu %0 <approximate = "none"> : (..) -> ..

    `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))` becomes `approximate = "tanh"`. Constants
    may be off by 0.1 %. It does not fire when a value inside the expression has another use.
    """

    name = "recognize-gelu"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [RecognizeGelu(ctx.weights)])

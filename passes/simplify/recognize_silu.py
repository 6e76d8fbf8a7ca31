"""Pass `recognize-silu`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.nn.elementwise import MulOp, SigmoidOp, SiluOp
from dialects.weights import WeightStore
from passes.base import Numerics, OctetPass
from passes.simplify.algebra import Expression


@dataclass
class RecognizeSilu(RewritePattern):
    weights: WeightStore

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MulOp, rewriter: PatternRewriter, /) -> None:
        for x, gate in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
            if x.type != op.result.type:
                continue
            expression = Expression(op, self.weights)
            sigmoid = expression.enter(gate, SigmoidOp)
            if sigmoid is not None and sigmoid.x is x:
                expression.replace(rewriter, SiluOp.make(x))
                return


@dataclass(frozen=True)
class RecognizeSiluPass(OctetPass):
    """Recognizes SiLU (swish): a value times its own sigmoid.

    Before:

        %1 = nn.sigmoid %0 : (..) -> ..
        %2 = nn.mul %0, %1 : (..) -> ..

    After:

        %2 = nn.silu %0 : (..) -> ..

    It does not fire when the sigmoid has another use or is of another value (a gate). Exact in
    float32; half precisions round once instead of twice.
    """

    name = "recognize-silu"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [RecognizeSilu(ctx.weights)])

"""Pass `recognize-hard-sigmoid`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.nn.elementwise import ClipOp, DivOp, HardSigmoidOp, MulOp
from dialects.weights import WeightStore
from passes.base import Numerics, OctetPass
from passes.simplify.algebra import Expression, close

KNOWN = ((1 / 6, 0.5), (0.2, 0.5))
"""Slope and offset of PyTorch's and of Keras's and ONNX's hard sigmoid."""


def clipped_line(
    expression: Expression, clip: ClipOp, coefficient: float
) -> tuple[SSAValue, float, float] | None:
    """x, alpha and beta if `coefficient * clip` is `clip(alpha * x + beta, 0, 1)`."""
    low, high = clip.min.value.data, clip.max.value.data
    if coefficient <= 0 or low != 0.0 or not close(coefficient * high, 1.0):
        return None
    x, scale, offset = expression.affine(clip.x)
    return x, coefficient * scale, coefficient * offset


@dataclass
class RecognizeScaledClip(RewritePattern):
    """`clip(x + 3, 0, 6) / 6`."""

    weights: WeightStore

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MulOp | DivOp, rewriter: PatternRewriter, /) -> None:
        expression = Expression(op, self.weights)
        product = expression.product()
        if product is None or len(product[1]) != 1:
            return
        coefficient, (value,) = product
        clip = expression.enter(value, ClipOp)
        if clip is not None:
            _rewrite(expression, clip, coefficient, rewriter)


@dataclass
class RecognizeUnitClip(RewritePattern):
    """`clip(x / 6 + 0.5, 0, 1)`."""

    weights: WeightStore

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ClipOp, rewriter: PatternRewriter, /) -> None:
        _rewrite(Expression(op, self.weights), op, 1.0, rewriter)


def _rewrite(
    expression: Expression, clip: ClipOp, coefficient: float, rewriter: PatternRewriter
) -> None:
    line = clipped_line(expression, clip, coefficient)
    if line is None:
        return
    x, alpha, beta = line
    for known_alpha, known_beta in KNOWN:
        if close(alpha, known_alpha) and close(beta, known_beta):
            expression.replace(rewriter, HardSigmoidOp.make(x, alpha=alpha, beta=beta))
            return


@dataclass(frozen=True)
class RecognizeHardSigmoidPass(OctetPass):
    """Recognizes the hard sigmoid written out as a clip of a line.

    Before, with a division or multiplication before or after the clip:

        %1 = nn.add %0, %three : (..) -> ..
        %2 = nn.clip %1 <max = 6.0, min = 0.0> : (..) -> ..
        %3 = nn.div %2, %six : (..) -> ..

    After:

        %3 = nn.hard_sigmoid %0 <alpha = 0.16666666666666666, beta = 0.5> : (..) -> ..

    The model's own slope is kept, to the digit. It does not fire for other slopes than 1/6 and
    0.2 (within 0.1 %), or when a value inside the expression has another use.
    """

    name = "recognize-hard-sigmoid"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        patterns = [RecognizeScaledClip(ctx.weights), RecognizeUnitClip(ctx.weights)]
        self.rewrite(ctx, module, patterns)

"""Pass `fold-scale`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.nn.base import shape_of
from dialects.nn.elementwise import DivOp, MulOp
from dialects.weights import WeightStore
from passes.base import Numerics, OctetPass
from passes.simplify.constants import float_array, per_channel
from passes.simplify.linear import bare_linear, channel_axis, fold_into


@dataclass
class FoldScale(RewritePattern):
    weights: WeightStore

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MulOp | DivOp, rewriter: PatternRewriter, /) -> None:
        sides = [(op.lhs, op.rhs)]
        if isinstance(op, MulOp):
            sides.append((op.rhs, op.lhs))
        for value, other in sides:
            linear = bare_linear(value, op)
            if linear is None or value.type != op.result.type:
                continue
            constant = float_array(other, self.weights)
            if constant is None:
                continue
            factor = per_channel(constant, shape_of(value), channel_axis(linear))
            if factor is None:
                continue
            if isinstance(op, DivOp):
                with np.errstate(all="ignore"):
                    factor = 1.0 / factor
            fold_into(linear, op, factor, None, self.weights, rewriter)
            return


@dataclass(frozen=True)
class FoldScalePass(OctetPass):
    """Folds a constant factor per channel, or one for all, into the weights before it.

    Before:

        %1 = nn.conv %0, %w, bias = %b <..> : (..) -> tensor<1x8x4x4xf32>
        %2 = nn.mul %1, %c : (tensor<1x8x4x4xf32>, tensor<8x1x1xf32>) -> tensor<1x8x4x4xf32>

    After:

        %2 = nn.conv %0, %w_times_c, bias = %b_times_c <..> : (..) -> tensor<1x8x4x4xf32>

    `nn.div` by a constant likewise. Works on `conv`, `conv_transpose` and `matmul` with constant
    weights. It does not fire when the linear op's result has other uses or is an output, when it
    already has a residual or an activation, when the factor varies along another dimension than
    the channels, or when a folded value is not finite (division by zero).
    """

    name = "fold-scale"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [FoldScale(ctx.weights)])

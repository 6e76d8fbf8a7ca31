"""Pass `fold-bias`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.nn.base import shape_of
from dialects.nn.elementwise import AddOp, SubOp
from dialects.weights import WeightStore
from passes.base import Numerics, OctetPass
from passes.simplify.constants import float_array, per_channel
from passes.simplify.linear import bare_linear, channel_axis, fold_into


@dataclass
class FoldBias(RewritePattern):
    weights: WeightStore

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: AddOp | SubOp, rewriter: PatternRewriter, /) -> None:
        sides = [(op.lhs, op.rhs)]
        if isinstance(op, AddOp):
            sides.append((op.rhs, op.lhs))
        for value, other in sides:
            linear = bare_linear(value, op)
            if linear is None or value.type != op.result.type:
                continue
            constant = float_array(other, self.weights)
            if constant is None:
                continue
            shift = per_channel(constant, shape_of(value), channel_axis(linear))
            if shift is None:
                continue
            if isinstance(op, SubOp):
                shift = -shift
            fold_into(linear, op, None, shift, self.weights, rewriter)
            return


@dataclass(frozen=True)
class FoldBiasPass(OctetPass):
    """Makes a constant that is added per channel the bias of the linear op before it.

    Before:

        %1 = nn.matmul %0, %w : (..) -> tensor<1x128x384xf32>
        %2 = nn.add %1, %c : (tensor<1x128x384xf32>, tensor<384xf32>) -> tensor<1x128x384xf32>

    After:

        %2 = nn.matmul %0, %w, bias = %c : (..) -> tensor<1x128x384xf32>

    A bias that is there is added to (in float64, rounded once); `nn.sub` of a constant subtracts.
    The constant may have leading dimensions of size 1 and, after a convolution, trailing ones;
    a single number is a bias for every channel. The weight need not be constant. It does not
    fire when the linear op's result has other uses or is an output, when it already has a
    residual or an activation, when its bias is not constant, when the constant varies along
    another dimension than the channels, or when a sum is not finite.
    """

    name = "fold-bias"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [FoldBias(ctx.weights)])

"""Pass `fuse-activation`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.elements import is_float
from dialects.nn.attributes import ActivationAttr
from dialects.nn.base import element_of_value
from dialects.nn.elementwise import ClipOp, ReluOp
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.program import sole_user
from passes.base import Numerics, OctetPass
from passes.naming import absorb, same_placement, take_range


class FuseActivation(RewritePattern):
    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ReluOp | ClipOp, rewriter: PatternRewriter, /) -> None:
        linear = op.x.owner
        if not isinstance(linear, ConvOp | MatmulOp) or sole_user(op.x) is not op:
            return
        if linear.activation is not None or not same_placement(linear, op):
            return
        if not is_float(element_of_value(op.x)):
            return
        low, high = 0.0, math.inf
        if isinstance(op, ClipOp):
            low, high = op.min.value.data, op.max.value.data
        if not low <= high:
            return
        linear.activation = ActivationAttr(low, high)
        absorb(linear, op)
        take_range(linear, op)
        rewriter.notify_op_modified(linear)
        rewriter.replace(op, [], [linear.result])


@dataclass(frozen=True)
class FuseActivationPass(OctetPass):
    """Makes a ReLU or clip the fused activation of the convolution or matrix product before it.

    Before:

        %1 = nn.conv %0, %w <..> {layer = "Conv_0"} : (..) -> ..
        %2 = nn.relu %1 {layer = "Relu_1"} : (..) -> ..

    After:

        %2 = nn.conv %0, %w <.., activation = #nn.activation<relu>>
            {absorbed = ["Relu_1"], layer = "Conv_0"} : (..) -> ..

    Exact. It does not fire when the linear op's result has other uses or is an output (they see
    the values before the activation), when the op has an activation already, when a clip's
    bounds are crossed, or on quantized tensors, whose result type would have to change.
    """

    name = "fuse-activation"
    NUMERICS: ClassVar = Numerics.EXACT

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [FuseActivation()])

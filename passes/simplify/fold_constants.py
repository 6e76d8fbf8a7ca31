"""Pass `fold-constants`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from dialects.context import OctetContext
from dialects.elements import is_quantized
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.weights import WeightStore
from passes.base import Numerics, OctetPass
from runtime.reference.evaluate import evaluate_op


@dataclass
class FoldConstants(RewritePattern):
    weights: WeightStore
    max_elements: int

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, NnOp) or not op.operands:
            return
        sources = [operand.owner for operand in op.operands]
        constants = [source for source in sources if isinstance(source, ConstantOp)]
        if len(constants) != len(sources):
            return
        if any(is_quantized(element_of_value(value)) for value in (*op.operands, *op.results)):
            return
        if any(math.prod(shape_of(result)) > self.max_elements for result in op.results):
            return
        operands = [constant.array(self.weights) for constant in constants]
        results = [
            ConstantOp.of(array, self.weights, element_of_value(result))
            for array, result in zip(
                evaluate_op(op, operands, self.weights), op.results, strict=True
            )
        ]
        rewriter.replace(op, results, [constant.result for constant in results])


@dataclass(frozen=True)
class FoldConstantsPass(OctetPass):
    """Replaces every nn op whose operands are all constants by its result.

    Before:

        %0 = nn.constant <value = dense<[1.0, 2.0]> : tensor<2xf32>> : () -> tensor<2xf32>
        %1 = nn.sqrt %0 : (tensor<2xf32>) -> tensor<2xf32>

    After:

        %1 = nn.constant <value = dense<[1.0, 1.41421354]> : tensor<2xf32>> : () -> tensor<2xf32>

    Evaluated with the reference arithmetic, so folding changes no result. Ops on quantized
    tensors and the casts of the `quant` dialect stay: which weights are stored as integers is
    for the quantize stage to decide. An op with a result of more than `max-elements` elements
    stays too (an expanded constant can be far larger than the op that expands it).
    """

    name = "fold-constants"
    NUMERICS: ClassVar = Numerics.EXACT

    max_elements: int = 1 << 24
    """64 MiB of float32."""

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [FoldConstants(ctx.weights, self.max_elements)])

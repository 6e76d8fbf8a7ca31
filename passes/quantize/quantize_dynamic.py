"""Pass `quantize-dynamic`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from dialects.context import OctetContext
from dialects.nn.attributes import WeightAttr
from dialects.nn.constant import ConstantOp
from dialects.nn.linear import MatmulOp
from dialects.nn.quantized_linear import MatmulDynamicOp
from passes.base import Numerics, OctetPass
from passes.facts import ON_TENSORS, PRECISION_PLACED
from passes.quantize.parameters import weight_element
from passes.quantize.quantize_weights import keep_attributes
from runtime.reference.evaluate import params_of
from runtime.reference.quantization import quantize


@dataclass(frozen=True)
class QuantizeDynamicPass(OctetPass):
    """Makes matrix products quantize their activations when they run, where placement says so.

    Before:

        %w = nn.constant <..> : tensor<384x1536xf32>
        %1 = nn.matmul %0, %w {linear_format = #nn.linear_format<activations = "dynamic">, ..} : ..

    After:

        %q = nn.constant <..> : tensor<384x1536x!quant.uniform<i8<-127:127>:f32:1, {..}>>
        %1 = nn.matmul_dynamic %0, %q {precision = #nn<precision int8>, ..} : ..

    Dynamic quantization: the range of an activation is that of the row at hand, so nothing has to
    be calibrated, and each row, a token in a transformer, has a scale of its own. Weights are
    symmetric with a scale per column. Results are float32.

    Does not fire on products with another `linear_format`, or none.
    """

    name = "quantize-dynamic"
    NUMERICS: ClassVar = Numerics.QUANTIZES
    REQUIRES: ClassVar = frozenset({ON_TENSORS, PRECISION_PLACED})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [QuantizeWhenItRuns(ctx)])


@dataclass
class QuantizeWhenItRuns(RewritePattern):
    """A matrix product with a float weight, as one with an int8 weight and dynamic activations."""

    ctx: OctetContext

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, MatmulOp) or op.linear_format is None:
            return
        constant = op.b.owner
        if not op.linear_format.format.is_dynamic or not isinstance(constant, ConstantOp):
            return
        weight = constant.array(self.ctx.weights)
        element = weight_element(weight, 1, "s8")
        quantized = ConstantOp.of(quantize(weight, params_of(element)), self.ctx.weights, element)
        quantized.layer = constant.layer
        quantized.origin = WeightAttr(self.ctx.weights.add(weight))
        new = MatmulDynamicOp.make(
            op.a, quantized.result, op.bias, op.residual, activation=op.activation
        )
        keep_attributes(new, op)
        rewriter.replace(op, [quantized, new])
        if not constant.result.uses:
            rewriter.erase(constant)

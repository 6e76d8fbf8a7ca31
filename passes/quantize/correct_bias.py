"""Pass `correct-bias`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.ir import Operation

from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.nn.constant import ConstantOp
from dialects.program import body_of, main_function
from passes.base import Numerics, OctetPass
from passes.dataflow import constant_of
from passes.facts import ON_TENSORS, QDQ_INSERTED
from passes.integer.operands import waits
from passes.quantize.correction.side_by_side import Linear, SideBySide, first_batches, with_bias
from runtime.reference.evaluate import one_blas_thread

CORRECTED = "bias_corrected"
"""Attribute of an op whose bias was corrected: it is not corrected again."""


@dataclass(frozen=True)
class CorrectBiasPass(OctetPass):
    """Shift biases by the mean error that quantization causes in each output channel.

    Before:

        %wq = nn.constant <value = ..> {origin = #nn.weight<"..">} : ..
        %wd = quant.dcast %wq : ..
        %y = nn.conv %xd, %wd, bias = %b <..> {precision = #nn<precision int8>} : ..

    After:

        %c = nn.constant <value = ..> : tensor<8xf32>
        %y = nn.conv %xd, %wd, bias = %c <..> {bias_corrected, ..} : ..

    Rounding weights moves the mean of a channel, and every later layer sees it. The float program
    (the same one, its casts skipped, its weights those that quantized constants say they come from)
    and the quantized one run side by side on `samples` samples of calibration data; in program
    order each int8 convolution and matrix product gets the mean difference before its activation
    added to its bias, so that later ones see earlier corrections (Nagel et al., "Data-free
    quantization through weight equalization and bias correction", 2019, section 4.2, measured).

    It stands after `insert-qdq`, before casts are moved; `samples=0` turns it off. Ops whose
    weights or bias are not known as constants, or whose weights were quantized in the model, are
    left alone, and so are those that work on integers already.
    """

    name = "correct-bias"
    NUMERICS: ClassVar = Numerics.QUANTIZES
    READS_DATA: ClassVar = True
    REQUIRES: ClassVar = frozenset({ON_TENSORS, QDQ_INSERTED})

    samples: int = 64

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        if self.samples < 0:
            raise OctetError(f"correct-bias: samples is at least 0, got {self.samples}")
        linear = [op for op in body_of(main_function(module)).ops if _can_correct(op)]
        if not linear or not self.samples:
            return
        batches = first_batches(ctx, self.samples, self.name)
        biases = {with_bias(op, ctx) for op in linear if isinstance(op, Linear)}
        both = SideBySide(ctx, module, batches)

        def correct(op: Linear) -> None:
            both.step_with_fitted_bias(op)
            op.attributes[CORRECTED] = UnitAttr()

        with one_blas_thread():
            both.run(biases, correct)
        self.count(ctx, "biases", len(biases))


def _can_correct(op: Operation) -> bool:
    # Once an op works on integers, its bias is a sum of steps.
    if not isinstance(op, Linear) or not waits(op) or CORRECTED in op.attributes:
        return False
    weight = constant_of(op.operands[1])
    known = weight is not None and weight.origin is not None
    return known and (op.bias is None or isinstance(op.bias.owner, ConstantOp))

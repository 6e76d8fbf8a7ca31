"""The float program behind a quantized one, op by op on samples of the calibration data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Operation, SSAValue

from dialects.context import Feed, OctetContext
from dialects.elements import is_quantized
from dialects.nn.base import element_of_value
from dialects.nn.constant import ConstantOp
from dialects.program import body_of, input_names, main_function
from dialects.quant import DequantizeCastOp, QuantizeCastOp
from passes.dataflow import element_of_quantized
from passes.quantize.correction.side_by_side import first_batches
from runtime.reference.evaluate import evaluate_op, last_uses, params_of
from runtime.reference.quantization import dequantize


def first_samples(ctx: OctetContext, samples: int) -> list[Feed]:
    """Batches with the first samples, the last one cut so that there are no more."""
    taken: list[Feed] = []
    for feed in first_batches(ctx, samples, "clip-outliers"):
        size = max((len(array) for array in feed.values() if np.ndim(array)), default=1)
        taken.append(
            {
                name: array[:samples] if np.ndim(array) and len(array) == size else array
                for name, array in feed.items()
            }
        )
        samples -= size
    return taken


@dataclass
class FloatProgram:
    """The program op by op: casts are skipped, weights are those that integers stand for."""

    ctx: OctetContext
    module: ModuleOp
    feeds: Sequence[Feed]
    values: dict[SSAValue, list[np.ndarray]] = field(
        default_factory=dict[SSAValue, list[np.ndarray]]
    )

    def steps(self) -> Iterator[Operation]:
        """Each op, once its operands and results are known."""
        function = main_function(self.module)
        block = body_of(function)
        for name, argument in zip(input_names(function), block.args, strict=True):
            self.values[argument] = [np.asarray(feed[name]) for feed in self.feeds]
        ops = list(block.ops)
        last_use = last_uses(ops)
        for op in ops:
            if isinstance(op, ReturnOp):
                return
            operands, results = list(op.operands), list(op.results)
            self._step(op)
            yield op
            for index, result in enumerate(results):
                if (renamed := op.results[index]) is not result:  # it was given another type
                    self.values[renamed] = self.values.pop(result)
                    last_use[renamed] = last_use.pop(result, op)
            for value in (*operands, *op.results):
                if last_use.get(value, op) is op:
                    self.values.pop(value, None)

    def array(self, value: SSAValue) -> np.ndarray:
        """A value on all samples. Batches of different shapes: those of the first one's."""
        batches = self.values[value]
        return np.concatenate([b for b in batches if b.shape[1:] == batches[0].shape[1:]])

    def _step(self, op: Operation) -> None:
        match op:
            case ConstantOp() if op.origin is not None:
                self.values[op.result] = [self.ctx.weights[op.origin.digest.data]] * len(self.feeds)
            case ConstantOp() if is_quantized(element_of_value(op.result)):
                params = params_of(element_of_quantized(op.result))
                real = dequantize(op.array(self.ctx.weights), params)
                self.values[op.result] = [real] * len(self.feeds)
            case QuantizeCastOp() | DequantizeCastOp():
                self.values[op.results[0]] = self.values[op.operands[0]]
            case _:
                batches = [
                    evaluate_op(
                        op, [self.values[operand][i] for operand in op.operands], self.ctx.weights
                    )
                    for i in range(len(self.feeds))
                ]
                for result, arrays in zip(op.results, zip(*batches, strict=True), strict=True):
                    self.values[result] = list(arrays)

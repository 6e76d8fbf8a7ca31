"""The float program and the quantized one, run side by side on calibration data.

Between `insert-qdq` and `quantize-ops` both are one program: the float one skips its casts and
takes the weights that quantized constants say they come from (`origin`). Passes that correct
quantization walk it once, in program order, and change ops as they reach them, so that later ones
see what earlier ones did.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from dialects.context import Feed, OctetContext
from dialects.elements import is_quantized
from dialects.errors import OctetError
from dialects.nn.attributes import WeightAttr
from dialects.nn.base import element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.program import body_of, input_names, main_function
from dialects.quant import DequantizeCastOp, QuantizeCastOp
from passes.dataflow import element_of_quantized
from passes.quantize.correction.attended import Attended, attended_positions, only_attended
from passes.simplify.rebuild import rebuild
from runtime.reference.evaluate import evaluate_op, last_uses, params_of
from runtime.reference.quantization import dequantize

Linear = ConvOp | MatmulOp

Arrays = list[np.ndarray]
"""A value, batch by batch."""


def first_batches(ctx: OctetContext, samples: int, who: str) -> list[Feed]:
    """Batches of calibration data that hold at least `samples` samples, or all there are.

    Raises OctetError, in the name of the pass `who`, where there are none.
    """
    if ctx.calibration_data is None:
        raise OctetError(
            f"{who}: no calibration data was given; pass the inputs that `calibrate` used"
        )
    batches: list[Feed] = []
    count = 0
    for feed in ctx.calibration_data():
        batches.append(feed)
        count += max((len(array) for array in feed.values() if np.ndim(array)), default=1)
        if count >= samples:
            break
    if not batches:
        raise OctetError(f"{who}: the calibration data holds no batch; give at least one")
    return batches


def channel_axis(op: Linear) -> int:
    """The dimension of the result that holds the output channels."""
    return 1 if isinstance(op, ConvOp) else len(shape_of(op.results[0])) - 1


@dataclass
class SideBySide:
    """What each live value is in float, and what it is when quantized."""

    ctx: OctetContext
    module: ModuleOp
    feeds: Sequence[Feed]
    real: dict[SSAValue, Arrays] = field(default_factory=dict)
    quantized: dict[SSAValue, Arrays] = field(default_factory=dict)
    attended: Sequence[Attended] = field(init=False)

    def __post_init__(self) -> None:
        self.attended = attended_positions(self.module, self.feeds, self.ctx)

    def run(self, chosen: AbstractSet[Operation], visit: Callable[[Linear], None]) -> None:
        """Evaluates every op in program order, those in `chosen` by `visit`.

        `visit` may change the op's constants, and sets its result.
        """
        function = main_function(self.module)
        block = body_of(function)
        for name, argument in zip(input_names(function), block.args, strict=True):
            self.set(argument, [np.asarray(feed[name]) for feed in self.feeds])
        ops = list(block.ops)
        last_use = last_uses(ops)
        for op in ops:
            if isinstance(op, ReturnOp):
                return
            if op in chosen:
                assert isinstance(op, Linear)
                visit(op)
            else:
                self.step(op)
            for value in {*op.operands, *op.results}:
                if last_use.get(value, op) is op:
                    self.real.pop(value, None)
                    self.quantized.pop(value, None)

    def set(self, value: SSAValue, real: Arrays, quantized: Arrays | None = None) -> None:
        self.real[value] = real
        self.quantized[value] = real if quantized is None else quantized

    def step(self, op: Operation) -> None:
        """Both sides of an op as it is."""
        quantized = self.evaluate(op, self.quantized)
        if isinstance(op, ConstantOp):
            (result,) = op.results
            real = [_real_constant(op, self.ctx)] * len(self.feeds)
            self.set(result, real, quantized[0])
        elif isinstance(op, QuantizeCastOp | DequantizeCastOp):
            self.set(op.results[0], self.real[op.operands[0]], quantized[0])
        elif any(is_quantized(element_of_value(v)) for v in (*op.operands, *op.results)):
            # Integer arithmetic of the model itself: there is no float side to it.
            for result, arrays in zip(op.results, quantized, strict=True):
                self.set(result, [_real(result, array) for array in arrays], arrays)
        else:
            real = self.evaluate(op, self.real)
            for result, floats, arrays in zip(op.results, real, quantized, strict=True):
                self.set(result, floats, arrays)

    def samples(self, op: Linear, arrays: Arrays) -> list[Arrays]:
        """Operands or results of `op`, batch by batch and sample by sample; of sequences the
        positions that count."""
        if isinstance(op, ConvOp):
            return [list(array) for array in arrays]
        return [
            only_attended(array, seen) for array, seen in zip(arrays, self.attended, strict=True)
        ]

    def before_activation(self, op: Linear, side: dict[SSAValue, Arrays]) -> Arrays:
        """The sums of a linear op with its bias and residual."""
        bare = rebuild(op)
        bare.properties.pop("activation", None)
        (sums,) = self.evaluate(bare, side, op.operands)
        bare.erase()
        return sums

    def step_with_fitted_bias(self, op: Linear) -> None:
        """Both sides of a linear op whose bias first takes up the mean difference of its sums."""
        real = self.before_activation(op, self.real)
        quantized = self.before_activation(op, self.quantized)
        axis = channel_axis(op)
        shift = mean_difference(self.samples(op, real), self.samples(op, quantized), axis - 1)
        self._shift_bias(op, shift)
        by_channel = [-1 if index == axis else 1 for index in range(real[0].ndim)]
        quantized = [array + shift.reshape(by_channel) for array in quantized]
        if op.activation is not None:
            low, high = op.activation.bounds
            real, quantized = (
                [np.clip(array, low, high).astype(np.float32) for array in side]
                for side in (real, quantized)
            )
        self.set(op.results[0], real, quantized)

    def _shift_bias(self, op: Linear, shift: np.ndarray) -> None:
        """Adds to the bias; the constant keeps saying what it was in the float program."""
        assert op.bias is not None
        constant = op.bias.owner
        assert isinstance(constant, ConstantOp)
        bias = constant.array(self.ctx.weights)
        changed = ConstantOp.of((bias + shift).astype(np.float32), self.ctx.weights)
        changed.layer = constant.layer
        changed.origin = constant.origin or WeightAttr(self.ctx.weights.add(bias))
        Rewriter.insert_op(changed, InsertPoint.before(op))
        op.operands[op.operand_names().index("bias")] = changed.result
        if not constant.result.uses:
            Rewriter.erase_op(constant)

    def evaluate(
        self,
        op: Operation,
        side: dict[SSAValue, Arrays],
        operands: Sequence[SSAValue] | None = None,
    ) -> list[Arrays]:
        """Per result, per batch; on one side."""
        taken = op.operands if operands is None else operands
        batches = [
            evaluate_op(op, [side[operand][index] for operand in taken], self.ctx.weights)
            for index in range(len(self.feeds))
        ]
        return [list(arrays) for arrays in zip(*batches, strict=True)]


def with_bias(op: Linear, ctx: OctetContext) -> Linear:
    """`op`, or in its place one that adds a bias of zeros."""
    if op.bias is not None:
        return op
    channels = shape_of(op.results[0])[channel_axis(op)]
    zeros = ConstantOp.of(np.zeros(channels, np.float32), ctx.weights)
    biased = rebuild(op, operands={"bias": zeros.result})
    Rewriter.replace_op(op, [zeros, biased], [biased.results[0]])
    return biased


def mean_difference(real: Sequence[Arrays], quantized: Sequence[Arrays], axis: int) -> np.ndarray:
    """Mean of real - quantized over all samples of all batches and all dimensions of a sample but
    `axis`, float32 [channels]; 0 where it is not finite."""
    total, count = np.float64(0.0), 0
    for floats, steps in zip(real, quantized, strict=True):
        for a, b in zip(floats, steps, strict=True):
            others = tuple(index for index in range(a.ndim) if index != axis)
            total = total + np.sum(a.astype(np.float64) - b, axis=others)
            count += a.size // a.shape[axis]
    with np.errstate(over="ignore", invalid="ignore"):
        mean = (np.asarray(total) / max(count, 1)).astype(np.float32)
    return np.where(np.isfinite(mean), mean, np.float32(0))


def _real_constant(op: ConstantOp, ctx: OctetContext) -> np.ndarray:
    """What a constant was before it was quantized or corrected, or what it stands for."""
    if op.origin is not None:
        return ctx.weights[op.origin.digest.data]
    return _real(op.result, op.array(ctx.weights))


def _real(value: SSAValue, array: np.ndarray) -> np.ndarray:
    if not is_quantized(element_of_value(value)):
        return array
    return dequantize(array, params_of(element_of_quantized(value)))

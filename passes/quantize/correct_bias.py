"""Pass `correct-bias`."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from dialects.context import Feed, OctetContext
from dialects.elements import is_quantized
from dialects.errors import OctetError
from dialects.nn.base import element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.program import body_of, input_names, main_function
from dialects.quant import DequantizeCastOp, QuantizeCastOp
from passes.base import Numerics, OctetPass
from passes.dataflow import constant_of, element_of_quantized
from passes.simplify.rebuild import rebuild
from runtime.reference.evaluate import evaluate_op, last_uses, one_blas_thread, params_of
from runtime.reference.quantization import dequantize

CORRECTED = "bias_corrected"
"""Attribute of an op whose bias was corrected: it is not corrected again."""

Linear = ConvOp | MatmulOp


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
    left alone.
    """

    name = "correct-bias"
    NUMERICS: ClassVar = Numerics.QUANTIZES

    samples: int = 64

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        if self.samples < 0:
            raise OctetError(f"correct-bias: samples is at least 0, got {self.samples}")
        linear = [op for op in body_of(main_function(module)).ops if _can_correct(op)]
        if not linear or not self.samples:
            return
        batches = first_batches(ctx, self.samples)
        biases = {with_bias(op, ctx) for op in linear if isinstance(op, Linear)}
        with one_blas_thread():
            _Sweep(ctx, module, batches).run(biases)
        self.count(ctx, "biases", len(biases))


def first_batches(ctx: OctetContext, samples: int, who: str = "correct-bias") -> list[Feed]:
    """Batches of calibration data that hold at least `samples` samples, or all there are; `who` is
    the pass that asks."""
    if ctx.calibration_data is None:
        raise OctetError(
            f"{who}: no calibration data was given; pass the inputs that `calibrate` uses"
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


def _can_correct(op: Operation) -> bool:
    if not isinstance(op, Linear) or not op.is_int8 or CORRECTED in op.attributes:
        return False
    weight = constant_of(op.operands[1])
    known = weight is not None and weight.origin is not None
    return known and (op.bias is None or isinstance(op.bias.owner, ConstantOp))


def with_bias(op: Linear, ctx: OctetContext) -> Linear:
    """`op`, or in its place one that adds a bias of zeros."""
    if op.bias is not None:
        return op
    channels = shape_of(op.results[0])[1 if isinstance(op, ConvOp) else -1]
    zeros = ConstantOp.of(np.zeros(channels, np.float32), ctx.weights)
    biased = rebuild(op, operands={"bias": zeros.result})
    Rewriter.replace_op(op, [zeros, biased], [biased.results[0]])
    return biased


Arrays = list[np.ndarray]
"""A value, batch by batch."""


@dataclass
class _Sweep:
    """Both programs, op by op: what each value is in float, and what it is when quantized."""

    ctx: OctetContext
    module: ModuleOp
    feeds: Sequence[Feed]
    real: dict[SSAValue, Arrays] = field(default_factory=dict)
    quantized: dict[SSAValue, Arrays] = field(default_factory=dict)

    def run(self, linear: AbstractSet[Operation]) -> None:
        """Corrects the biases of `linear`."""
        function = main_function(self.module)
        block = body_of(function)
        for name, argument in zip(input_names(function), block.args, strict=True):
            self._set(argument, [np.asarray(feed[name]) for feed in self.feeds])
        ops = list(block.ops)
        last_use = last_uses(ops)
        for op in ops:
            if isinstance(op, ReturnOp):
                return
            if op in linear:
                assert isinstance(op, Linear)
                self._correct(op)
            else:
                self._step(op)
            for value in {*op.operands, *op.results}:
                if last_use.get(value, op) is op:
                    self.real.pop(value, None)
                    self.quantized.pop(value, None)

    def _set(self, value: SSAValue, real: Arrays, quantized: Arrays | None = None) -> None:
        self.real[value] = real
        self.quantized[value] = real if quantized is None else quantized

    def _step(self, op: Operation) -> None:
        """Both sides of an op that keeps its bias."""
        quantized = self._evaluate(op, self.quantized)
        if isinstance(op, ConstantOp):
            (result,) = op.results
            real = [_real_constant(op, self.ctx)] * len(self.feeds)
            self._set(result, real, quantized[0])
        elif isinstance(op, QuantizeCastOp | DequantizeCastOp):
            self._set(op.results[0], self.real[op.operands[0]], quantized[0])
        elif any(is_quantized(element_of_value(v)) for v in (*op.operands, *op.results)):
            # Integer arithmetic of the model itself: there is no float side to it.
            for result, arrays in zip(op.results, quantized, strict=True):
                self._set(result, [_real(result, array) for array in arrays], arrays)
        else:
            real = self._evaluate(op, self.real)
            for result, floats, arrays in zip(op.results, real, quantized, strict=True):
                self._set(result, floats, arrays)

    def _correct(self, op: Linear) -> None:
        """Both sides of a linear op; its bias takes up the mean difference before activation."""
        bare = rebuild(op)
        bare.properties.pop("activation", None)
        real, quantized = (
            self._evaluate(bare, side, op.operands)[0] for side in (self.real, self.quantized)
        )
        bare.erase()
        axis = 1 if isinstance(op, ConvOp) else real[0].ndim - 1
        shift = mean_difference(real, quantized, axis)
        self._shift_bias(op, shift)
        by_channel = [-1 if index == axis else 1 for index in range(real[0].ndim)]
        quantized = [array + shift.reshape(by_channel) for array in quantized]
        if op.activation is not None:
            low, high = op.activation.bounds
            real, quantized = (
                [np.clip(array, low, high).astype(np.float32) for array in side]
                for side in (real, quantized)
            )
        self._set(op.results[0], real, quantized)

    def _shift_bias(self, op: Linear, shift: np.ndarray) -> None:
        assert op.bias is not None
        constant = op.bias.owner
        assert isinstance(constant, ConstantOp)
        shifted = (constant.array(self.ctx.weights) + shift).astype(np.float32)
        changed = ConstantOp.of(shifted, self.ctx.weights)
        changed.layer = constant.layer
        Rewriter.insert_op(changed, InsertPoint.before(op))
        op.operands[op.operand_names().index("bias")] = changed.result
        op.attributes[CORRECTED] = UnitAttr()
        if not constant.result.uses:
            Rewriter.erase_op(constant)

    def _evaluate(
        self,
        op: Operation,
        side: dict[SSAValue, Arrays],
        operands: Sequence[SSAValue] | None = None,
    ) -> list[Arrays]:
        """Per result, per batch."""
        taken = op.operands if operands is None else operands
        batches = [
            evaluate_op(op, [side[operand][index] for operand in taken], self.ctx.weights)
            for index in range(len(self.feeds))
        ]
        return [list(arrays) for arrays in zip(*batches, strict=True)]


def mean_difference(real: Arrays, quantized: Arrays, axis: int) -> np.ndarray:
    """Mean of real - quantized over all batches and all dimensions but `axis`, float32 [channels];
    0 where it is not finite."""
    others = tuple(index for index in range(real[0].ndim) if index != axis)
    total = sum(
        np.sum(a.astype(np.float64) - b, axis=others) for a, b in zip(real, quantized, strict=True)
    )
    count = sum(array.size // array.shape[axis] for array in real)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = (np.asarray(total) / count).astype(np.float32)
    return np.where(np.isfinite(mean), mean, np.float32(0))


def _real_constant(op: ConstantOp, ctx: OctetContext) -> np.ndarray:
    """What a constant was before it was quantized, or what it stands for."""
    if op.origin is not None:
        return ctx.weights[op.origin.digest.data]
    return _real(op.result, op.array(ctx.weights))


def _real(value: SSAValue, array: np.ndarray) -> np.ndarray:
    if not is_quantized(element_of_value(value)):
        return array
    return dequantize(array, params_of(element_of_quantized(value)))

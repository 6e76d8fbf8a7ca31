"""Pass `round-adaptively`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.rewriter import InsertPoint, Rewriter

from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.nn.base import shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.linear import ConvOp
from dialects.program import body_of, main_function
from dialects.quant import DequantizeCastOp
from passes.base import Numerics, OctetPass
from passes.dataflow import element_of_quantized
from passes.facts import ON_TENSORS, QDQ_INSERTED
from passes.integer.proofs import BIAS_LIMIT, INT32_MAX
from passes.quantize.correction.moments import Folds, centred, dimensions, moments_of
from passes.quantize.correction.second_order import damped, excess, missing, nearest_plane, refitted
from passes.quantize.correction.side_by_side import (
    Arrays,
    Linear,
    SideBySide,
    first_batches,
    with_bias,
)
from passes.quantize.insert_qdq import WIDEST_INPUT
from runtime.reference.evaluate import one_blas_thread, params_of

ROUNDED = "rounded_adaptively"
"""Attribute of an op whose weights were rounded by their effect: they are not again."""

MOST_INPUTS = 4608
"""Of an output channel, 512 channels of 3 x 3 windows: the moments of more take gigabytes."""

MOST_MAGNITUDE = (INT32_MAX - BIAS_LIMIT) // WIDEST_INPUT
"""Sum of |w - zw| up to which no sum of products and no bias leaves 32 bits."""


@dataclass(frozen=True)
class RoundAdaptivelyPass(OctetPass):
    """Choose the integers of weights that keep the results of a layer, not those nearest to them.

    Before:

        %wq = nn.constant <value = ..> {origin = #nn.weight<"..">} : ..
        %wd = quant.dcast %wq : ..
        %y = nn.conv %xd, %wd, bias = %b <..> {precision = #nn<precision int8>} : ..

    After:

        %vq = nn.constant <value = ..> {origin = #nn.weight<"..">} : (the same type)
        %vd = quant.dcast %vq : ..
        %c = nn.constant <value = ..> {origin = #nn.weight<"..">} : tensor<8xf32>
        %y = nn.conv %xd, %vd, bias = %c <..> {rounded_adaptively, ..} : ..

    Inputs of a layer are correlated, so the error of one weight can be made up for by others. The
    float program and the quantized one run side by side on `samples` samples of calibration data.
    In program order, for each int8 convolution and matrix product, the integers W are sought that
    minimise |W x - t|^2 summed over data, where x are the inputs as the quantized program computes
    them, rounded layers before included, and t is the result of the float program before its
    activation (less the residual that the quantized program adds):

    1. Means are taken out: a bias makes up for them, and is set to after the weights.
    2. `refit`: the float weights are moved to the ridge regression of t on x, if cross-validation
       finds that this helps ("GPTAQ", Li et al. 2025, asks for the same without ridge).
    3. The weights are rounded by their second moments: GPTQ (Frantar et al. 2022), whose `damping`
       is in units of the mean moment. See `passes/quantize/correction/second_order.py`.
    4. Channels that nearest rounding serves better, or whose sums might leave 32 bits, keep it.

    Scales do not change. Of each layer about `positions` windows or rows are taken; positions that
    attention masks as padding do not count. `samples=0` turns the pass off. Left alone, and
    counted: weights that several ops use, that were quantized in the model, of other than two
    dimensions in a matrix product, or with more than 4608 inputs per output channel.

    It stands after `unify-scales`, when the types of activations are final. `correct-bias` may
    follow: on other samples, or for the layers left alone. Where it ran before, its biases are
    fitted anew.
    """

    name = "round-adaptively"
    NUMERICS: ClassVar = Numerics.QUANTIZES
    READS_DATA: ClassVar = True
    REQUIRES: ClassVar = frozenset({ON_TENSORS, QDQ_INSERTED})

    samples: int = 64
    positions: int = 65536
    damping: int | float = 0.01
    refit: bool = True

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self._check_options()
        if not self.samples:
            return
        ops: list[Linear] = []
        for op in list(body_of(main_function(module)).ops):
            if not isinstance(op, Linear) or not op.is_int8 or ROUNDED in op.attributes:
                continue
            reason = why_not(op)
            if reason is None:
                ops.append(op)
            else:
                self.count(ctx, f"left alone: {reason}")
        if not ops:
            return
        batches = first_batches(ctx, self.samples, self.name)
        chosen = {with_bias(op, ctx) for op in ops}
        both = SideBySide(ctx, module, batches)

        def visit(op: Linear) -> None:
            self._round(op, both)
            both.step_with_fitted_bias(op)
            op.attributes[ROUNDED] = UnitAttr()

        with one_blas_thread():
            both.run(chosen, visit)
        self.count(ctx, "weights", len(chosen))

    def _check_options(self) -> None:
        if self.samples < 0:
            raise OctetError(f"{self.name}: samples is at least 0, got {self.samples}")
        if self.positions < 1:
            raise OctetError(f"{self.name}: positions is at least 1, got {self.positions}")
        if not 0.0 < self.damping <= 1e3:
            raise OctetError(
                f"{self.name}: damping is above 0 and at most 1000, got {self.damping}"
            )

    def _round(self, op: Linear, both: SideBySide) -> None:
        """Exchanges the integers of the weight of `op`."""
        pair, constant = op.operands[1].owner, _weight(op)
        assert isinstance(pair, DequantizeCastOp)
        inputs = both.samples(op, both.quantized[op.operands[0]])
        folds = moments_of(op, inputs, both.samples(op, wanted(op, both)), self.positions)
        stored = self._rounded(op, constant, both.ctx, centred(folds))
        element = element_of_quantized(constant.result)
        changed = ConstantOp.of(stored, both.ctx.weights, element)
        changed.layer, changed.origin = constant.layer, constant.origin
        Rewriter.insert_op(changed, InsertPoint.before(pair))
        pair.operands[0] = changed.result
        Rewriter.erase_op(constant)
        both.step(changed)
        both.step(pair)

    def _rounded(
        self, op: Linear, constant: ConstantOp, ctx: OctetContext, folds: Folds
    ) -> np.ndarray:
        """The integers that serve the data best, shaped and stored as the weight is."""
        params = params_of(element_of_quantized(constant.result))
        before = constant.array(ctx.weights)
        assert constant.origin is not None
        scale, zero_point = (
            by_input(op, np.broadcast_to(part, before.shape))
            for part in params.broadcast(before.ndim)
        )
        weight = by_input(op, ctx.weights[constant.origin.digest.data])
        nearest = by_input(op, before)
        moments = folds[0] + folds[1]
        target = refitted(weight, folds) if self.refit else weight
        together = nearest_plane(
            target / scale + zero_point, damped(moments.xx, self.damping), params.qmin, params.qmax
        )
        lacking = missing(weight, moments)
        errors = [
            excess((integers - zero_point) * scale - weight, lacking, moments.xx)
            for integers in (nearest, together)
        ]
        magnitudes = [np.abs(q - zero_point).sum(axis=1) for q in (nearest, together)]
        safe = magnitudes[1] <= np.maximum(magnitudes[0], MOST_MAGNITUDE)
        taken = (errors[1] < errors[0]) & safe
        rows = np.where(taken[:, None], together, nearest).swapaxes(1, 2).astype(before.dtype)
        if isinstance(op, ConvOp):
            return rows.reshape(before.shape)
        return np.ascontiguousarray(rows[0].T)


def wanted(op: Linear, both: SideBySide) -> Arrays:
    """What the products and the bias of `op` should come to: the float program's result before
    the activation, less the residual that the quantized program will add."""
    sums = both.before_activation(op, both.real)
    if op.residual is None:
        return sums
    return [a - b for a, b in zip(sums, both.quantized[op.residual], strict=True)]


def by_input(op: Linear, weight: np.ndarray) -> np.ndarray:
    """A weight as [G, K, O], float64: groups, inputs, output channels."""
    groups, inputs, outputs = dimensions(op)
    if isinstance(op, ConvOp):
        weight = weight.reshape(groups, outputs, inputs).swapaxes(1, 2)
    return weight.reshape(groups, inputs, outputs).astype(np.float64)


def why_not(op: Linear) -> str | None:
    """Why the weights of an int8 op are not rounded anew, or None."""
    pair = op.operands[1].owner
    if not isinstance(pair, DequantizeCastOp) or not isinstance(pair.input.owner, ConstantOp):
        return "the weight is not a constant"
    constant = pair.input.owner
    if constant.origin is None:
        return "the weight was quantized in the model"
    if not pair.result.has_one_use() or not constant.result.has_one_use():
        return "the weight has several uses"
    if op.bias is not None and not isinstance(op.bias.owner, ConstantOp):
        return "the bias is not a constant"
    ranks = [len(shape_of(operand)) for operand in op.operands[:2]]
    if not isinstance(op, ConvOp) and (ranks[0] < 2 or ranks[1] != 2):
        return "the product is not of rows with a matrix"
    if dimensions(op)[1] > MOST_INPUTS:
        return f"the weight has more than {MOST_INPUTS} inputs"
    return None


def _weight(op: Linear) -> ConstantOp:
    pair = op.operands[1].owner
    assert isinstance(pair, DequantizeCastOp)
    constant = pair.input.owner
    assert isinstance(constant, ConstantOp)
    return constant

"""Pass `round-adaptively`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.ir import Operation
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
from passes.integer.proofs import channel_magnitudes
from passes.quantize.moments import moments_of
from passes.quantize.second_order import damped, excess, missing, nearest_plane, refitted
from passes.quantize.side_by_side import Linear, SideBySide, first_batches, with_bias
from runtime.reference.evaluate import one_blas_thread, params_of
from runtime.reference.quantization import QuantParams

ROUNDED = "rounded_adaptively"
"""Attribute of an op whose weights were rounded anew: they are not again."""


@dataclass(frozen=True)
class RoundAdaptivelyPass(OctetPass):
    """Choose the integers of weights that keep the layer's results, not the ones nearest to them.
    """

    name = "round-adaptively"
    NUMERICS: ClassVar = Numerics.QUANTIZES

    samples: int = 64
    positions: int = 65536
    damping: int | float = 0.01
    refit: bool = True
    bias: bool = True

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        if self.samples < 0:
            raise OctetError(f"{self.name}: samples is at least 0, got {self.samples}")
        if not self.samples:
            return
        ops = [op for op in body_of(main_function(module)).ops if _can_round(op)]
        if not ops:
            return
        batches = first_batches(ctx, self.samples, self.name)
        if self.bias:
            ops = [with_bias(op, ctx) for op in ops]
        both = SideBySide(ctx, module, batches)

        def visit(op: Linear) -> None:
            self._round(op, both)
            op.attributes[ROUNDED] = UnitAttr()
            if self.bias:
                both.step_with_fitted_bias(op)
            else:
                both.step(op)

        with one_blas_thread():
            both.run(set(ops), visit)
        self.count(ctx, "weights", len(ops))

    def _round(self, op: Linear, both: SideBySide) -> None:
        pair = op.operands[1].owner
        assert isinstance(pair, DequantizeCastOp)
        constant = pair.input.owner
        assert isinstance(constant, ConstantOp)
        element = element_of_quantized(constant.result)
        params = params_of(element)
        stored = constant.array(both.ctx.weights)
        real = both.ctx.weights[constant.origin.digest.data]
        wanted = self._wanted(op, both)
        folds = moments_of(op, both.quantized[op.operands[0]], wanted, self.positions)
        if self.bias:
            folds = folds[0].centred(), folds[1].centred()
        moments = folds[0] + folds[1]
        groups, depth = moments.x.shape
        conv = isinstance(op, ConvOp)

        def rows(array: np.ndarray) -> np.ndarray:
            rows = (array if conv else array.T).reshape(groups, -1, depth)
            return rows.swapaxes(1, 2).astype(np.float64)

        scale, zero_point = (np.broadcast_to(v, stored.shape) for v in params.broadcast(stored.ndim))
        scale, zero_point = rows(scale), rows(zero_point)
        weight, nearest = rows(real), rows(stored)
        target = refitted(weight, folds) if self.refit else weight
        hessian = damped(moments.xx, self.damping)
        rounded = nearest_plane(target / scale + zero_point, hessian, params.qmin, params.qmax)
        lacks = missing(weight, moments)
        before, after = (excess((q - zero_point) * scale - weight, lacks, moments.xx) for q in (nearest, rounded))
        rounded = np.where((after < before)[:, None], rounded, nearest)
        import os
        if os.environ.get("DBG"): print(op.source_name[-30:], groups, depth, moments.count, (after<before).mean(), before.sum()/np.einsum("goi->",0*moments.tx+1), after.sum()/before.sum())
        new = rounded.swapaxes(1, 2).reshape(stored.shape if conv else stored.T.shape)
        new = np.ascontiguousarray(new if conv else new.T).astype(stored.dtype)
        changed = ConstantOp.of(new, both.ctx.weights, element)
        changed.layer, changed.origin = constant.layer, constant.origin
        Rewriter.insert_op(changed, InsertPoint.after(constant))
        pair.operands[0] = changed.result
        Rewriter.erase_op(constant)
        both.step(changed)
        both.step(pair)

    def _wanted(self, op: Linear, both: SideBySide):
        wanted = both.before_activation(op, both.real)
        if op.residual is not None:
            wanted = [a - b for a, b in zip(wanted, both.quantized[op.residual])]
        if op.bias is not None and not self.bias:
            wanted = [a - b.reshape(-1, *[1] * (a.ndim - 2)) if isinstance(op, ConvOp) else a - b for a, b in zip(wanted, both.quantized[op.bias])]
        return wanted


def _can_round(op: Operation) -> bool:
    if not isinstance(op, Linear) or not op.is_int8 or ROUNDED in op.attributes:
        return False
    pair = op.operands[1].owner
    if not isinstance(pair, DequantizeCastOp) or not isinstance(pair.input.owner, ConstantOp):
        return False
    constant = pair.input.owner
    return (
        constant.origin is not None
        and constant.result.has_one_use()
        and pair.result.has_one_use()
        and (isinstance(op, ConvOp) or len(shape_of(op.b)) == 2)
        and (op.bias is None or isinstance(op.bias.owner, ConstantOp))
    )

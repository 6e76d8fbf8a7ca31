"""Pass `fold-batch-norm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.nn.base import shape_of
from dialects.nn.normalization import BatchNormOp
from dialects.weights import WeightStore
from passes.base import Numerics, OctetPass
from passes.simplify.constants import float_array
from passes.simplify.linear import bare_linear, channel_axis, fold_into


def batch_norm_affine(
    op: BatchNormOp, weights: WeightStore
) -> tuple[np.ndarray, np.ndarray] | None:
    """Factor and shift per channel (float64) of a batch norm with constant parameters."""
    parameters = [
        float_array(value, weights) for value in (op.scale, op.bias, op.mean, op.variance)
    ]
    if any(array is None for array in parameters):
        return None
    scale, bias, mean, variance = (array for array in parameters if array is not None)
    with np.errstate(all="ignore"):
        factor = scale / np.sqrt(variance + op.epsilon.value.data)
        return factor, bias - mean * factor


@dataclass
class FoldBatchNorm(RewritePattern):
    weights: WeightStore

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: BatchNormOp, rewriter: PatternRewriter, /) -> None:
        linear = bare_linear(op.x, op)
        if linear is None:
            return
        rank = len(shape_of(op.x))
        if channel_axis(linear) % rank != 1:
            return
        affine = batch_norm_affine(op, self.weights)
        if affine is not None:
            fold_into(linear, op, *affine, self.weights, rewriter)


@dataclass(frozen=True)
class FoldBatchNormPass(OctetPass):
    """Folds batch norm into the weights and bias of the linear op before it.

    Before:

        %1 = nn.conv %0, %w <..> : (..) -> tensor<1x8x4x4xf32>
        %2 = nn.batch_norm %1, %scale, %bias, %mean, %variance <epsilon = 1.0e-05> : (..) -> ..

    After, with `f = scale / sqrt(variance + epsilon)`:

        %2 = nn.conv %0, %w_times_f, bias = %bias_minus_mean_times_f <..> : (..) -> ..

    Works on `conv`, `conv_transpose` and a `matmul` whose last dimension is dimension 1. The new
    constants are computed in float64 and rounded once. It does not fire when the linear op's
    result has other uses or is an output, when it already has a residual or an activation, when
    any parameter, weight or bias is not constant, or when a folded value is not finite. A batch
    norm *before* a convolution stays: the convolution pads with zeros after it.
    """

    name = "fold-batch-norm"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [FoldBatchNorm(ctx.weights)])

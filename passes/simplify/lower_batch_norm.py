"""Pass `lower-batch-norm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.elements import is_float
from dialects.nn.base import element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import AddOp, MulOp
from dialects.nn.normalization import BatchNormOp
from dialects.weights import WeightStore
from passes.base import Numerics, OctetPass
from passes.facts import BATCH_NORM_FOLDED, OPS_NUMBERED, PRECISION_PLACED, RANGES_KNOWN
from passes.simplify.constants import rounded
from passes.simplify.fold_batch_norm import batch_norm_affine


@dataclass
class LowerBatchNorm(RewritePattern):
    weights: WeightStore

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: BatchNormOp, rewriter: PatternRewriter, /) -> None:
        element = element_of_value(op.x)
        if not is_float(element):
            return
        affine = batch_norm_affine(op, self.weights)
        if affine is None:
            return
        constants: list[ConstantOp] = []
        for vector in affine:
            array = rounded(_along_channels(vector, len(shape_of(op.x))), element)
            if array is None:
                return
            constants.append(ConstantOp.of(array, self.weights))
        factor, shift = constants
        mul = MulOp.make(op.x, factor.result)
        add = AddOp.make(mul.result, shift.result)
        add.attributes.update(op.attributes)
        if op.layer is not None:
            mul.layer = op.layer
        if op.precision is not None:
            mul.precision, mul.placed_by = op.precision, op.placed_by
        rewriter.replace(op, [factor, shift, mul, add])


def _along_channels(vector: np.ndarray, rank: int) -> np.ndarray:
    """[C] as [C, 1, ..], which broadcasts along dimension 1 of a tensor of `rank`."""
    return vector.reshape(-1, *(1,) * (rank - 2))


@dataclass(frozen=True)
class LowerBatchNormPass(OctetPass):
    """Turns batch norm with constant parameters into one multiplication and one addition.

    Before:

        %1 = nn.batch_norm %0, %scale, %bias, %mean, %variance <epsilon = 1.0e-05> : (..) -> ..

    After, with `f = scale / sqrt(variance + epsilon)` and constants of shape [C, 1, 1]:

        %1 = nn.mul %0, %f : (..) -> ..
        %2 = nn.add %1, %bias_minus_mean_times_f : (..) -> ..

    For batch norms that `fold-batch-norm` left: those not behind a linear op. It does not fire
    when a parameter is not constant or a resulting constant is not finite.
    """

    name = "lower-batch-norm"
    NUMERICS: ClassVar = Numerics.ROUNDING
    ESTABLISHES: ClassVar = frozenset({BATCH_NORM_FOLDED})
    INVALIDATES: ClassVar = frozenset({OPS_NUMBERED, PRECISION_PLACED, RANGES_KNOWN})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [LowerBatchNorm(ctx.weights)])

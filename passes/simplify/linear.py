"""Scaling and shifting the output channels of a convolution or matrix product by its constants.

    y[c] = (sum_k x[k] * w[k, c] + b[c]) * factor[c] + shift[c]
         =  sum_k x[k] * (w[k, c] * factor[c]) + (b[c] * factor[c] + shift[c])

Computed in float64 and rounded once to the constants' element type.
"""

from __future__ import annotations

import numpy as np
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from dialects.elements import is_float
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.linear import ConvOp, ConvTransposeOp, MatmulOp
from dialects.program import sole_user
from dialects.weights import WeightStore
from passes.naming import absorb, same_placement, take_range
from passes.simplify.constants import float_array, is_constant, rounded
from passes.simplify.rebuild import rebuild

LinearOp = ConvOp | ConvTransposeOp | MatmulOp


def channel_axis(op: LinearOp) -> int:
    """The result's channel dimension."""
    return -1 if isinstance(op, MatmulOp) else 1


def weight_of(op: LinearOp) -> SSAValue:
    return op.b if isinstance(op, MatmulOp) else op.weight


def bare_linear(value: SSAValue, user: NnOp) -> LinearOp | None:
    """The float linear op that computes `value` for `user` alone, with nothing after its bias.

    Its bias, if any, is a constant. None if `value` comes from anything else.
    """
    op = value.owner
    if not isinstance(op, ConvOp | ConvTransposeOp | MatmulOp) or sole_user(value) is not user:
        return None
    if not isinstance(op, ConvTransposeOp) and (op.residual is not None or op.activation):
        return None
    if isinstance(op, MatmulOp) and len(shape_of(op.b)) < 2:
        return None
    if op.bias is not None and not is_constant(op.bias):
        return None
    floats = all(is_float(element_of_value(v)) for v in (*op.operands, *op.results))
    return op if floats and same_placement(op, user) else None


def fold_into(
    op: LinearOp,
    last: NnOp,
    factor: np.ndarray | None,
    shift: np.ndarray | None,
    weights: WeightStore,
    rewriter: PatternRewriter,
) -> bool:
    """Replaces `last` by `op` with its output channels scaled, then shifted.

    `factor` and `shift` are float64 vectors, one entry per output channel. Nothing happens, and
    the result is False, if the weight is not constant (when there is a factor) or a folded
    constant would not be finite in its element type.
    """
    operands: dict[str, SSAValue] = {}
    constants: list[Operation] = []

    def add_constant(name: str, array: np.ndarray, element_source: SSAValue) -> bool:
        result = rounded(array, element_of_value(element_source))
        if result is None:
            return False
        constant = ConstantOp.of(result, weights)
        constants.append(constant)
        operands[name] = constant.result
        return True

    if factor is not None:
        weight = weight_of(op)
        array = float_array(weight, weights)
        name = "b" if isinstance(op, MatmulOp) else "weight"
        if array is None or not add_constant(name, array * _over_weight(op, factor), weight):
            return False
    bias = None if op.bias is None else float_array(op.bias, weights)
    if bias is not None and factor is not None:
        bias = bias * factor
    if shift is not None:
        bias = shift if bias is None else bias + shift
    if bias is not None and not add_constant("bias", bias, op.bias or op.result):
        return False
    folded = rebuild(op, operands=operands)
    absorb(folded, last)
    take_range(folded, last)
    rewriter.replace(last, [*constants, folded])
    return True


def _over_weight(op: LinearOp, factor: np.ndarray) -> np.ndarray:
    """One factor per output channel, shaped to multiply the weight."""
    if isinstance(op, MatmulOp):
        return factor
    rank = len(shape_of(op.weight))
    if isinstance(op, ConvOp):
        return factor.reshape(-1, *(1,) * (rank - 1))
    # Weight [C, O / groups, ..]: input channel c belongs to group c // (C / groups), and output
    # channel j of that group is number group * (O / groups) + j.
    channels, per_group = shape_of(op.weight)[:2]
    groups = op.groups.value.data
    rows = np.repeat(factor.reshape(groups, per_group), channels // groups, axis=0)
    return rows.reshape(channels, per_group, *(1,) * (rank - 2))

"""Weights with channels rescaled, and programs whose channels are.

Factors are float64 vectors, one entry for each channel of a value; constants are multiplied in
float64 and rounded once to float32.
"""

from __future__ import annotations

import numpy as np
from xdsl.rewriter import InsertPoint, Rewriter

from dialects.nn.base import NnOp
from dialects.nn.constant import ConstantOp
from dialects.nn.linear import MatmulOp
from dialects.nn.normalization import LayerNormOp
from dialects.weights import WeightStore
from passes.calibrate.rescaling.channels import Linear, Site, weight_index

MOST = 2.0**16
"""Greatest factor, and the inverse of the least: 8 bits gain nothing beyond."""


def usable(ranges: np.ndarray) -> np.ndarray:
    """Which magnitudes factors may be taken from: not 0, not NaN, and far enough from the ends of
    float32 that no rescaled constant meets them."""
    return (ranges > 2.0**-80) & (ranges < 2.0**80)


def inputs_scaled(op: Linear, weight: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """`weight` with its input channels times `factors` [channels], float64."""
    if isinstance(op, MatmulOp):
        return weight * factors[:, None]
    groups = op.groups.value.data
    split = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    spatial = (1,) * (weight.ndim - 2)
    return (split * factors.reshape(groups, 1, weight.shape[1], *spatial)).reshape(weight.shape)


def input_magnitudes(op: Linear, weight: np.ndarray) -> np.ndarray:
    """The greatest magnitude among the weights of each input channel, [channels]."""
    if isinstance(op, MatmulOp):
        return np.abs(weight).max(axis=1)
    groups = op.groups.value.data
    split = np.abs(weight).reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    return split.max(axis=(1, *range(3, split.ndim))).reshape(-1)


def output_magnitudes(op: Linear, weight: np.ndarray) -> np.ndarray:
    """The greatest magnitude among the weights of each output channel, [channels]."""
    axis = 1 if isinstance(op, MatmulOp) else 0
    return np.abs(weight).max(axis=tuple(i for i in range(weight.ndim) if i != axis))


def outputs_scaled(op: Linear, weight: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """`weight` with its output channels times `factors` [channels], float64."""
    if isinstance(op, MatmulOp):
        return weight * factors
    return weight * factors.reshape(-1, *(1,) * (weight.ndim - 1))


def weight_array(op: Linear, weights: WeightStore) -> np.ndarray:
    """The float weight of a rescalable op, float64."""
    constant = op.operands[weight_index(op)].owner
    assert isinstance(constant, ConstantOp)
    return constant.array(weights).astype(np.float64)


def rescale_consumers(site: Site, factors: np.ndarray, weights: WeightStore) -> None:
    """Lets the consumers' weights take up `factors`."""
    for op in site.consumers:
        scaled = inputs_scaled(op, weight_array(op, weights), factors)
        replace_constant(op, weight_index(op), scaled, weights)


def rescale_producers(site: Site, factors: np.ndarray, weights: WeightStore) -> None:
    """Lets what makes the value take up 1 / `factors`."""
    for producer in site.producers:
        op, inverse = producer.op, 1.0 / factors[producer.channels]
        names = op.operand_names()
        for name in ("scale", "bias") if isinstance(op, LayerNormOp) else ("bias",):
            if name in names:
                index = names.index(name)
                constant = op.operands[index].owner
                assert isinstance(constant, ConstantOp)
                array = constant.array(weights).astype(np.float64)
                replace_constant(op, index, array * inverse, weights)
        if isinstance(op, Linear):
            scaled = outputs_scaled(op, weight_array(op, weights), inverse)
            replace_constant(op, weight_index(op), scaled, weights)


def replace_constant(op: NnOp, index: int, array: np.ndarray, weights: WeightStore) -> None:
    """Gives `op` a constant of its own in place of another, which goes if nothing uses it."""
    old = op.operands[index].owner
    assert isinstance(old, ConstantOp)
    new = ConstantOp.of(array.astype(np.float32), weights)
    new.layer = old.layer
    Rewriter.insert_op(new, InsertPoint.before(op))
    op.operands[index] = new.result
    if not old.result.uses:
        Rewriter.erase_op(old)

"""Normalizations and softmax."""

from __future__ import annotations

import numpy as np

from dialects.nn import normalization as nn
from dialects.nn.base import NnOp, shape_of

from ..node import OpContext
from ..registry import emitter

_SAME: dict[type[NnOp], str] = {
    nn.BatchNormOp: "BatchNormalization",
    nn.InstanceNormOp: "InstanceNormalization",
    nn.LogSoftmaxOp: "LogSoftmax",
    nn.LrnOp: "LRN",
    nn.SoftmaxOp: "Softmax",
}
"""Ops that have the same operands and attributes in ONNX."""


@emitter(*_SAME)
def emit_same(op: NnOp, node: OpContext) -> str:
    return node.emit(_SAME[type(op)], *map(node.operand, op.operands), **op.values())


@emitter(nn.LayerNormOp)
def emit_layer_norm(op: nn.LayerNormOp, node: OpContext) -> str:
    """ONNX wants a scale."""
    axis, shape = op.axis.value.data, shape_of(op.x)
    scale = node.operand(op.scale) or node.constant(np.ones(shape[axis:], node.dtype), "scale")
    return node.emit(
        "LayerNormalization",
        node.operand(op.x),
        scale,
        node.operand(op.bias),
        axis=axis,
        epsilon=op.epsilon.value.data,
    )

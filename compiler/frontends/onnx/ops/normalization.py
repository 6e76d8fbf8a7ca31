"""Normalizations and softmax."""

from __future__ import annotations

import math

from dialects.errors import OctetError
from dialects.nn import normalization as nn
from dialects.nn.base import NnOp
from dialects.nn.elementwise import AddOp, MulOp, ReciprocalOp, SqrtOp, SubOp
from dialects.nn.reduction import ReduceMeanOp
from dialects.shapes import normalize_axis

from ..node import NodeContext
from ..registry import importer
from ..values import Tensor


@importer("BatchNormalization")
def import_batch_norm(node: NodeContext) -> Tensor:
    node.only("spatial", 1)
    node.only("training_mode", 0)
    # The momentum only matters in training; `is_test` no longer exists in the opsets supported.
    node.ignore("momentum")
    x = node.operand(0)
    parameters = [node.weight(index) for index in range(1, 5)]
    for parameter in parameters:
        if x.rank < 2 or parameter.shape != (x.shape[1],):
            raise OctetError(
                f"'{parameter.source}' of shape {list(parameter.shape)} should have one entry per "
                f"channel of x {list(x.shape)}"
            )
    # A model in half precision may keep its statistics in float32; they are brought to x's type.
    parameters = [node.convert(parameter, x.element) for parameter in parameters]
    return node.emit(nn.BatchNormOp, x, *parameters, epsilon=node.number("epsilon", 1e-5))


@importer("LayerNormalization")
def import_layer_norm(node: NodeContext) -> tuple[Tensor, ...]:
    # `stash_type` is the precision of the intermediate results: here always float32.
    node.ignore("stash_type")
    x = node.operand(0)
    axis = normalize_axis(node.integer("axis", -1), x.rank)
    epsilon = node.number("epsilon", 1e-5)
    result = node.emit(
        nn.LayerNormOp, x, node.weight(1), node.optional_weight(2), axis=axis, epsilon=epsilon
    )
    if not node.wants(1) and not node.wants(2):
        return (result,)
    axes = list(range(axis, x.rank))
    mean = node.emit(ReduceMeanOp, x, axes=axes, keepdims=True)
    deviation = node.emit(SubOp, x, mean)
    square = node.emit(MulOp, deviation, deviation)
    variance = node.emit(ReduceMeanOp, square, axes=axes, keepdims=True)
    shifted = node.emit(AddOp, variance, node.literal(epsilon, x))
    return result, mean, node.emit(ReciprocalOp, node.emit(SqrtOp, shifted))


@importer("InstanceNormalization")
def import_instance_norm(node: NodeContext) -> Tensor:
    return node.emit(
        nn.InstanceNormOp,
        node.operand(0),
        node.weight(1),
        node.weight(2),
        epsilon=node.number("epsilon", 1e-5),
    )


@importer("LRN")
def import_lrn(node: NodeContext) -> Tensor:
    return node.emit(
        nn.LrnOp,
        node.operand(0),
        size=node.integer("size"),
        alpha=node.number("alpha", 1e-4),
        beta=node.number("beta", 0.75),
        bias=node.number("bias", 1.0),
    )


def _softmax_of_rows(node: NodeContext, kind: type[NnOp]) -> Tensor:
    """Before opset 13: over all dimensions from `axis` on, as one row."""
    x = node.operand(0)
    axis = normalize_axis(node.integer("axis", 1), x.rank)
    if axis == x.rank - 1:
        return node.emit(kind, x, axis=axis)
    shapes = node.shapes(x)
    rows = node.reshape(x, [(*shape[:axis], math.prod(shape[axis:])) for shape in shapes])
    return node.reshape(node.emit(kind, rows, axis=axis), shapes)


def _softmax(node: NodeContext, kind: type[NnOp]) -> Tensor:
    x = node.operand(0)
    return node.emit(kind, x, axis=normalize_axis(node.integer("axis", -1), x.rank))


@importer("Softmax")
def import_softmax_of_rows(node: NodeContext) -> Tensor:
    return _softmax_of_rows(node, nn.SoftmaxOp)


@importer("LogSoftmax")
def import_log_softmax_of_rows(node: NodeContext) -> Tensor:
    return _softmax_of_rows(node, nn.LogSoftmaxOp)


@importer("Softmax", since=13)
def import_softmax(node: NodeContext) -> Tensor:
    return _softmax(node, nn.SoftmaxOp)


@importer("LogSoftmax", since=13)
def import_log_softmax(node: NodeContext) -> Tensor:
    return _softmax(node, nn.LogSoftmaxOp)

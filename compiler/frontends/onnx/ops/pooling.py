"""Pools. The global ones are reductions over the spatial dimensions."""

from __future__ import annotations

from dialects.errors import OctetError
from dialects.nn.base import NnOp
from dialects.nn.pooling import AvgPoolOp, MaxPoolOp
from dialects.nn.reduction import ReduceMaxOp, ReduceMeanOp

from ..node import NodeContext
from ..registry import importer
from ..values import Tensor
from .windows import Window, window_of


def _pool_window(node: NodeContext, x: Tensor) -> Window:
    kernel = node.integers("kernel_shape")
    if kernel is None:
        raise OctetError("attribute 'kernel_shape' is missing")
    return window_of(node, x, kernel)


@importer("MaxPool")
def import_max_pool(node: NodeContext) -> Tensor:
    x = node.movable(0)
    # The storage order only matters for the indices, a result that is not supported.
    node.ignore("storage_order")
    window = _pool_window(node, x)
    return node.emit(
        MaxPoolOp,
        x,
        kernel=window.kernel,
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
        ceil_mode=bool(node.integer("ceil_mode", 0)),
    )


def average_pool(node: NodeContext, x: Tensor) -> Tensor:
    """The average pool a node describes, on an operand that may come from elsewhere."""
    window = _pool_window(node, x)
    return node.emit(
        AvgPoolOp,
        x,
        kernel=window.kernel,
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
        ceil_mode=bool(node.integer("ceil_mode", 0)),
        count_include_pad=bool(node.integer("count_include_pad", 0)),
    )


@importer("AveragePool")
def import_average_pool(node: NodeContext) -> Tensor:
    return average_pool(node, node.operand(0))


def global_pool(node: NodeContext, kind: type[NnOp], x: Tensor) -> Tensor:
    """A reduction over all spatial dimensions, which stay with size 1."""
    if x.rank < 3:
        raise OctetError(f"a global pool needs spatial dimensions, x is {list(x.shape)}")
    return node.emit(kind, x, axes=list(range(2, x.rank)), keepdims=True)


@importer("GlobalAveragePool")
def import_global_average_pool(node: NodeContext) -> Tensor:
    return global_pool(node, ReduceMeanOp, node.operand(0))


@importer("GlobalMaxPool")
def import_global_max_pool(node: NodeContext) -> Tensor:
    return global_pool(node, ReduceMaxOp, node.movable(0))

"""Pools. The global ones are reductions over the spatial dimensions."""

from __future__ import annotations

from typing import Any

from dialects.errors import OctetError
from dialects.nn.base import NnOp
from dialects.nn.pooling import AvgPoolOp, MaxPoolOp
from dialects.nn.reduction import ReduceMaxOp, ReduceMeanOp

from ..node import NodeContext
from ..registry import importer
from ..values import Tensor
from .windows import Window, window_of


def _pool(node: NodeContext, kind: type[NnOp], x: Tensor, **options: Any) -> Tensor:
    """The pool a node describes."""
    kernel = node.integers("kernel_shape")
    if kernel is None:
        raise OctetError("attribute 'kernel_shape' is missing")
    window = window_of(node, x, kernel, most_dimensions=3)
    options["ceil_mode"] = bool(node.integer("ceil_mode", 0))
    if x.rank == 5:
        return _pool_volume(node, kind, x, window, **options)
    return _emit(node, kind, x, window, **options)


def _emit(node: NodeContext, kind: type[NnOp], x: Tensor, window: Window, **options: Any) -> Tensor:
    return node.emit(
        kind,
        x,
        kernel=window.kernel,
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
        **options,
    )


def _pool_volume(
    node: NodeContext, kind: type[NnOp], x: Tensor, window: Window, **options: Any
) -> Tensor:
    """Pools [N, C, D, H, W] as two pools: over H and W of every plane, then over D.

    Maxima and sums separate, and the number of elements averaged is a product over dimensions.
    """
    k, s, d, p = window.kernel, window.strides, window.dilations, window.pads
    sizes = node.shapes(x)
    planes = node.reshape(x, [(n, c * depth, h, w) for n, c, depth, h, w in sizes])
    plane_window = Window(k[1:], s[1:], d[1:], [*p[1:3], *p[4:6]])
    planes = _emit(node, kind, planes, plane_window, **options)
    pooled = [shape[2:] for shape in node.shapes(planes)]
    columns = node.reshape(
        planes, [(*size[:3], h * w) for size, (h, w) in zip(sizes, pooled, strict=True)]
    )
    column_window = Window([k[0], 1], [s[0], 1], [d[0], 1], [p[0], 0, p[3], 0])
    columns = _emit(node, kind, columns, column_window, **options)
    return node.reshape(
        columns,
        [(*shape[:3], *hw) for shape, hw in zip(node.shapes(columns), pooled, strict=True)],
    )


@importer("MaxPool")
def import_max_pool(node: NodeContext) -> Tensor:
    # The storage order only matters for the indices, a result that is not supported.
    node.ignore("storage_order")
    return _pool(node, MaxPoolOp, node.movable(0))


def average_pool(node: NodeContext, x: Tensor) -> Tensor:
    """The average pool a node describes, on an operand that may come from elsewhere."""
    include = bool(node.integer("count_include_pad", 0))
    return _pool(node, AvgPoolOp, x, count_include_pad=include)


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

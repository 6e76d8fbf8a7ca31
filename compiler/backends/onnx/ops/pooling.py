"""Pools."""

from __future__ import annotations

from typing import Any

from dialects.errors import OctetError
from dialects.nn.base import shape_of
from dialects.nn.pooling import AvgPoolOp, MaxPoolOp, PoolOp
from dialects.shapes import pool

from ..node import OpContext
from ..registry import emitter


@emitter(MaxPoolOp)
def emit_max_pool(op: MaxPoolOp, node: OpContext) -> str:
    return _pool("MaxPool", op, node)


@emitter(AvgPoolOp)
def emit_average_pool(op: AvgPoolOp, node: OpContext) -> str:
    return _pool("AveragePool", op, node, count_include_pad=int(op.values()["count_include_pad"]))


def _pool(op_type: str, op: PoolOp, node: OpContext, **options: Any) -> str:
    """Dilations only where they are not 1: onnxruntime's int8 average pool refuses them."""
    values = op.values()
    return node.emit(
        op_type,
        node.operand(op.x),
        kernel_shape=values["kernel"],
        strides=values["strides"],
        pads=values["pads"],
        dilations=values["dilations"] if set(values["dilations"]) != {1} else None,
        ceil_mode=_ceil_mode(op),
        **options,
    )


def _ceil_mode(op: PoolOp) -> int:
    """Octet drops a last window that would start in the end padding, as ONNX does from opset 22 on;
    this opset keeps it. Where only such windows are at stake, rounding down does the same."""
    values, result = op.values(), shape_of(op.result)[2:]
    if not values["ceil_mode"]:
        return 0
    values["ceil_mode"] = False
    fewest = pool(shape_of(op.x), **values)[0][2:]
    rank = len(result)
    most = tuple(
        low + bool((size + before + after - dilation * (kernel - 1) - 1) % stride)
        for low, size, before, after, dilation, kernel, stride in zip(
            fewest,
            shape_of(op.x)[2:],
            values["pads"][:rank],
            values["pads"][rank:],
            values["dilations"],
            values["kernel"],
            values["strides"],
            strict=True,
        )
    )
    if result == most:
        return 1
    if result == fewest:
        return 0
    raise OctetError("ceil_mode drops a window in one dimension and keeps one in another")

"""Pools."""

from __future__ import annotations

from typing import Any

from dialects.nn.pooling import AvgPoolOp, MaxPoolOp, PoolOp

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
        ceil_mode=int(values["ceil_mode"]),
        **options,
    )

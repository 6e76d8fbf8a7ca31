"""Reductions, argmax and top-k."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto

from dialects.nn import reduction as nn
from dialects.nn.base import NnOp, shape_of

from ..node import OpContext
from ..registry import emitter

_REDUCTIONS: dict[type[NnOp], str] = {
    nn.ReduceMaxOp: "ReduceMax",
    nn.ReduceMeanOp: "ReduceMean",
    nn.ReduceMinOp: "ReduceMin",
    nn.ReduceProdOp: "ReduceProd",
    nn.ReduceSumOp: "ReduceSum",
}
_GLOBAL_POOLS: dict[type[NnOp], str] = {
    nn.ReduceMaxOp: "GlobalMaxPool",
    nn.ReduceMeanOp: "GlobalAveragePool",
}
_ARGUMENTS: dict[type[NnOp], str] = {nn.ArgMaxOp: "ArgMax", nn.ArgMinOp: "ArgMin"}


@emitter(*_REDUCTIONS)
def emit_reduction(op: nn.ReduceOp, node: OpContext) -> str:
    """Over all spatial dimensions it is a global pool, which has int8 kernels elsewhere. Truth
    values are reduced as bytes, since this opset does not reduce them."""
    options, rank = op.values(), len(shape_of(op.x))
    axes, keepdims = list(options["axes"]), bool(options["keepdims"])
    pool = _GLOBAL_POOLS.get(type(op))
    if pool is not None and keepdims and rank >= 3 and axes == list(range(2, rank)):
        return node.emit(pool, node.operand(op.x))
    truth, x = node.dtype == np.bool_, node.operand(op.x)
    if truth:
        x = node.emit("Cast", x, part="Cast", to=TensorProto.UINT8)
    result = node.emit(
        _REDUCTIONS[type(op)],
        x,
        node.integers(axes, "axes"),
        keepdims=int(keepdims),
        noop_with_empty_axes=None if axes else 1,
    )
    return node.emit("Cast", result, part="bool/Cast", to=TensorProto.BOOL) if truth else result


@emitter(*_ARGUMENTS)
def emit_argument(op: nn.ArgReduceOp, node: OpContext) -> str:
    options = op.values()
    return node.emit(
        _ARGUMENTS[type(op)],
        node.operand(op.x),
        axis=options["axis"],
        keepdims=int(options["keepdims"]),
        select_last_index=int(options["select_last_index"]),
    )


@emitter(nn.TopKOp)
def emit_top_k(op: nn.TopKOp, node: OpContext) -> tuple[str, ...]:
    options = op.values()
    return node.emit_all(
        "TopK",
        node.operand(op.x),
        node.integers([options["k"]], "k"),
        count=2,
        axis=options["axis"],
        largest=int(options["largest"]),
        sorted=int(options["sorted"]),
    )

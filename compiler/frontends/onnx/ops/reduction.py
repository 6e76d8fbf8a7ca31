"""Reductions, argmax and top-k."""

from __future__ import annotations

from dialects.errors import OctetError
from dialects.nn.base import NnOp
from dialects.nn.elementwise import AbsOp, LogOp, MulOp, SqrtOp
from dialects.nn.reduction import (
    ArgMaxOp,
    ArgMinOp,
    ReduceMaxOp,
    ReduceMeanOp,
    ReduceMinOp,
    ReduceProdOp,
    ReduceSumOp,
    TopKOp,
)
from dialects.shapes import normalize_axis

from ..node import NodeContext
from ..registry import importer
from ..values import Tensor


def _axes(node: NodeContext, x: Tensor) -> list[int] | None:
    """The axes to reduce, counted from the front; None if nothing is to be done."""
    axes = node.integers("axes")
    if node.has(1):
        axes = node.constant_integers(1, "axes")
    nothing = bool(node.integer("noop_with_empty_axes", 0))
    if not axes:
        return None if nothing else list(range(x.rank))
    return sorted({normalize_axis(axis, x.rank) for axis in axes})


def _reduce(node: NodeContext, kind: type[NnOp], x: Tensor) -> Tensor:
    axes = _axes(node, x)
    keepdims = bool(node.integer("keepdims", 1))
    if axes is None:
        return x
    return node.emit(kind, x, axes=axes, keepdims=keepdims)


def _register(op_type: str, kind: type[NnOp], moves: bool = False) -> None:
    @importer(op_type)
    def import_reduction(node: NodeContext) -> Tensor:
        return _reduce(node, kind, node.movable(0) if moves else node.operand(0))


_register("ReduceMean", ReduceMeanOp)
_register("ReduceSum", ReduceSumOp)
_register("ReduceProd", ReduceProdOp)
_register("ReduceMax", ReduceMaxOp, moves=True)
_register("ReduceMin", ReduceMinOp, moves=True)


@importer("ReduceL1")
def import_reduce_l1(node: NodeContext) -> Tensor:
    return _reduce(node, ReduceSumOp, node.emit(AbsOp, node.operand(0)))


def _sum_of_squares(node: NodeContext) -> Tensor:
    x = node.operand(0)
    return _reduce(node, ReduceSumOp, node.emit(MulOp, x, x))


@importer("ReduceSumSquare")
def import_reduce_sum_square(node: NodeContext) -> Tensor:
    return _sum_of_squares(node)


@importer("ReduceL2")
def import_reduce_l2(node: NodeContext) -> Tensor:
    return node.emit(SqrtOp, _sum_of_squares(node))


@importer("ReduceLogSum")
def import_reduce_log_sum(node: NodeContext) -> Tensor:
    return node.emit(LogOp, _reduce(node, ReduceSumOp, node.operand(0)))


def _register_arg(op_type: str, kind: type[NnOp]) -> None:
    @importer(op_type)
    def import_arg_reduction(node: NodeContext) -> Tensor:
        x = node.operand(0)
        return node.emit(
            kind,
            x,
            axis=normalize_axis(node.integer("axis", 0), x.rank),
            keepdims=bool(node.integer("keepdims", 1)),
            select_last_index=bool(node.integer("select_last_index", 0)),
        )


_register_arg("ArgMax", ArgMaxOp)
_register_arg("ArgMin", ArgMinOp)


@importer("TopK")
def import_top_k(node: NodeContext) -> tuple[Tensor, ...]:
    x = node.operand(0)
    counts = node.constant_integers(1, "k") if node.has(1) else [node.integer("k")]
    if len(counts) != 1:
        raise OctetError(f"k should be one number, got {counts}")
    return node.emit_all(
        TopKOp,
        x,
        k=counts[0],
        axis=normalize_axis(node.integer("axis", -1), x.rank),
        largest=bool(node.integer("largest", 1)),
        sorted=bool(node.integer("sorted", 1)),
    )

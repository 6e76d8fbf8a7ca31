"""Attention, written out as the matrix products, mask and softmax that runtimes fuse again."""

from __future__ import annotations

from dialects.nn.attention import AttentionOp
from dialects.nn.base import shape_of

from ..node import OpContext
from ..registry import emitter


@emitter(AttentionOp)
def emit_attention(op: AttentionOp, node: OpContext) -> str:
    heads = op.heads.value.data

    def split(name: str, x: str, columns: int, order: list[int]) -> str:
        """[B, S, heads * D] as one matrix per head."""
        shape = node.integers([0, 0, heads, columns // heads], f"{name}.heads")
        parted = node.emit("Reshape", x, shape, part=f"{name}/Reshape")
        return node.emit("Transpose", parted, part=f"{name}/Transpose", perm=order)

    q = split("q", node.operand(op.q), shape_of(op.q)[2], [0, 2, 1, 3])
    k = split("k", node.operand(op.k), shape_of(op.k)[2], [0, 2, 3, 1])
    v = split("v", node.operand(op.v), shape_of(op.v)[2], [0, 2, 1, 3])
    scores = node.emit("MatMul", q, k, part="scores/MatMul")
    if op.scale.value.data != 1.0:
        scale = node.number(op.scale.value.data, "scale")
        scores = node.emit("Mul", scores, scale, part="scores/Mul")
    if op.mask is not None:
        scores = node.emit("Add", scores, node.operand(op.mask), part="scores/Add")
    weights = node.emit("Softmax", scores, part="Softmax", axis=-1)
    values = node.emit("MatMul", weights, v, part="MatMul")
    merged = node.emit("Transpose", values, part="merge/Transpose", perm=[0, 2, 1, 3])
    return node.emit("Reshape", merged, node.integers([0, 0, shape_of(op.v)[2]], "columns"))

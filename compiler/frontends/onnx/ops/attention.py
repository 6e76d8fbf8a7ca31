"""Fused attention: ai.onnx Attention, and ONNX Runtime's Attention and MultiHeadAttention."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import f32

from dialects.assembly import INT64_MAX
from dialects.elements import boolean
from dialects.errors import OctetError
from dialects.nn.attention import AttentionOp
from dialects.nn.elementwise import (
    AddOp,
    AndOp,
    GreaterEqualOp,
    MulOp,
    SubOp,
    WhereOp,
)
from dialects.nn.linear import MatmulOp
from dialects.nn.movement import SliceOp, TransposeOp

from ..coding import column
from ..node import NodeContext
from ..registry import MICROSOFT, importer
from ..values import Tensor


@importer("Attention", since=23)
def import_attention(node: NodeContext) -> Tensor:
    """Operands [B, S, H * D], or [B, H, S, D], whose result has that form too."""
    _refuse(node, {4: "past_key", 5: "past_value", 6: "nonpad_kv_seqlen"})
    node.only("qk_matmul_output_mode", 0)
    node.ignore("qk_matmul_output_mode", "softmax_precision")
    if node.number("softcap", 0.0) != 0.0:
        raise OctetError("attribute softcap is not supported; expected 0")
    q, k, v = (node.operand(index) for index in range(3))
    by_heads = q.rank == 4
    count, kv_count = node.integer("q_num_heads", 0), node.integer("kv_num_heads", 0)
    if by_heads:
        count, kv_count = q.shape[1], k.shape[1]
        q, k, v = (_columns(node, x) for x in (q, k, v))
    if count != kv_count or count < 1:
        raise OctetError(f"{count} heads of queries and {kv_count} of keys; expected as many")
    mask = node.optional(3)
    if node.integer("is_causal", 0):
        mask = _causal(node, q, k, mask)
    y = _attention(node, q, k, v, mask, count, node.number("scale", 0.0))
    return _by_heads(node, y, count) if by_heads else y


@importer("Attention", domain=MICROSOFT)
def import_microsoft_attention(node: NodeContext) -> Tensor:
    """x [B, S, C], weights of q, k and v side by side [C, 3 * H * D], and their bias."""
    _refuse(node, {4: "past"})
    node.only("qkv_hidden_sizes")
    node.only("do_rotary", 0)
    node.ignore("past_present_share_buffer", "rotary_embedding_dim")
    x, weight = node.operand(0), node.weight(1)
    if weight.shape[-1] % 3:
        raise OctetError(f"weights {list(weight.shape)} do not divide into those of q, k and v")
    packed = node.emit(MatmulOp, x, weight)
    if (bias := node.optional_weight(2)) is not None:
        packed = node.emit(AddOp, packed, bias)
    width = weight.shape[-1] // 3
    q, k, v = (_slice_columns(node, packed, i * width, (i + 1) * width) for i in range(3))
    return _microsoft(node, q, k, v, mask=3, bias=5)


@importer("MultiHeadAttention", domain=MICROSOFT)
def import_multi_head_attention(node: NodeContext) -> Tensor:
    """q, k and v [B, S, H * D], and one bias [3 * H * D] for the three."""
    _refuse(node, {6: "past_key", 7: "past_value"})
    parts = [node.operand(index) for index in range(3)]
    if any(part.rank != 3 for part in parts):
        raise OctetError("packed operands are not supported; expected q, k and v [B, S, H * D]")
    if (bias := node.optional_weight(3)) is not None:
        start = 0
        for index, part in enumerate(parts):
            end = start + part.shape[-1]
            parts[index] = node.emit(AddOp, part, _slice_columns(node, bias, start, end))
            start = end
    return _microsoft(node, *parts, mask=4, bias=5)


def _microsoft(
    node: NodeContext, q: Tensor, k: Tensor, v: Tensor, *, mask: int, bias: int
) -> Tensor:
    """What the two ops of ONNX Runtime have in common; `mask` and `bias` are operand positions."""
    added = node.optional(bias)
    if node.has(mask):
        kept = node.operand(mask)
        if kept.rank != 2:
            raise OctetError(
                f"a mask {list(kept.shape)} is not supported; expected zeros and ones [B, S]"
            )
        away = node.number("mask_filter_value", -10000.0)
        gone = node.emit(SubOp, node.literal(1.0, np.dtype(np.float32)), node.convert(kept, f32))
        masked = node.emit(MulOp, gone, node.literal(away, np.dtype(np.float32)))
        masked = node.reshape(masked, [(b, 1, 1, s) for b, s in node.shapes(masked)])
        added = masked if added is None else node.emit(AddOp, added, masked)
    if node.integer("unidirectional", 0):
        added = _causal(node, q, k, added)
    node.ignore("mask_filter_value")
    count = node.integer("num_heads")
    return _attention(node, q, k, v, added, count, node.number("scale", 0.0))


def _attention(
    node: NodeContext,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    heads: int,
    scale: float,
) -> Tensor:
    if heads < 1 or q.shape[-1] % heads:
        raise OctetError(f"{heads} heads do not divide {q.shape[-1]} columns")
    if mask is not None and mask.element == boolean:
        mask = _minus_infinity_unless(node, mask)
    scale = scale or 1 / math.sqrt(q.shape[-1] // heads)
    return node.emit(AttentionOp, q, k, v, mask, heads=heads, scale=float(np.float32(scale)))


def _minus_infinity_unless(node: NodeContext, allowed: Tensor) -> Tensor:
    zero, away = (node.literal(value, np.dtype(np.float32)) for value in (0.0, -np.inf))
    return node.emit(WhereOp, allowed, zero, away)


def _causal(node: NodeContext, q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
    """`mask` that also keeps queries from seeing later keys."""
    allowed = triangle(node, column(node.shapes(q), 1), column(node.shapes(k), 1), 0)
    if mask is None:
        return allowed
    if mask.element == boolean:
        return node.emit(AndOp, allowed, mask)
    return node.emit(AddOp, _minus_infinity_unless(node, allowed), mask)


def triangle(
    node: NodeContext, rows: Sequence[int], columns: Sequence[int], diagonal: int
) -> Tensor:
    """Booleans [R, C], sizes given at each assignment: whether column <= row + diagonal."""
    down = node.known(*(np.arange(size)[:, None] + diagonal for size in rows), from_shape=True)
    across = node.known(*(np.arange(size) for size in columns), from_shape=True)
    return node.emit(GreaterEqualOp, down, across)


@importer("Trilu")
def import_trilu(node: NodeContext) -> Tensor:
    x = node.operand(0)
    if x.rank < 2:
        raise OctetError(f"a matrix is expected, got {list(x.shape)}")
    diagonal = int(node.constant(1, "diagonal").item()) if node.has(1) else 0
    shapes = node.shapes(x)
    upper = bool(node.integer("upper", 1))
    sizes = column(shapes, x.rank - 2), column(shapes, x.rank - 1)
    lower = triangle(node, *sizes, diagonal - 1 if upper else diagonal)
    zero = node.literal(0, x)
    return node.emit(WhereOp, lower, zero, x) if upper else node.emit(WhereOp, lower, x, zero)


# --- forms of operands ----------------------------------------------------------------------


def _refuse(node: NodeContext, operands: dict[int, str]) -> None:
    for index, name in operands.items():
        if node.has(index):
            raise OctetError(f"operand '{name}' is not supported: state is kept between runs")


def _columns(node: NodeContext, x: Tensor) -> Tensor:
    """[B, H, S, D] as [B, S, H * D]."""
    rows = node.emit(TransposeOp, x, permutation=[0, 2, 1, 3])
    return node.reshape(rows, [(b, s, h * d) for b, s, h, d in node.shapes(rows)])


def _by_heads(node: NodeContext, y: Tensor, heads: int) -> Tensor:
    """[B, S, H * D] as [B, H, S, D]."""
    split = node.reshape(y, [(b, s, heads, c // heads) for b, s, c in node.shapes(y)])
    return node.emit(TransposeOp, split, permutation=[0, 2, 1, 3])


def _slice_columns(node: NodeContext, x: Tensor, start: int, end: int) -> Tensor:
    starts, ends = [0] * (x.rank - 1), [INT64_MAX] * (x.rank - 1)
    return node.emit(SliceOp, x, starts=[*starts, start], ends=[*ends, end], steps=[1] * x.rank)

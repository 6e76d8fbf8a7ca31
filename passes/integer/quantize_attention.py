"""Attention on integers: part of the pass `quantize-ops`."""

from __future__ import annotations

from xdsl.dialects.builtin import StringAttr, TensorType
from xdsl.ir import Operation
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from dialects.nn.attention import AttentionOp
from dialects.nn.attributes import Precision, PrecisionAttr
from dialects.nn.base import shape_of
from passes.dataflow import quantizations, sole_quantization, stored_behind
from passes.integer.operands import is_8_bit, is_per_tensor_8_bit, waits
from passes.integer.proofs import INT32_MAX
from passes.simplify.rebuild import rebuild


class QuantizeAttention(RewritePattern):
    """Attention of dequantized q, k and v whose result is only quantized."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, AttentionOp) or not waits(op):
            return
        element = sole_quantization(op.result)
        if element is None or element.channel_axis is not None or not is_8_bit(element):
            return
        stored = {name: stored_behind(getattr(op, name)) for name in ("q", "k", "v")}
        operands = {
            name: value
            for name, value in stored.items()
            if value is not None and is_per_tensor_8_bit(value)
        }
        if len(operands) != len(stored):
            return
        if (reason := overflow(op)) is not None:
            op.precision = PrecisionAttr(Precision.F32)
            op.placed_by = StringAttr(f"quantize-ops: {reason}")
            rewriter.notify_op_modified(op)
            return
        type = TensorType(element, shape_of(op.result))
        integer = rebuild(op, operands=operands, result_types=[type])
        for cast in list(quantizations(op.result)):
            rewriter.replace(cast, [], [integer.result])
        rewriter.replace(op, [integer], [None])


def overflow(op: AttentionOp) -> str | None:
    """Why the sums of `op` on 8-bit integers might not fit 32 bits; None if they always do."""
    depth = shape_of(op.q)[2] // op.heads.value.data
    keys = shape_of(op.k)[1]
    # A centered byte is at most 255, k less its middle at most 128, a weight at most 255.
    if depth * 255 * 128 > INT32_MAX:
        return f"sums over {depth} columns of a head do not provably fit in 32 bits"
    if keys * 255 * 255 > INT32_MAX:
        return f"sums over {keys} keys do not provably fit in 32 bits"
    return None

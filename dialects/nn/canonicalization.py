"""Canonicalization patterns of the `nn` dialect."""

from __future__ import annotations

import math

from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects import shapes
from dialects.nn.base import shape_of
from dialects.nn.elementwise import ClipOp, ReluOp
from dialects.nn.movement import ReshapeOp, TransposeOp


class ClipToRelu(RewritePattern):
    """`clip(x, 0, inf)` is `relu(x)`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ClipOp, rewriter: PatternRewriter, /) -> None:
        if (op.min.value.data, op.max.value.data) != (0.0, math.inf):
            return
        relu = ReluOp(
            operands=[op.x], result_types=[op.result.type], attributes=dict(op.attributes)
        )
        rewriter.replace(op, relu)


class ComposeTransposes(RewritePattern):
    """`transpose(transpose(x, p), q)` is `transpose(x, p[q])`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: TransposeOp, rewriter: PatternRewriter, /) -> None:
        inner = op.x.owner
        if not isinstance(inner, TransposeOp):
            return
        first, second = inner.permutation.get_values(), op.permutation.get_values()
        composed = TransposeOp.make(
            inner.x, permutation=[first[i] for i in second], layer=op.layer
        )
        rewriter.replace(op, composed)


class ComposeReshapes(RewritePattern):
    """`reshape(reshape(x))` is one reshape, when the outer target can be said in terms of x.

    A code "copy dimension i" of the outer reshape refers to the inner result; it can be kept
    only where the inner reshape gives that dimension a literal size or copies it itself.
    """

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ReshapeOp, rewriter: PatternRewriter, /) -> None:
        inner = op.x.owner
        if not isinstance(inner, ReshapeOp):
            return
        inner_codes = inner.shape.get_values()
        codes: list[int] = []
        for code in op.shape.get_values():
            dimension = shapes.copied_dimension(code)
            codes.append(code if dimension is None else inner_codes[dimension])
        if codes.count(shapes.INFER) > 1:
            return
        if shapes.resolve_reshape(shape_of(inner.x), codes) != shape_of(op.result):
            return
        rewriter.replace(op, ReshapeOp.make(inner.x, shape=codes, layer=op.layer))

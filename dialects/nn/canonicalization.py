"""Canonicalization patterns of the `nn` dialect: each exact, and simpler whoever looks at it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xdsl.dialects.builtin import DenseIntOrFPElementsAttr
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects import shapes
from dialects.assembly import INT64_MAX, to_attribute
from dialects.elements import is_quantized
from dialects.nn.base import element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import BinaryOp, ClipOp, MaxOp, MinOp, ReluOp
from dialects.nn.movement import ConcatOp, ReshapeOp, SliceOp, TransposeOp
from dialects.nn.naming import absorb
from dialects.program import sole_user


def inline_splat(value: SSAValue) -> float | int | None:
    """The number all elements of a constant equal, if they stand in the IR."""
    constant = value.owner
    if not isinstance(constant, ConstantOp):
        return None
    if not isinstance(constant.value, DenseIntOrFPElementsAttr):
        return None
    elements = constant.value.get_values()
    # A set would make one element of 0.0 and -0.0.
    if len({(element, math.copysign(1.0, element)) for element in elements}) != 1:
        return None
    return elements[0]


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


class ComposeClips(RewritePattern):
    """A ReLU or clip of a ReLU or clip is one clip, when both ranges meet."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ReluOp | ClipOp, rewriter: PatternRewriter, /) -> None:
        inner = op.x.owner
        if not isinstance(inner, ReluOp | ClipOp) or inner.x.type != op.result.type:
            return
        if sole_user(op.x) is not op or inner.precision != op.precision:
            return
        (low, high), (outer_low, outer_high) = _bounds(inner), _bounds(op)
        low, high = max(low, outer_low), min(high, outer_high)
        if not low <= high:
            return
        clip = ClipOp(
            operands=[inner.x],
            result_types=[op.result.type],
            properties={"min": to_attribute(low), "max": to_attribute(high)},
            attributes=dict(op.attributes),
        )
        absorb(clip, inner)
        rewriter.replace(op, clip)


def _bounds(op: ReluOp | ClipOp) -> tuple[float, float]:
    if isinstance(op, ReluOp):
        return 0.0, math.inf
    return op.min.value.data, op.max.value.data


class BoundToClip(RewritePattern):
    """`max(x, number)` and `min(x, number)` are clips with one bound."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MaxOp | MinOp, rewriter: PatternRewriter, /) -> None:
        for x, bound in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
            number = inline_splat(bound)
            # Integers keep max and min: a clip's bounds are floats.
            if not isinstance(number, float) or math.isnan(number) or x.type != op.result.type:
                continue
            low, high = (number, math.inf) if isinstance(op, MaxOp) else (-math.inf, number)
            clip = ClipOp(
                operands=[x],
                result_types=[op.result.type],
                properties={"min": to_attribute(low), "max": to_attribute(high)},
                attributes=dict(op.attributes),
            )
            rewriter.replace(op, clip)
            return


def without_identity(op: BinaryOp, right: float, left: float | None) -> SSAValue | None:
    """The operand that is the result because the other one is the operation's identity.

    `right` is the identity as right operand, `left` as left one. Zeros count with their sign:
    `x + 0.0` turns -0.0 into 0.0, so only -0.0 is the identity of float addition.
    """
    for x, other, identity in ((op.lhs, op.rhs, right), (op.rhs, op.lhs, left)):
        if identity is None or x.type != op.result.type or is_quantized(element_of_value(x)):
            continue
        number = inline_splat(other)
        if number is None or number != identity:
            continue
        if isinstance(number, int) or math.copysign(1, number) == math.copysign(1, identity):
            return x
    return None


class ComposeTransposes(RewritePattern):
    """`transpose(transpose(x, p), q)` is `transpose(x, p[q])`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: TransposeOp, rewriter: PatternRewriter, /) -> None:
        inner = op.x.owner
        if not isinstance(inner, TransposeOp):
            return
        first, second = inner.permutation.get_values(), op.permutation.get_values()
        composed = TransposeOp(
            operands=[inner.x],
            result_types=[op.result.type],
            properties={"permutation": to_attribute([first[i] for i in second])},
            attributes=dict(op.attributes),
        )
        absorb(composed, inner)
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
        composed = ReshapeOp(
            operands=[inner.x],
            result_types=[op.result.type],
            properties={"shape": to_attribute(codes)},
            attributes=dict(op.attributes),
        )
        absorb(composed, inner)
        rewriter.replace(op, composed)


class FlattenConcat(RewritePattern):
    """`concat(concat(a, b), c)` along one axis is `concat(a, b, c)`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ConcatOp, rewriter: PatternRewriter, /) -> None:
        axis = _axis(op)
        inputs: list[SSAValue] = []
        nested: list[ConcatOp] = []
        for operand in op.inputs:
            inner = operand.owner
            if (
                isinstance(inner, ConcatOp)
                and sole_user(operand) is op
                and _axis(inner) == axis
                and inner.precision == op.precision
            ):
                inputs += inner.inputs
                nested.append(inner)
            else:
                inputs.append(operand)
        if not nested:
            return
        flat = ConcatOp(
            operands=[inputs],
            result_types=[op.result.type],
            properties={"axis": op.axis},
            attributes=dict(op.attributes),
        )
        absorb(flat, *nested)
        rewriter.replace(op, flat)


def _axis(op: ConcatOp) -> int:
    return shapes.normalize_axis(op.axis.value.data, len(shape_of(op.result)))


class ComposeSlices(RewritePattern):
    """`slice(slice(x))` is one slice, when no dimension is cut twice."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: SliceOp, rewriter: PatternRewriter, /) -> None:
        inner = op.x.owner
        if not isinstance(inner, SliceOp):
            return
        entries: list[tuple[int, int, int]] = []
        for first, second in zip(_entries(inner), _entries(op), strict=True):
            if EVERYTHING not in (first, second):
                return
            entries.append(second if first == EVERYTHING else first)
        starts, ends, steps = zip(*entries, strict=True) if entries else ((), (), ())
        composed = SliceOp(
            operands=[inner.x],
            result_types=[op.result.type],
            properties={
                "starts": to_attribute(starts),
                "ends": to_attribute(ends),
                "steps": to_attribute(steps),
            },
            attributes=dict(op.attributes),
        )
        absorb(composed, inner)
        rewriter.replace(op, composed)


EVERYTHING = (0, INT64_MAX, 1)
"""Start, end and step of a dimension that is not cut, whatever its size."""


def _entries(op: SliceOp) -> Sequence[tuple[int, int, int]]:
    columns = (op.starts.get_values(), op.ends.get_values(), op.steps.get_values())
    return list(zip(*columns, strict=True))

"""Pass `recognize-attention`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.elements import is_float
from dialects.nn.attention import AttentionOp
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.elementwise import AddOp, DivOp, MulOp
from dialects.nn.linear import MatmulOp
from dialects.nn.movement import ReshapeOp, TransposeOp
from dialects.nn.normalization import SoftmaxOp
from dialects.program import sole_user
from dialects.shapes import Shape, broadcast
from dialects.weights import WeightStore
from passes.base import Numerics, OctetPass
from passes.naming import absorb, same_placement
from passes.simplify.algebra import in_program_order
from passes.simplify.constants import scalar

OpT = TypeVar("OpT", bound=NnOp)

HEADS_FIRST = (0, 2, 1, 3)
"""[B, S, H, D] to [B, H, S, D], and back."""
HEADS_FIRST_TRANSPOSED = (0, 2, 3, 1)
"""[B, S, H, D] to [B, H, D, S]: the keys as the right side of a matrix product."""


@dataclass
class RecognizeAttention(RewritePattern):
    weights: WeightStore

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ReshapeOp, rewriter: PatternRewriter, /) -> None:
        if not is_float(element_of_value(op.result)) or len(shape_of(op.result)) != 3:
            return
        matcher = _Matcher(self.weights)
        attention = matcher.match(op)
        if attention is None:
            return
        interior = in_program_order(op, matcher.interior)
        if not same_placement(op, *interior):
            return
        attention.attributes.update(op.attributes)
        absorb(attention, *interior)
        rewriter.replace(op, attention)


@dataclass
class _Matcher:
    """One attempt to match; `interior` are the ops that the attention takes the place of."""

    weights: WeightStore
    interior: list[NnOp] = field(default_factory=list)

    def match(self, root: ReshapeOp) -> AttentionOp | None:
        """The attention whose heads `root` puts side by side again."""
        merged = self._enter(root.x, TransposeOp)
        if merged is None or merged.permutation.get_values() != HEADS_FIRST:
            return None
        if shape_of(root.result) != _joined(shape_of(merged.result)):
            return None
        product = self._enter(merged.x, MatmulOp)
        if product is None or not _is_bare(product):
            return None
        softmax = self._enter(product.a, SoftmaxOp)
        if softmax is None or softmax.axis.value.data % len(shape_of(softmax.x)) != 3:
            return None
        found = self._scores(softmax.x)
        if found is None:
            return None
        scores, mask, scale = found
        q = self._heads(scores.a, HEADS_FIRST)
        k = self._heads(scores.b, HEADS_FIRST_TRANSPOSED)
        v = self._heads(product.b, HEADS_FIRST)
        if q is None or k is None or v is None or v[1] != 1.0:
            return None
        if not mask_fits(mask, shape_of(scores.result)):
            return None
        heads = shape_of(scores.result)[1]
        return AttentionOp.make(
            q[0], k[0], v[0], mask, heads=heads, scale=float(scale * q[1] * k[1])
        )

    def _scores(self, value: SSAValue) -> tuple[MatmulOp, SSAValue | None, float] | None:
        """The product q @ k^T behind `value`, what is added to it, and what it is scaled by."""
        add = value.owner
        if not isinstance(add, AddOp):
            return self._scaled_product(value, None)
        for scores, mask in ((add.lhs, add.rhs), (add.rhs, add.lhs)):
            if scores.type != add.result.type or sole_user(add.result) is None:
                continue
            before = len(self.interior)
            self.interior.append(add)
            found = self._scaled_product(scores, mask)
            if found is not None:
                return found
            del self.interior[before:]
        return None

    def _scaled_product(
        self, value: SSAValue, mask: SSAValue | None
    ) -> tuple[MatmulOp, SSAValue | None, float] | None:
        value, scale = self._unscaled(value)
        product = self._enter(value, MatmulOp)
        if product is None or not _is_bare(product) or len(shape_of(value)) != 4:
            return None
        return product, mask, scale

    def _heads(self, value: SSAValue, expected: Sequence[int]) -> tuple[SSAValue, float] | None:
        """x [B, S, H * D] whose heads `value` is, permuted as expected, and their factor."""
        factor = 1.0
        permutation = (0, 1, 2, 3)
        while True:
            value, step = self._unscaled(value)
            factor *= step
            op = self._enter(value, TransposeOp)
            if op is None:
                break
            before = op.permutation.get_values()
            permutation = tuple(before[axis] for axis in permutation)
            value = op.x
        split = self._enter(value, ReshapeOp)
        if split is None or permutation != tuple(expected):
            return None
        heads = shape_of(split.result)
        if len(heads) != 4 or shape_of(split.x) != _joined(heads):
            return None
        return split.x, factor

    def _unscaled(self, value: SSAValue) -> tuple[SSAValue, float]:
        """`value` without multiplications and divisions by numbers, and the factor they make."""
        factor = 1.0
        while (op := self._enter(value, MulOp) or self._enter(value, DivOp)) is not None:
            step = self._number(op)
            if step is None:
                self.interior.pop()
                break
            value, number = step
            factor = factor / number if isinstance(op, DivOp) else factor * number
        return value, factor

    def _number(self, op: MulOp | DivOp) -> tuple[SSAValue, float] | None:
        """The operand of `op` that is no number, of the result's type, and the number."""
        sides = (
            [(op.lhs, op.rhs)] if isinstance(op, DivOp) else [(op.lhs, op.rhs), (op.rhs, op.lhs)]
        )
        for value, other in sides:
            number = scalar(other, self.weights)
            if number and value.type == op.result.type:
                return value, number
        return None

    def _enter(self, value: SSAValue, kind: type[OpT]) -> OpT | None:
        """The op of type `kind` that computes `value` for one use only; becomes interior."""
        op = value.owner
        if not isinstance(op, kind) or sole_user(value) is None:
            return None
        self.interior.append(op)
        return op


def _joined(heads: Shape) -> Shape:
    """[B, S, H, D] to [B, S, H * D]."""
    return (*heads[:2], heads[2] * heads[3])


def _is_bare(op: MatmulOp) -> bool:
    return op.bias is None and op.residual is None and op.activation is None


def mask_fits(mask: SSAValue | None, scores: Shape) -> bool:
    """A mask has a number per key and broadcasts to the scores."""
    if mask is None:
        return True
    shape = shape_of(mask)
    return shape[-1:] == scores[-1:] and broadcast(shape, scores) == scores


@dataclass(frozen=True)
class RecognizeAttentionPass(OctetPass):
    """Recognizes attention written out as matrix products around a softmax.

    Before, of [1, 128, 384] in 12 heads:

        %q4 = nn.reshape %q <shape = [-2, 128, 12, 32]> : ..
        %qt = nn.transpose %q4 <permutation = [0, 2, 1, 3]> : ..
        %k4 = nn.reshape %k <shape = [-2, 128, 12, 32]> : ..
        %kt = nn.transpose %k4 <permutation = [0, 2, 3, 1]> : ..
        %1 = nn.matmul %qt, %kt : ..
        %2 = nn.div %1, %sqrt_d : ..
        %3 = nn.add %2, %mask : ..
        %4 = nn.softmax %3 <axis = 3> : ..
        %5 = nn.matmul %4, %vt : ..
        %6 = nn.transpose %5 <permutation = [0, 2, 1, 3]> : ..
        %7 = nn.reshape %6 <shape = [-2, 128, 384]> : ..

    After:

        %7 = nn.attention %q, %k, %v, mask = %mask <heads = 12, scale = 0.17677669> : ..

    The scale may be a factor or divisor of the product, of q or of k, or of several; the keys may
    be transposed in one or two steps; the mask is optional and may stand on either side. It does
    not fire when a value inside has another use or is an output, when softmax goes along another
    dimension, or when the heads are not columns of tensors [B, S, H * D].
    """

    name = "recognize-attention"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [RecognizeAttention(ctx.weights)])

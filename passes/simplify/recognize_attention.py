"""Pass `recognize-attention`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, TypeVar

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.assembly import INT64_MAX
from dialects.context import OctetContext
from dialects.elements import dtype_of, is_float
from dialects.nn.attention import AttentionOp
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import AddOp, DivOp, MulOp, WhereOp
from dialects.nn.linear import MatmulOp
from dialects.nn.movement import ExpandOp, GatherOp, ReshapeOp, SliceOp, TransposeOp
from dialects.nn.normalization import SoftmaxOp
from dialects.program import sole_user
from dialects.shapes import Shape, broadcast, copied_dimension
from dialects.weights import WeightStore
from passes.base import Numerics, OctetPass
from passes.naming import absorb, same_placement
from passes.simplify.algebra import in_program_order
from passes.simplify.constants import scalar

Permutation = tuple[int, ...]
OpT = TypeVar("OpT", bound=NnOp)


@dataclass(frozen=True)
class Order:
    """How a model keeps samples and sequence apart, and how heads are made of columns and back."""

    heads: Permutation
    """From what the columns are split into to what the matrix products of q and v take."""
    transposed: Permutation
    """The same for the keys, as the right side of a product."""
    merge: tuple[Permutation, ...]
    """From the products' result to tensors whose last dimensions are the columns."""
    sequence_first: bool


BATCH_FIRST = Order((0, 2, 1, 3), (0, 2, 3, 1), ((0, 2, 1, 3),), False)
"""[B, S, H * D], split into [B, S, H, D], multiplied as [B, H, S, D]."""

SEQUENCE_FIRST = Order((1, 0, 2), (1, 2, 0), ((1, 0, 2), (2, 0, 1, 3)), True)
"""[S, B, H * D], split into [S, B * H, D], multiplied as [B * H, S, D] or, reshaped to it,
[B, H, S, D]: PyTorch's `MultiheadAttention`."""

SWAP_FIRST = (1, 0, 2)

LEAST_FILL = -1e9
"""A number that scores are replaced by is at most this: float32 then has steps of 64, in which the
scores are lost when it is added to them instead."""


@dataclass(frozen=True)
class Heads:
    """An operand of attention: x, whose columns are the heads, and the factor it is scaled by."""

    x: SSAValue
    factor: float
    order: Order
    shape: Shape
    """[B, H, S, D]."""


@dataclass
class RecognizeAttention(RewritePattern):
    weights: WeightStore

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ReshapeOp, rewriter: PatternRewriter, /) -> None:
        if not is_float(element_of_value(op.result)):
            return
        matcher = _Matcher(self.weights)
        found = matcher.match(op)
        interior = in_program_order(op, matcher.interior)
        if found is None or not same_placement(op, *interior):
            for made in reversed(found or matcher.new):
                made.erase()
            return
        attention = found[-1]
        attention.attributes.update(op.attributes)
        absorb(attention, *interior)
        if shape_of(attention.results[0]) == shape_of(op.result):
            rewriter.replace(op, found)
            return
        swap = TransposeOp.make(attention.results[0], permutation=SWAP_FIRST, layer=op.layer)
        joined = ReshapeOp.make(swap.results[0], shape=op.shape.get_values(), layer=op.layer)
        rewriter.replace(op, [*found, swap, joined])


@dataclass
class _Matcher:
    """One attempt to match; `interior` are the ops that the attention takes the place of."""

    weights: WeightStore
    interior: list[NnOp] = field(default_factory=list)
    new: list[NnOp] = field(default_factory=list)
    """Ops that the attention needs, in order; in no block yet."""

    def match(self, root: ReshapeOp) -> list[NnOp] | None:
        """The attention whose heads `root` puts side by side again, last, and what it needs."""
        merged = self._enter(root.x, TransposeOp)
        product = None if merged is None else self._enter(merged.x, MatmulOp)
        if merged is None or product is None or not _is_bare(product):
            return None
        softmax = self._enter(product.a, SoftmaxOp)
        rank = len(shape_of(product.result))
        if softmax is None or softmax.axis.value.data % rank != rank - 1:
            return None
        found = self._scores(softmax.x)
        if found is None:
            return None
        scores, mask, scale = found
        q = self._heads(scores.a, transposed=False)
        k = self._heads(scores.b, transposed=True)
        v = self._heads(product.b, transposed=False)
        if q is None or k is None or v is None or v.factor != 1.0:
            return None
        if not q.order == k.order == v.order or not _merges(merged, root, v):
            return None
        batch, heads, queries, _ = q.shape
        if not mask_fits(mask, rank, (batch, heads, queries, k.shape[2])):
            return None
        new = self.new
        operands: dict[SSAValue, SSAValue] = {}
        for operand in dict.fromkeys((q.x, k.x, v.x)):
            operands[operand] = operand
            if q.order.sequence_first:
                new.append(TransposeOp.make(operand, permutation=SWAP_FIRST))
                operands[operand] = new[-1].results[0]
        # The precision it is used in: what is exported reads back as the same number.
        factor = float(np.float32(scale * q.factor * k.factor))
        columns = (operands[operand.x] for operand in (q, k, v))
        return [*new, AttentionOp.make(*columns, mask, heads=heads, scale=factor)]

    def _scores(self, value: SSAValue) -> tuple[MatmulOp, SSAValue | None, float] | None:
        """The product q @ k^T behind `value`, what is added to it, and what it is scaled by."""
        add = value.owner
        if isinstance(add, WhereOp):
            return self._filled_scores(add)
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

    def _filled_scores(self, where: WhereOp) -> tuple[MatmulOp, SSAValue | None, float] | None:
        """Scores that a condition replaces by a number so small that adding it does the same."""
        for scores, fill in ((where.x, where.y), (where.y, where.x)):
            number = scalar(fill, self.weights)
            if number is None or number > LEAST_FILL or sole_user(where.result) is None:
                continue
            if scores.type != where.result.type:
                continue
            self.interior.append(where)
            condition = self._unexpanded(where.condition)
            zero = ConstantOp.of(np.zeros((), dtype_of(element_of_value(fill))), self.weights)
            kept = (zero.result, fill) if scores is where.x else (fill, zero.result)
            mask = WhereOp.make(condition, *kept, layer=where.layer)
            self.new += [zero, mask]
            return self._scaled_product(scores, mask.result)
        return None

    def _unexpanded(self, value: SSAValue) -> SSAValue:
        """A condition before it was broadcast to the scores, which a mask need not be."""
        expand = value.owner
        if not isinstance(expand, ExpandOp) or not shape_of(expand.x):
            return value
        if shape_of(expand.x)[-1] != shape_of(value)[-1] or sole_user(value) is None:
            return value
        self.interior.append(expand)
        return expand.x

    def _scaled_product(
        self, value: SSAValue, mask: SSAValue | None
    ) -> tuple[MatmulOp, SSAValue | None, float] | None:
        value, scale = self._unscaled(value)
        product = self._enter(value, MatmulOp)
        if product is None or not _is_bare(product):
            return None
        return product, mask, scale

    def _heads(self, value: SSAValue, *, transposed: bool) -> Heads | None:
        """What the matrix `value` of each head is made of; `transposed`: it is k^T."""
        factor = 1.0
        permutation = tuple(range(len(shape_of(value))))
        products: Shape | None = None
        while True:
            value, step = self._unscaled(value)
            factor *= step
            if (transpose := self._enter(value, TransposeOp)) is not None:
                before = transpose.permutation.get_values()
                permutation = tuple(before[axis] for axis in permutation)
                value = transpose.x
                continue
            split = self._enter(value, ReshapeOp)
            if split is None:
                return None
            given, heads = shape_of(split.x), shape_of(split.result)
            if products is None and _splits_batch(given, heads):
                # [B * H, S, D] to [B, H, S, D]: with or without the last two exchanged.
                if permutation not in ((0, 1, 2, 3), (0, 1, 3, 2)):
                    return None
                products, value = heads, split.x
                permutation = (0, 1, 2) if permutation[2] == 2 else (0, 2, 1)
                continue
            break
        for order in (BATCH_FIRST, SEQUENCE_FIRST):
            if permutation != (order.transposed if transposed else order.heads):
                continue
            shape = _head_shape(order, given, heads)
            if shape is not None and products in (None, shape):
                return Heads(split.x, factor, order, shape)
        return None

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


@dataclass
class UnpackHeads(RewritePattern):
    """q, k or v taken from a tensor that holds the three: [B, S, 3 * H * D] split into
    [B, S, 3, H, D], transposed, and one of three gathered. The same columns are sliced instead."""

    weights: WeightStore

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: GatherOp, rewriter: PatternRewriter, /) -> None:
        transpose, indices = op.x.owner, op.indices.owner
        if not isinstance(transpose, TransposeOp) or not isinstance(indices, ConstantOp):
            return
        if shape_of(op.indices):
            return
        split = transpose.x.owner
        if not isinstance(split, ReshapeOp) or not is_float(element_of_value(op.result)):
            return
        permutation = transpose.permutation.get_values()
        axis = op.axis.value.data % len(permutation)
        packed = permutation[axis]
        given, parts = shape_of(split.x), shape_of(split.result)
        rank = len(given)
        # Only the last dimension is split, and what is gathered is its outermost part.
        if packed != rank - 1 or parts[: rank - 1] != given[:-1] or len(parts) < rank + 1:
            return
        width = math.prod(parts[packed + 1 :])
        number = int(indices.array(self.weights).item())
        if not -parts[packed] <= number < parts[packed]:
            return
        start = number % parts[packed] * width
        columns = SliceOp.make(
            split.x,
            starts=[*[0] * (rank - 1), start],
            ends=[*[INT64_MAX] * (rank - 1), start + width],
            steps=[1] * rank,
            layer=op.layer,
        )
        shape = list(split.shape.get_values())
        del shape[packed]
        heads = ReshapeOp.make(columns.result, shape=shape, layer=split.layer)
        order = [old - (old > packed) for old in permutation if old != packed]
        moved = TransposeOp.make(heads.result, permutation=order, layer=transpose.layer)
        rewriter.replace(op, [columns, heads, moved])


def _head_shape(order: Order, given: Shape, heads: Shape) -> Shape | None:
    """[B, H, S, D], if splitting `given` into `heads` splits columns into heads."""
    if len(given) != 3 or not heads[-1] or given[2] % heads[-1]:
        return None
    count, depth = given[2] // heads[-1], heads[-1]
    if order.sequence_first:
        length, batch = given[:2]
        return (batch, count, length, depth) if heads == (length, batch * count, depth) else None
    batch, length = given[:2]
    return (batch, count, length, depth) if heads == (batch, length, count, depth) else None


def _splits_batch(given: Shape, heads: Shape) -> bool:
    """[B * H, S, D] to [B, H, S, D]."""
    return len(given) == 3 and len(heads) == 4 and given == (heads[0] * heads[1], *heads[2:])


def _merges(merged: TransposeOp, root: ReshapeOp, v: Heads) -> bool:
    """Transposed by `merged`, `root` puts the heads side by side, as columns of the result."""
    if merged.permutation.get_values() not in v.order.merge:
        return False
    batch, heads, _, depth = v.shape
    length = shape_of(merged.result)[0 if v.order.sequence_first else 1]
    result = shape_of(root.result)
    if not v.order.sequence_first:
        return result == (batch, length, heads * depth)
    copied = [copied_dimension(code) for code in root.shape.get_values()]
    if any(dimension not in (None, 0) for dimension in copied):
        return False
    return result in ((length, batch, heads * depth), (length * batch, heads * depth))


def _is_bare(op: MatmulOp) -> bool:
    return op.bias is None and op.residual is None and op.activation is None


def mask_fits(mask: SSAValue | None, rank: int, scores: Shape) -> bool:
    """A mask has a number per key and broadcasts to the scores [B, H, Q, K], and did so where
    samples and heads were one dimension, of `rank` 3."""
    if mask is None:
        return True
    shape = shape_of(mask)
    if rank == 3 and len(shape) == 3 and shape[0] != 1:
        return False
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

    A mask may also be the condition of an `nn.where` that puts -1e9 or less, or -inf, in place of
    scores. q, k and v may be gathered from one tensor [B, S, 3, H, D].

    The scale may be a factor or divisor of the product, of q or of k, or of several; the keys may
    be transposed in one or two steps; the mask is optional and may stand on either side. Operands
    [S, B, H * D], whose samples and heads are one dimension of the products, are transposed before
    and after. It does not fire when a value inside has another use or is an output, when softmax
    goes along another dimension, when the heads are not columns, or when a mask differs by sample
    where samples and heads are one dimension.
    """

    name = "recognize-attention"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [UnpackHeads(ctx.weights), RecognizeAttention(ctx.weights)])

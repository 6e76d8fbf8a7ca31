"""Pass `recognize-layer-norm`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.elements import is_float
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import AddOp, DivOp, MulOp, PowOp, ReciprocalOp, SqrtOp, SubOp
from dialects.nn.normalization import LayerNormOp
from dialects.nn.reduction import ReduceMeanOp
from dialects.program import sole_user
from dialects.weights import WeightStore
from passes.base import Numerics, OctetPass
from passes.naming import absorb, same_placement, take_range
from passes.simplify.algebra import Expression, in_program_order
from passes.simplify.constants import scalar
from passes.simplify.rebuild import rebuild


@dataclass
class RecognizeStandardization(RewritePattern):
    """`(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon)`."""

    weights: WeightStore

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: DivOp | MulOp, rewriter: PatternRewriter, /) -> None:
        sides = [(op.lhs, op.rhs)]
        if isinstance(op, MulOp):
            sides.append((op.rhs, op.lhs))
        for deviation, factor in sides:
            matcher = _Standardization(op, self.weights)
            found = matcher.match(deviation, factor)
            if found is None:
                continue
            x, axis, epsilon = found
            if not same_placement(op, *matcher.interior):
                return
            norm = LayerNormOp.make(x, None, None, axis=axis, epsilon=epsilon)
            norm.attributes.update(op.attributes)
            absorb(norm, *in_program_order(op, matcher.interior))
            rewriter.replace(op, norm)
            return


class _Standardization(Expression):
    """Walks up from the division; the deviation is shared, so uses are checked at the end."""

    def match(self, deviation: SSAValue, factor: SSAValue) -> tuple[SSAValue, int, float] | None:
        """x, the first normalized dimension, and epsilon."""
        variance = self._variance_in(factor, self.root)
        x, mean = self._centred(deviation, self.root)
        if variance is None or x is None or mean is None:
            return None
        total, epsilon = variance
        square = self._used_once(total.x, total, (PowOp, MulOp))
        base = None if square is None else _squared(square, self.weights)
        if square is None or base is None:
            return None
        self.interior.append(square)
        if base is not deviation:
            # Some exporters compute x - mean(x) once for each of its two uses.
            other, other_mean = self._centred(base, square)
            if other is not x or other_mean is None or other_mean.axes != mean.axes:
                return None
        axes = _trailing(mean, x)
        if axes is None or _trailing(total, x) != axes or not self._closed():
            return None
        return x, axes, epsilon

    def _variance_in(self, factor: SSAValue, user: NnOp) -> tuple[ReduceMeanOp, float] | None:
        """The mean of squares and epsilon in `sqrt(mean + epsilon)`, or in one over it."""
        if isinstance(user, MulOp):
            inverse = self._used_once(factor, user, (ReciprocalOp, DivOp, PowOp))
            if inverse is None:
                return None
            self.interior.append(inverse)
            match inverse:
                case PowOp() if scalar(inverse.rhs, self.weights) == -0.5:
                    return self._variance_plus_epsilon(inverse.lhs, inverse)
                case ReciprocalOp():
                    factor, user = inverse.x, inverse
                case DivOp() if scalar(inverse.lhs, self.weights) == 1.0:
                    factor, user = inverse.rhs, inverse
                case _:
                    return None
        root = self._used_once(factor, user, (SqrtOp, PowOp))
        if root is None:
            return None
        if isinstance(root, PowOp) and scalar(root.rhs, self.weights) != 0.5:
            return None
        self.interior.append(root)
        return self._variance_plus_epsilon(root.operands[0], root)

    def _variance_plus_epsilon(
        self, value: SSAValue, user: NnOp
    ) -> tuple[ReduceMeanOp, float] | None:
        add = self._used_once(value, user, (AddOp,))
        if not isinstance(add, AddOp):
            return None
        for variance, constant in ((add.lhs, add.rhs), (add.rhs, add.lhs)):
            epsilon = scalar(constant, self.weights)
            mean = self._used_once(variance, add, (ReduceMeanOp,))
            if epsilon is not None and isinstance(mean, ReduceMeanOp):
                self.interior += [add, mean]
                return mean, epsilon
        return None

    def _centred(self, value: SSAValue, user: NnOp) -> tuple[SSAValue | None, ReduceMeanOp | None]:
        """x and its mean in `x - mean(x)`."""
        sub = value.owner
        if not isinstance(sub, SubOp) or not isinstance(mean := sub.rhs.owner, ReduceMeanOp):
            return None, None
        if mean.x is not sub.lhs:
            return None, None
        self.interior += [sub, mean]
        return sub.lhs, mean

    def _used_once(self, value: SSAValue, user: NnOp, kinds: tuple[type[NnOp], ...]) -> NnOp | None:
        op = value.owner
        if not isinstance(op, kinds) or {id(use.operation) for use in value.uses} != {id(user)}:
            return None
        return op

    def _closed(self) -> bool:
        """Nothing outside of the expression uses a value inside."""
        inside: set[Operation] = {self.root, *self.interior}
        return all(
            use.operation in inside
            for op in self.interior
            for result in op.results
            for use in result.uses
        )


def _squared(op: NnOp, weights: WeightStore) -> SSAValue | None:
    if isinstance(op, PowOp) and scalar(op.rhs, weights) == 2.0:
        return op.lhs
    return op.operands[0] if isinstance(op, MulOp) and op.lhs is op.rhs else None


def _trailing(mean: ReduceMeanOp, x: SSAValue) -> int | None:
    """The first of the dimensions a mean is over, if those are the last ones and are kept."""
    rank = len(shape_of(x))
    axes = sorted(axis % rank for axis in mean.axes.get_values())
    if not axes or axes != list(range(axes[0], rank)) or not mean.keepdims.value.data:
        return None
    return axes[0] if is_float(element_of_value(x)) else None


@dataclass
class AbsorbAffine(RewritePattern):
    """`layer_norm(x) * gamma + beta`, when the layer norm has no scale or bias yet."""

    weights: WeightStore

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MulOp | AddOp, rewriter: PatternRewriter, /) -> None:
        for value, other in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
            norm = value.owner
            if not isinstance(norm, LayerNormOp) or sole_user(value) is not op:
                continue
            if norm.bias is not None or (isinstance(op, MulOp) and norm.scale is not None):
                continue
            if value.type != op.result.type or not same_placement(norm, op):
                continue
            parameter = self._parameter(other, norm)
            if parameter is None:
                continue
            constant, vector = parameter
            name = "scale" if isinstance(op, MulOp) else "bias"
            affine = rebuild(norm, operands={name: vector})
            affine.layer = op.layer
            absorb(affine, norm, op)
            take_range(affine, op)
            rewriter.replace(op, [*constant, affine])
            return

    def _parameter(
        self, value: SSAValue, norm: LayerNormOp
    ) -> tuple[list[Operation], SSAValue] | None:
        """A constant that has, or can be given, the shape of the normalized dimensions."""
        expected = shape_of(norm.x)[norm.axis.value.data % len(shape_of(norm.x)) :]
        if element_of_value(value) != element_of_value(norm.x):
            return None
        shape = shape_of(value)
        constant = value.owner
        if not isinstance(constant, ConstantOp):
            return None
        if shape == expected:
            return [], value
        leading, trailing = shape[: -len(expected)], shape[-len(expected) :]
        if trailing != expected or set(leading) != {1}:
            return None
        reshaped = ConstantOp.of(constant.array(self.weights).reshape(expected), self.weights)
        return [reshaped], reshaped.result


@dataclass(frozen=True)
class RecognizeLayerNormPass(OctetPass):
    """Recognizes layer normalization written out with means, and what scales and shifts it.

    Before:

        %1 = nn.reduce_mean %0 <axes = [-1], keepdims = true> : (..) -> ..
        %2 = nn.sub %0, %1 : (..) -> ..
        %3 = nn.pow %2, %two : (..) -> ..
        %4 = nn.reduce_mean %3 <axes = [-1], keepdims = true> : (..) -> ..
        %5 = nn.add %4, %epsilon : (..) -> ..
        %6 = nn.sqrt %5 : (..) -> ..
        %7 = nn.div %2, %6 : (..) -> ..
        %8 = nn.mul %7, %gamma : (..) -> ..
        %9 = nn.add %8, %beta : (..) -> ..

    After:

        %9 = nn.layer_norm %0, scale = %gamma, bias = %beta <axis = 2, epsilon = 1.0e-12> : ..

    The square may be a product, the division a multiplication by a reciprocal or by a power of
    -0.5, the subtraction written twice; gamma and beta may be missing. It does not fire when a
    value inside has a use outside, when the means are over other dimensions than the last ones,
    or drop them; gamma and beta stay outside unless they are constants of the normalized shape.
    """

    name = "recognize-layer-norm"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(
            ctx, module, [RecognizeStandardization(ctx.weights), AbsorbAffine(ctx.weights)]
        )

"""Matching expressions by what they compute, not by the order they are written in.

Exporters write `0.5 * x * (1 + erf(x / sqrt(2)))` in a dozen ways: the half may stand anywhere,
a division may be a multiplication, a cube may be a power. The recognizers therefore ask for an
expression's normal form: the factors of a product, the coefficients of a polynomial.

Values inside an expression must have no other use: they would have to be computed for it anyway.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter

from dialects.elements import is_float
from dialects.nn.base import NnOp, element_of_value
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import AddOp, DivOp, MulOp, NegOp, PowOp, SubOp
from dialects.program import sole_user
from dialects.weights import WeightStore
from passes.naming import absorb, same_placement
from passes.simplify.constants import scalar

OpT = TypeVar("OpT", bound=NnOp)

ARITHMETIC = (AddOp, SubOp, MulOp, DivOp, NegOp, PowOp)

RELATIVE_TOLERANCE = 1e-3
"""How far a constant may be from the one a pattern asks for: some models write 1/6 as 0.1667."""

MAX_DEPTH = 12
"""Ops on a path through an expression; tanh GELU, the deepest known, has 6 before its tanh."""

MAX_DEGREE = 3

Polynomial = tuple[float, ...]
"""Coefficients, that of the constant first."""


def close(value: float, expected: float) -> bool:
    """Equal within RELATIVE_TOLERANCE; zero up to float32 rounding of terms of size 1."""
    return math.isclose(value, expected, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-6)


def all_close(values: Sequence[float] | None, expected: Sequence[float]) -> bool:
    """Coefficient by coefficient `close`; missing high powers are zero."""
    if values is None:
        return False
    size = max(len(values), len(expected))
    return all(map(close, _padded(values, size), _padded(expected, size)))


@dataclass
class Expression:
    """One attempt to match the expression that ends in `root`; records the ops inside it."""

    root: NnOp
    weights: WeightStore
    interior: list[NnOp] = field(default_factory=list)

    def enter(self, value: SSAValue, kind: type[OpT]) -> OpT | None:
        """The op of type `kind` that computes `value` for one use only; becomes interior."""
        op = value.owner
        if not isinstance(op, kind) or not self._is_inside(op):
            return None
        self.interior.append(op)
        return op

    def product(self) -> tuple[float, list[SSAValue]] | None:
        """The root as `coefficient * value * ..`; None if it is no multiplication or division.

        Looks through multiplications, and divisions by numbers, that have no other use.
        """
        if not isinstance(self.root, MulOp | DivOp) or not _keeps_type(self.root):
            return None
        return self._factors(self.root, MAX_DEPTH)

    def _factors(self, op: MulOp | DivOp, depth: int) -> tuple[float, list[SSAValue]] | None:
        """The factors of `op`; None where something that is no number is divided by."""
        coefficient = 1.0
        values: list[SSAValue] = []
        if isinstance(op, DivOp):
            divisor = self._number(op.rhs)
            if divisor is None or divisor == 0.0:
                return None
            coefficient /= divisor
        for operand in (op.lhs,) if isinstance(op, DivOp) else (op.lhs, op.rhs):
            number = self._number(operand)
            if number is not None:
                coefficient *= number
                continue
            inside = operand.owner
            factors = None
            if depth and isinstance(inside, MulOp | DivOp) and self._is_inside(inside):
                factors = self._factors(inside, depth - 1)
            if factors is None:
                values.append(operand)
            else:
                self.interior.append(inside)  # pyright: ignore[reportArgumentType]
                coefficient *= factors[0]
                values += factors[1]
        return coefficient, values

    def affine(self, value: SSAValue) -> tuple[SSAValue, float, float]:
        """`value` as `base * scale + offset`, with the deepest base that can be reached."""
        scale, offset = 1.0, 0.0
        for _ in range(MAX_DEPTH):
            op = value.owner
            if not isinstance(op, ARITHMETIC) or not self._is_inside(op):
                break
            bases = [operand for operand in op.operands if self._number(operand) is None]
            if len(bases) != 1:
                break
            parts = [
                (0.0, 1.0) if operand is bases[0] else (self._number(operand) or 0.0,)
                for operand in op.operands
            ]
            step = _combine(op, parts)
            if step is None or len(step) != 2:
                break
            self.interior.append(op)
            value, scale, offset = bases[0], scale * step[1], offset + scale * step[0]
        return value, scale, offset

    def polynomial(
        self, value: SSAValue, base: SSAValue, depth: int = MAX_DEPTH
    ) -> Polynomial | None:
        """`value` as a polynomial of `base`; None if it is none of at most MAX_DEGREE."""
        if value is base:
            return 0.0, 1.0
        number = self._number(value)
        if number is not None:
            return (number,)
        op = value.owner
        if not depth or not isinstance(op, ARITHMETIC) or not self._is_inside(op):
            return None
        parts: list[Polynomial] = []
        for operand in op.operands:
            part = self.polynomial(operand, base, depth - 1)
            if part is None:
                return None
            parts.append(part)
        self.interior.append(op)
        return _combine(op, parts)

    def replace(self, rewriter: PatternRewriter, new: NnOp) -> None:
        """Replaces the root, and with it the interior, by `new`, unless placements differ.

        The new op computes the root's value, so it is the root's layer and has its range.
        """
        interior = in_program_order(self.root, self.interior)
        if not same_placement(self.root, *interior):
            return
        new.attributes.update(self.root.attributes)
        absorb(new, *interior)
        rewriter.replace(self.root, new)

    def _number(self, value: SSAValue) -> float | None:
        return scalar(value, self.weights)

    def _is_inside(self, op: NnOp) -> bool:
        return sole_user(op.results[0]) is not None and _keeps_type(op)


def _keeps_type(op: NnOp) -> bool:
    """Float, no broadcasting, no cast: operands that are no constants have the result's type."""
    type = op.results[0].type
    return is_float(element_of_value(op.results[0])) and all(
        operand.type == type for operand in op.operands if not isinstance(operand.owner, ConstantOp)
    )


def _combine(op: Operation, parts: Sequence[Polynomial]) -> Polynomial | None:
    """The polynomial that `op` makes of its operands' polynomials."""
    match op, parts:
        case NegOp(), [x]:
            return tuple(-c for c in x)
        case ((AddOp() | SubOp()), [left, right]):
            sign = -1.0 if isinstance(op, SubOp) else 1.0
            size = max(len(left), len(right))
            terms = zip(_padded(left, size), _padded(right, size), strict=True)
            return tuple(a + sign * b for a, b in terms)
        case MulOp(), [left, right]:
            return _multiply(left, right)
        case DivOp(), [left, (divisor,)] if divisor != 0.0:
            return tuple(c / divisor for c in left)
        case PowOp(), [x, (exponent,)] if exponent in range(1, MAX_DEGREE + 1):
            result: Polynomial | None = x
            for _ in range(int(exponent) - 1):
                result = None if result is None else _multiply(result, x)
            return result
        case _:
            return None


def _multiply(left: Polynomial, right: Polynomial) -> Polynomial | None:
    size = len(left) + len(right) - 1
    if size > MAX_DEGREE + 1:
        return None
    return tuple(
        sum(left[i] * right[power - i] for i in range(len(left)) if 0 <= power - i < len(right))
        for power in range(size)
    )


def _padded(values: Sequence[float], size: int) -> Polynomial:
    return (*values, *(0.0,) * (size - len(values)))


def in_program_order(root: NnOp, ops: Sequence[NnOp]) -> list[NnOp]:
    """`ops`, each once, in the order they stand before `root`."""
    left = set(ops)
    ordered: list[NnOp] = []
    op = root.prev_op
    while op is not None and left:
        if isinstance(op, NnOp) and op in left:
            left.discard(op)
            ordered.append(op)
        op = op.prev_op
    return ordered[::-1]

"""Matching expressions by what they compute, not by the order they are written in.

Exporters write `0.5 * x * (1 + erf(x / sqrt(2)))` in a dozen ways: the half may stand anywhere,
a division may be a multiplication, a cube may be a power. The recognizers therefore ask for an
expression's normal form: the factors of a product, the coefficients of a polynomial.

An expression's inner values must have no other use, since they would have to be kept for it.
"""

from __future__ import annotations

import math
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

RELATIVE_TOLERANCE = 1e-3
"""How far a constant may be from the one a pattern asks for: exporters write 1/6 as 0.1667."""

MAX_DEPTH = 12
"""Ops on a path through an expression; the longest known, tanh GELU, has 6 under its tanh."""

MAX_DEGREE = 3


def close(value: float, expected: float) -> bool:
    """Equal within RELATIVE_TOLERANCE; zero must be zero up to float32 rounding of a sum near 1."""
    return math.isclose(value, expected, rel_tol=RELATIVE_TOLERANCE, abs_tol=1e-6)


def all_close(values: tuple[float, ...] | None, expected: tuple[float, ...]) -> bool:
    """Coefficient by coefficient `close`; missing high powers are zero."""
    if values is None or len(values) > len(expected):
        return False
    padded = (*values, *(0.0,) * (len(expected) - len(values)))
    return all(map(close, padded, expected))


@dataclass
class Expression:
    """One attempt to match the expression that ends in `root`; records the ops inside it."""

    root: NnOp
    weights: WeightStore
    interior: list[NnOp] = field(default_factory=list)

    # --- navigation -------------------------------------------------------------------------

    def inner(self, value: SSAValue, kind: type[OpT]) -> OpT | None:
        """The op of type `kind` that computes `value` for one use only; becomes interior."""
        op = value.owner
        if not isinstance(op, kind) or sole_user(value) is None:
            return None
        if not self._keeps_type(op):
            return None
        self.interior.append(op)
        return op

    def _keeps_type(self, op: NnOp) -> bool:
        """No broadcasting and no cast: every operand that is no constant has the result's type."""
        return is_float(element_of_value(op.results[0])) and all(
            operand.type == op.results[0].type
            for operand in op.operands
            if not isinstance(operand.owner, ConstantOp)
        )

    def scalar(self, value: SSAValue) -> float | None:
        return scalar(value, self.weights)

    # --- normal forms -----------------------------------------------------------------------

    def product(self) -> tuple[float, list[SSAValue]] | None:
        """The root as `coefficient * factor * ..`; None if it is no product.

        Looks through multiplications, and divisions by numbers, that have no other use.
        """
        if not isinstance(self.root, MulOp | DivOp) or not self._keeps_type(self.root):
            return None
        return self._factors(self.root, MAX_DEPTH)

    def _factors(self, op: MulOp | DivOp, depth: int) -> tuple[float, list[SSAValue]] | None:
        coefficient = 1.0
        values: list[SSAValue] = []
        for operand in op.operands:
            number = self.scalar(operand)
            if number is not None:
                if isinstance(op, MulOp) or operand is op.lhs:
                    coefficient *= number
                elif number == 0.0:
                    return None
                else:
                    coefficient /= number
                continue
            inside = operand.owner
            if (
                isinstance(inside, MulOp | DivOp)
                and depth
                and sole_user(operand) is not None
                and self._keeps_type(inside)
            ):
                deeper = self._factors(inside, depth - 1)
                if deeper is not None and not (isinstance(op, DivOp) and operand is op.rhs):
                    self.interior.append(inside)
                    coefficient *= deeper[0]
                    values += deeper[1]
                    continue
            values.append(operand)
            if isinstance(op, DivOp) and operand is op.rhs:
                return None
        return coefficient, values

    def affine(self, value: SSAValue) -> tuple[SSAValue, float, float]:
        """`value` as `base * scale + offset`, with the deepest base that can be reached."""
        scale, offset = 1.0, 0.0
        for _ in range(MAX_DEPTH):
            op = value.owner
            if not isinstance(op, AddOp | SubOp | MulOp | DivOp | NegOp):
                break
            if sole_user(value) is None or not self._keeps_type(op):
                break
            step = self._affine_step(op)
            if step is None:
                break
            value, factor, shift = step
            scale, offset = scale * factor, offset + scale * shift
            self.interior.append(op)
        return value, scale, offset

    def _affine_step(
        self, op: AddOp | SubOp | MulOp | DivOp | NegOp
    ) -> tuple[SSAValue, float, float] | None:
        """The operand of `op` that is no number, and what `op` multiplies and adds."""
        if isinstance(op, NegOp):
            return op.x, -1.0, 0.0
        left, right = self.scalar(op.lhs), self.scalar(op.rhs)
        if (left is None) == (right is None):
            return None
        value = op.rhs if right is None else op.lhs
        match op:
            case AddOp():
                return value, 1.0, right if left is None else left  # type: ignore[return-value]
            case MulOp():
                return value, right if left is None else left, 0.0  # type: ignore[return-value]
            case _:
                return None

    def polynomial(
        self, value: SSAValue, base: SSAValue, depth: int = MAX_DEPTH
    ) -> tuple[float, ...] | None:
        """Coefficients, constant first, of `value` as a polynomial of `base`.

        None if it is none, or of a degree above MAX_DEGREE.
        """
        if value is base:
            return 0.0, 1.0
        number = self.scalar(value)
        if number is not None:
            return (number,)
        op = value.owner
        if not depth or not isinstance(op, AddOp | SubOp | MulOp | DivOp | NegOp | PowOp):
            return None
        if sole_user(value) is None or not self._keeps_type(op):
            return None
        parts = [self.polynomial(operand, base, depth - 1) for operand in op.operands]
        if any(part is None for part in parts):
            return None
        result = _combine(op, [part for part in parts if part is not None])
        if result is not None:
            self.interior.append(op)
        return result

    # --- rewriting --------------------------------------------------------------------------

    def replace(self, rewriter: PatternRewriter, new: NnOp) -> bool:
        """Replaces the root, and with it the interior, by `new`; False if placements differ.

        The new op computes the root's value, so it is the root's layer, with its range.
        """
        interior = sorted(
            dict.fromkeys(self.interior), key=lambda op: _position(op)
        )
        if not same_placement(self.root, *interior):
            return False
        new.attributes.update(self.root.attributes)
        absorb(new, *interior)
        rewriter.replace(self.root, new)
        return True

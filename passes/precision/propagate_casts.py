"""Pass `propagate-casts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType, f32
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from dialects.context import OctetContext
from dialects.elements import HALVES, dtype_of
from dialects.nn.attributes import Precision, PrecisionAttr
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import CastOp
from dialects.nn.movement import GatherOp, SliceOp
from passes.base import Numerics, OctetPass
from passes.dataflow import data_operands, fill_value, moves_data
from passes.facts import NO_ROUND_TRIP_CASTS, NO_UNUSED_OPS
from runtime.reference.precision import narrow

PRECISIONS: dict[Attribute, Precision] = {element: Precision(str(element)) for element in HALVES}


class SinkWidening(RewritePattern):
    """`move(widen(h))` is `widen(move(h))`."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, NnOp) or not moves_data(op) or len(op.results) != 1:
            return
        narrow_values = [widened_from(op.operands[index]) for index in data_operands(op)]
        present = [value for value in narrow_values if value is not None]
        elements = {element_of_value(value) for value in present}
        if len(present) != len(narrow_values) or len(elements) != 1:
            return
        element = elements.pop()
        if not _fill_is_exact(op, element):
            return
        moved = on_halves(op, present, element)
        back = CastOp.make(moved.results[0], result_elements=[f32])
        rewriter.replace(op, [moved, back], [back.result])


class HoistNarrowing(RewritePattern):
    """`narrow(move(x))` is `move(narrow(x))`."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, NnOp) or not moves_data(op) or len(op.results) != 1:
            return
        (result,) = op.results
        element = sole_narrowing(result)
        positions = data_operands(op)
        constant = all(isinstance(op.operands[i].owner, ConstantOp) for i in positions)
        if element is None or (isinstance(op, SliceOp | GatherOp) and not constant):
            return
        if any(element_of_value(op.operands[index]) != f32 for index in positions):
            return
        casts = [CastOp.make(op.operands[i], result_elements=[element]) for i in positions]
        moved = on_halves(op, [cast.result for cast in casts], element)
        for use in list(result.uses):
            rewriter.replace(use.operation, [], [moved.results[0]])
        rewriter.replace(op, [*casts, moved], [None])


def widened_from(value: SSAValue) -> SSAValue | None:
    """The 16-bit value that `value` is the float32 form of, or None."""
    owner = value.owner
    if not isinstance(owner, CastOp) or element_of_value(value) != f32:
        return None
    return owner.x if element_of_value(owner.x) in HALVES else None


def sole_narrowing(value: SSAValue) -> Attribute | None:
    """The one 16-bit type that every use of a float32 `value` casts it to, or None."""
    users = [use.operation for use in value.uses]
    if not users or element_of_value(value) != f32:
        return None
    if not all(isinstance(user, CastOp) for user in users):
        return None
    elements = {element_of_value(user.results[0]) for user in users}
    element = elements.pop()
    return element if not elements and element in HALVES else None


def _fill_is_exact(op: NnOp, element: Attribute) -> bool:
    """What `op` fills in, if anything, is a number of the 16-bit type."""
    value = fill_value(op)
    if value is None:
        return True
    real = np.array(value, np.float32)
    return bool(narrow(real, dtype_of(element)).astype(np.float32) == real)


def on_halves(op: NnOp, operands: Sequence[SSAValue], element: Attribute) -> NnOp:
    """The movement op `op` on 16-bit operands."""
    replaced = dict(zip(data_operands(op), operands, strict=True))
    moved = type(op).create(
        operands=[replaced.get(index, value) for index, value in enumerate(op.operands)],
        result_types=[TensorType(element, shape_of(op.results[0]))],
        properties=dict(op.properties),
        attributes=dict(op.attributes),
    )
    moved.precision = PrecisionAttr(PRECISIONS[element])
    if moved.placed_by is None:
        moved.placed_by = StringAttr("movement: the 16-bit floats of its neighbours pass through")
    return moved


@dataclass(frozen=True)
class PropagateCastsPass(OctetPass):
    """Moves widening casts down and narrowing casts up through ops that only move data.

    Before:

        %1 = nn.cast %0 : (tensor<1x8x4x4xbf16>) -> tensor<1x8x4x4xf32>
        %2 = nn.max_pool %1 <..> : (tensor<1x8x4x4xf32>) -> tensor<1x8x2x2xf32>

    After:

        %1 = nn.max_pool %0 <..> : (tensor<1x8x4x4xbf16>) -> tensor<1x8x2x2xbf16>
        %2 = nn.cast %1 : (tensor<1x8x2x2xbf16>) -> tensor<1x8x2x2xf32>

    so that the op moves half the bytes. Two rules:

    - *Sink*: `move(widen(h))` is `widen(move(h))`, for every movement op, max-pool and the extremes
      included: widening is exact and monotone, element by element. Other users of the cast keep
      it. It does not fire when operands differ in type, or when a pad fills in a number that the
      16-bit type does not have.
    - *Hoist*: `narrow(move(x))` is `move(narrow(x))`: rounding is monotone. It does not fire when
      the result has a use other than casts to one 16-bit type, or through slice and gather, which
      would round more than is used; a constant table is rounded when compiling, so they let it
      pass.

    An op placed in float32 stays in float32. Both rules are exact.
    """

    name = "propagate-casts"
    NUMERICS: ClassVar = Numerics.EXACT
    INVALIDATES: ClassVar = frozenset({NO_ROUND_TRIP_CASTS, NO_UNUSED_OPS})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [SinkWidening(), HoistNarrowing()])

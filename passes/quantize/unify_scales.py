"""Pass `unify-scales`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import SSAValue
from xdsl.rewriter import Rewriter

from dialects.context import OctetContext
from dialects.nn.base import NnOp, shape_of
from dialects.nn.scheme import Scheme
from dialects.program import body_of, main_function, range_of, scheme_of
from dialects.quant import QuantizeCastOp, UniformQuantizedType
from passes.base import Numerics, OctetPass
from passes.dataflow import (
    data_operands,
    element_of_quantized,
    fill_value,
    is_constant,
    moves_data,
    quantizations,
    quantized_element,
    stored_behind,
)
from passes.facts import (
    MOVEMENT_ON_INTEGERS,
    NO_ADJACENT_DCAST_QCAST,
    NO_DUPLICATE_CASTS,
    ON_TENSORS,
    QDQ_INSERTED,
    SCALES_UNIFIED,
)
from passes.quantize.parameters import bounds_of, element_by_scheme, union


@dataclass(frozen=True)
class UnifyScalesPass(OctetPass):
    """Choose one scale and zero point for the operands and the result of movement ops.

    Before:

        %aq = quant.qcast %a : .. -> tensor<..x!quant.uniform<u8:f32, 0.1>>      range 0 .. 25.5
        %bq = quant.qcast %b : .. -> tensor<..x!quant.uniform<u8:f32, 0.2:10>>   range -2 .. 49
        %c = nn.concat %ad, %bd <axis = 1>       (%ad, %bd dequantize %aq, %bq)
        %cq = quant.qcast %c : .. -> tensor<..x!quant.uniform<u8:f32, 0.21:9>>

    After:

        %aq, %bq, %cq all of tensor<..x!quant.uniform<u8:f32, 0.2:10>>           range -2 .. 49

    after which the concatenation moves stored integers. Concatenations in a chain, and values that
    two of them share, end in one group. A max-pool, a slice or a reshape takes its operand's type:
    its values are some of its operand's, so their narrower range would only cost a conversion.

    A `scheme` is kept. A value with fixed numbers never changes its type: the others of its group
    take it if it expresses their ranges, else they agree among themselves. A value whose scheme
    asks for another storage or symmetry than the group agrees on keeps its own type. What is kept
    apart is counted, and requantized where it is moved.

    Fires only on pairs whose value has a calibrated `range`: the parameters of an imported Q/DQ
    pair are part of the model and stay, and `propagate-qdq` requantizes around them. Does not fire
    through a movement op that will stay float because some operand and its result are not
    quantized.
    """

    name = "unify-scales"
    NUMERICS: ClassVar = Numerics.QUANTIZES
    REQUIRES: ClassVar = frozenset({ON_TENSORS, QDQ_INSERTED})
    ESTABLISHES: ClassVar = frozenset({SCALES_UNIFIED})
    INVALIDATES: ClassVar = frozenset(
        {MOVEMENT_ON_INTEGERS, NO_ADJACENT_DCAST_QCAST, NO_DUPLICATE_CASTS}
    )

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        for pairs, element in disagreements(module):
            for cast in pairs:
                if keeps_scheme(cast, element):
                    retype(cast, element)
                else:
                    self.count(ctx, "kept apart by a scheme")
            self.count(ctx, "groups")


def disagreements(
    module: ModuleOp,
) -> Iterator[tuple[list[QuantizeCastOp], UniformQuantizedType]]:
    """Quantizes that movement ties together and that differ in type, and the type for them."""
    moves = [
        op for op in body_of(main_function(module)).ops if isinstance(op, NnOp) and moves_data(op)
    ]
    for group in Groups.of(moves).members():
        pairs = [cast for value in group for cast in free_quantizations(value)]
        if len({quantized_element(cast.result) for cast in pairs}) < 2:
            continue
        element = fixed_for_all(group, pairs) or unified(group, pairs)
        if element is not None:
            yield pairs, element


def mismatched(module: ModuleOp) -> list[QuantizeCastOp]:
    """The quantizes that the pass would give another type."""
    return [
        cast
        for pairs, element in disagreements(module)
        for cast in pairs
        if keeps_scheme(cast, element) and quantized_element(cast.result) != element
    ]


class Groups:
    """Disjoint sets of values that must share one quantized type (union-find)."""

    def __init__(self) -> None:
        self._parent: dict[SSAValue, SSAValue] = {}

    @classmethod
    def of(cls, moves: Iterable[NnOp]) -> Groups:
        """Ties operands and results of the movement ops that can work on integers."""
        moves = list(moves)
        covered: set[SSAValue] = set()
        for op in moves:
            if all(is_covered(op.operands[index], covered) for index in data_operands(op)):
                covered.add(op.results[0])
        demanded: set[SSAValue] = set()
        for op in reversed(moves):
            result = op.results[0]
            users = [use.operation for use in result.uses]
            if any(
                isinstance(user, QuantizeCastOp)
                or (isinstance(user, NnOp) and moves_data(user) and user.results[0] in demanded)
                for user in users
            ):
                demanded.add(result)
        groups = cls()
        for op in moves:
            result = op.results[0]
            if result in covered or result in demanded:
                for index in data_operands(op):
                    groups.tie(source_value(op.operands[index]), result)
        return groups

    def tie(self, left: SSAValue, right: SSAValue) -> None:
        self._parent[self._root(left)] = self._root(right)

    def _root(self, value: SSAValue) -> SSAValue:
        path: list[SSAValue] = []
        while (parent := self._parent.setdefault(value, value)) is not value:
            path.append(value)
            value = parent
        for passed in path:
            self._parent[passed] = value
        return value

    def members(self) -> list[list[SSAValue]]:
        """The sets, in order of the first tie of each."""
        sets: dict[SSAValue, list[SSAValue]] = {}
        for value in list(self._parent):
            sets.setdefault(self._root(value), []).append(value)
        return list(sets.values())


def source_value(value: SSAValue) -> SSAValue:
    """The float value behind a quantize/dequantize pair that may be retyped; else `value`."""
    stored = stored_behind(value)
    cast = stored.owner if stored is not None else None
    if isinstance(cast, QuantizeCastOp) and range_of(cast.input) is not None:
        return cast.input
    return value


def free_quantizations(value: SSAValue) -> list[QuantizeCastOp]:
    """The quantizes of a calibrated value, whose type is ours to choose."""
    if range_of(value) is None or is_constant(value):
        return []
    return [cast for cast in quantizations(value) if _is_per_tensor(cast)]


def _is_per_tensor(cast: QuantizeCastOp) -> bool:
    element = quantized_element(cast.result)
    return element is not None and element.channel_axis is None


def is_covered(value: SSAValue, covered: set[SSAValue]) -> bool:
    """The value is quantized, or moved from quantized values."""
    source = source_value(value)
    return stored_behind(value) is not None or bool(free_quantizations(source)) or source in covered


def fixed_for_all(
    group: list[SSAValue], pairs: list[QuantizeCastOp]
) -> UniformQuantizedType | None:
    """The one type that schemes of the group fix, if it expresses the other values too."""
    fixed = [cast for cast in pairs if scheme_of(cast.input).is_fixed]
    elements = {element_of_quantized(cast.result) for cast in fixed}
    if len(elements) != 1:
        return None
    (element,) = elements
    low, high = bounds_of(element)
    given, members = {cast.input for cast in fixed}, set(group)
    for cast in pairs:
        bounds = range_of(cast.input)
        assert bounds is not None
        if cast.input in given or _moved_from(cast.input, given, members):
            continue
        if bounds[0] < low or bounds[1] > high:
            return None
    return element


def keeps_scheme(cast: QuantizeCastOp, element: UniformQuantizedType) -> bool:
    """`element` is what the scheme of the quantized value asks for, as far as it asks."""
    scheme = scheme_of(cast.input)
    if scheme.is_fixed:
        return element == element_of_quantized(cast.result)
    storage = "s8" if element.is_signed else "u8"
    return (
        scheme.storage in (None, storage)
        and (not scheme.limits_storage or element.limits == scheme.limits(storage))
        and (not scheme.symmetric or _is_symmetric(element))
    )


def unified(group: list[SSAValue], pairs: list[QuantizeCastOp]) -> UniformQuantizedType | None:
    """The type for the union of the ranges of `pairs`; None if schemes fix them all.

    A value moved from quantized values of the group adds nothing: it holds some of theirs. The
    storage type and symmetry are those that a scheme asks for, else those of the first pair.
    """
    pairs = [cast for cast in pairs if not scheme_of(cast.input).is_fixed]
    paired = {cast.input for cast in pairs}
    members = set(group)
    ranges: list[tuple[float, float]] = []
    for value in paired:
        bounds = range_of(value)
        assert bounds is not None
        if not _moved_from(value, paired, members):
            ranges.append(bounds)
    if not ranges:
        return None
    elements = [element_of_quantized(cast.result) for cast in pairs]
    asked = Scheme()
    for cast in reversed(pairs):
        asked = Scheme(**{**asked.values(), **scheme_of(cast.input).form()})
    return element_by_scheme(
        asked,
        union(ranges),
        "s8" if elements[0].is_signed else "u8",
        symmetric=all(map(_is_symmetric, elements)),
    )


def _moved_from(value: SSAValue, quantized: set[SSAValue], members: set[SSAValue]) -> bool:
    """`value` is made by movement ops from quantized values of the group only."""
    pending = [value]
    while pending:
        current = pending.pop()
        op = current.owner
        if not isinstance(op, NnOp) or not moves_data(op) or current not in members:
            return False
        if fill_value(op) not in (None, 0.0):
            return False
        for index in data_operands(op):
            operand = source_value(op.operands[index])
            if operand not in quantized:
                pending.append(operand)
    return True


def _is_symmetric(element: UniformQuantizedType) -> bool:
    """The zero point is one that `activation_element` gives symmetric types."""
    (zero_point,) = element.zero_points.get_values()
    low, high = element.limits
    return zero_point in ((low + high + 1) // 2, max(low, 0))


def retype(cast: QuantizeCastOp, element: UniformQuantizedType) -> None:
    """Changes the type a pair rounds to; its dequantizes give floats as before."""
    Rewriter.replace_value_with_new_type(cast.result, TensorType(element, shape_of(cast.result)))

"""What a layer's error comes from, and the rule of a recipe that would mend it.

Its error alone has three sources: its result is rounded to the steps of its type, or clipped where
the type ends, and what is left comes from rounding its inputs and weights. The greatest decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from xdsl.ir import Operation, SSAValue

from compiler.accuracy.measure import Storage, ValueErrors
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp, Quantization, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.scheme import Scheme
from dialects.program import scheme_of
from dialects.quant import UniformQuantizedType
from passes.placement.rules import RESULT, Rule
from passes.placement.selectors import quoted
from passes.quantize.saturation import function_of

Kind = Literal["saturation", "coarse scale", "outliers", "weights per tensor", "rounding"]

FEW_LEVELS = 0.6
"""Below this part of the levels between the extremes, the scale is coarser than the values need:
by min-max calibration on the same data the part is near 1."""
CENTRE, NARROW = 0.999, 1 / 3
"""All but one in 1,000 values within this part of the levels: the range was made by outliers."""


@dataclass(frozen=True)
class Cause:
    """`why` in words; `rule` is None where no rule would help."""

    kind: Kind
    why: str
    rule: Rule | None = field(default=None)


def cause_of(
    value: SSAValue, errors: ValueErrors, *, name: str, is_input: bool, quantized: SSAValue
) -> Cause | None:
    """The likely cause of the error that the layer of a value makes; None if it makes none, as
    ops that only move data: their error is that of what they move.

    - value: in the placed program, `quantized`: the same in the quantized one.
    - name: of the input of the program, or of the part of a fused layer that gives its result.
    """
    total = errors.alone.noise
    if total == 0.0 or (isinstance(op := value.owner, NnOp) and is_movement(op)):
        return None
    at = Rule(input=name) if is_input else Rule(select=f"name:{quoted(name)}")
    storage = errors.storage
    if storage is not None and storage.clipped > total / 2:
        if (function := _cut_for(value)) is not None:
            why = f"{_saturation(storage)}, where the int8 {function.mnemonic} behind it is flat"
            return Cause("saturation", why)
        return Cause("saturation", _saturation(storage), _range_rule(at, storage))
    if storage is not None and storage.noise > total / 2:
        return _cause_of_rounding(value, storage, at)
    if is_input:
        return None
    if any(_is_per_tensor(operand) for operand in _weights(quantized)):
        rule = replace(at, scheme=Scheme(per_channel=True))
        return Cause("weights per tensor", "one scale for all output channels of its weights", rule)
    what = "its weights" if any(map(_is_weight, _weights(quantized))) else "what it computes with"
    return Cause("rounding", f"rounding of {what}", replace(at, precision=Precision.BF16))


def _cut_for(value: SSAValue) -> NnOp | None:
    """The function that alone reads a value and for which `insert-qdq` cut the value's range."""
    function = function_of(value)
    cut = function is not None and function.is_int8 and not scheme_of(value).is_fixed
    return function if cut else None


def is_movement(op: NnOp) -> bool:
    return op.QUANTIZATION is Quantization.MOVES


def _cause_of_rounding(value: SSAValue, storage: Storage, at: Rule) -> Cause:
    used = storage.span(1.0)
    if used < FEW_LEVELS:
        count = round(used * len(storage.levels))
        return Cause(
            "coarse scale",
            f"its values use {count} of {len(storage.levels)} levels: the scale is "
            f"{1 / used:.1f} times what they need",
            _range_rule(at, storage),
        )
    centre = storage.span(CENTRE)
    method = scheme_of(value).calibration_method
    if centre < NARROW and method is None and not scheme_of(value).is_fixed:
        return Cause(
            "outliers",
            f"{100 * CENTRE:g} % of its values use {centre:.0%} of the levels: few outliers make "
            "the range",
            replace(at, scheme=Scheme(calibration_method="mse")),
        )
    rule = None if at.select is None else replace(at, precision=Precision.BF16)
    return Cause("rounding", "rounding of its result, all levels used", rule)


def _saturation(storage: Storage) -> str:
    low, high = storage.type.limits
    scale = float(max(storage.type.scales.get_values()))
    zero = int(storage.type.zero_points.get_values()[0])
    return (
        f"{storage.saturated:.2%} of its values, which reach from {storage.least:.4g} to "
        f"{storage.greatest:.4g}, lie beyond {(low - zero) * scale:.4g} to "
        f"{(high - zero) * scale:.4g}"
    )


def _range_rule(at: Rule, storage: Storage) -> Rule:
    scheme = Scheme(range=(storage.least, storage.greatest))
    return replace(at, tensor=None if at.select is None else RESULT, scheme=scheme)


def _weights(value: SSAValue) -> Iterable[SSAValue]:
    """The constant operands of the op that computes a quantized value."""
    op = value.owner
    return op.operands if isinstance(op, Operation) else ()


def _is_weight(value: SSAValue) -> bool:
    """A quantized constant of two dimensions and more."""
    element = element_of_value(value)
    return (
        isinstance(value.owner, ConstantOp)
        and isinstance(element, UniformQuantizedType)
        and element.storage.width.data <= 8
        and len(shape_of(value)) > 1
    )


def _is_per_tensor(value: SSAValue) -> bool:
    """A weight with one scale."""
    element = element_of_value(value)
    return (
        _is_weight(value)
        and isinstance(element, UniformQuantizedType)
        and element.channel_axis is None
    )

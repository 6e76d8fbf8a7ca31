"""Which ops can run in int8: what the target says, and what the op and its operands must be."""

from __future__ import annotations

from collections.abc import Mapping

from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from dialects.nn.base import NnOp, Quantization, element_of_value
from dialects.program import range_of
from dialects.quant import QuantizeCastOp, UniformQuantizedType
from dialects.target import Int8Rule, Target
from passes.dataflow import (
    constant_of,
    data_operands,
    quantizations,
    quantized_element,
    stored_behind,
    varying_operand,
)
from passes.placement.limits import limit_obstacle

LOOKUP = "lookup"
"""The capability behind every unary op: a 256-entry table."""

_ANY = ("u8", "s8")
BUILT_IN: Mapping[str, Int8Rule] = {
    "conv": Int8Rule(_ANY, constant=("weight", "bias")),
    "matmul": Int8Rule(_ANY, constant=("b", "bias")),
    "attention": Int8Rule(_ANY),
    "add": Int8Rule(_ANY),
    "sub": Int8Rule(_ANY),
    "mul": Int8Rule(_ANY),
    "avg_pool": Int8Rule(_ANY),
    "reduce_mean": Int8Rule(_ANY),
    LOOKUP: Int8Rule(_ANY),
}
"""What the reference arithmetic defines in int8; used when no target is given."""

ANCHORS = frozenset({"conv", "matmul"})
"""Ops worth int8 on their own. The others only follow int8 neighbours: alone, the conversions
on both sides cost more time and accuracy than int8 saves."""


FLOAT_RESULT = frozenset({"conv", "matmul"})
"""Ops whose int32 sums can be scaled to float instead of being rounded to 8 bits again."""


def capability_of(op: NnOp) -> str:
    """The name under which a target lists the kernel that `op` would use in int8."""
    return LOOKUP if varying_operand(op) is not None else op.mnemonic


def obstacle(op: NnOp, target: Target | None) -> str | None:
    """Why `op` cannot run in int8, or None if it can. Says nothing of whether it should."""
    capability = capability_of(op)
    rule = (BUILT_IN if target is None else target.int8).get(capability)
    if op.QUANTIZATION is Quantization.FLOAT and capability != LOOKUP:
        return f"{op.mnemonic} has no int8 form"
    if rule is None:
        name = "the reference" if target is None else f"target {target.name}"
        return f"{name} has no int8 kernel for {op.mnemonic}"
    if target is not None:
        limits = target.limits.get(("int8", capability))
        if (exceeded := limit_obstacle(op, limits)) is not None:
            return exceeded
    names = op.operand_names()
    for name, value in zip(names, op.operands, strict=True):
        if name in rule.constant and constant_of(value) is None:
            return f"{op.mnemonic} needs a constant {name} for int8"
    varying = varying_operand(op)
    data = data_operands(op) if varying is None else [varying]
    for index in data:
        name, value = names[index], op.operands[index]
        is_weight = constant_of(value) is not None and name in op.WEIGHT_AXES
        problem = _not_f32(f"operand {name}", value)
        if problem is None and not is_weight and not is_added_in_float(op, name):
            problem = _operand_obstacle(op, name, value) or signed_obstacle(op, name, value, rule)
        if problem is not None:
            return problem
    return _result_obstacle(op, rule)


def is_added_in_float(op: NnOp, operand: str) -> bool:
    """A fused residual where the result has no scale, so that `insert-qdq` leaves it float and
    takes the addition out again: as in models whose ranges are those of their Q/DQ pairs."""
    result = op.results[0]
    return (
        operand == "residual"
        and op.mnemonic in FLOAT_RESULT
        and range_of(result) is None
        and next(quantizations(result), None) is None
    )


def _operand_obstacle(op: NnOp, name: str, value: SSAValue) -> str | None:
    stored = stored_behind(value)
    if stored is not None:
        element = quantized_element(stored)
        assert element is not None
        if element.channel_axis is not None or element.storage.width.data != 8:
            return f"operand {name} is quantized to {element}, not per tensor to 8 bits"
        if constant_of(value) is None:
            return None
    if constant_of(value) is not None:
        return f"operand {name} of {op.mnemonic} is a constant tensor"
    return None if range_of(value) is not None else f"no calibrated range on operand {name}"


def signed_obstacle(op: NnOp, name: str, value: SSAValue, rule: Int8Rule) -> str | None:
    """The value needs a storage type or a zero point that the rule's activations do not have.

    Integers of the model are taken as they are. Other values get a type of the rule; unsigned
    integers with zero point 0 express no negative numbers, so a range that reaches below 0 is an
    obstacle where nothing else is legal.
    """
    stored = stored_behind(value)
    element = None if stored is None else quantized_element(stored)
    if element is not None:
        return _stored_obstacle(name, element, rule)
    bounds = range_of(value)
    if bounds is None or bounds[0] >= 0 or rule.zero_point is None or "s8" in rule.activations:
        return None
    what = name if name == "the result" else f"operand {name}"
    return (
        f"{what} of {op.mnemonic} is signed (range {bounds[0]:.3g} .. {bounds[1]:.3g}), int8 "
        "activations are u8 with zero point 0 only"
    )


def _stored_obstacle(name: str, element: UniformQuantizedType, rule: Int8Rule) -> str | None:
    storage = "u8" if element.limits[0] >= 0 else "s8"
    if storage not in rule.activations:
        return f"operand {name} is quantized to {storage}, not {' or '.join(rule.activations)}"
    (zero_point,) = element.zero_points.get_values()
    if rule.zero_point is not None and zero_point != rule.zero_point:
        return f"operand {name} has zero point {zero_point}, not {rule.zero_point}"
    return None


def _result_obstacle(op: NnOp, rule: Int8Rule) -> str | None:
    result = op.results[0]
    if op.mnemonic not in FLOAT_RESULT:
        signed = signed_obstacle(op, "the result", result, rule)
        if signed is not None:
            return signed
    known = range_of(result) is not None or next(quantizations(result), None) is not None
    if not known and op.mnemonic not in FLOAT_RESULT:
        return "no calibrated range on the result"
    return _not_f32("the result", result)


def _not_f32(what: str, value: SSAValue) -> str | None:
    element = element_of_value(value)
    return None if element == f32 else f"{what} is {element}, not f32"


def quantized_in_source(op: NnOp) -> bool:
    """The model itself wraps `op` in Q/DQ: data from dequantizes, the result to quantizes only."""
    varying = varying_operand(op)
    data = data_operands(op) if varying is None else [varying]
    operands = [op.operands[index] for index in data if op.operand_names()[index] != "bias"]
    users = [use.operation for use in op.results[0].uses]
    return (
        bool(operands)
        and bool(users)
        and all(stored_behind(value) is not None for value in operands)
        and all(isinstance(user, QuantizeCastOp) for user in users)
    )

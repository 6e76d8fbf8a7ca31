"""Which matrix products can keep their weights in few bits, or quantize activations at run time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import f32

from dialects.errors import OctetError
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.linear import MatmulOp
from dialects.nn.linear_format import WEIGHTS, LinearFormat
from dialects.target import Target
from dialects.weights import WeightStore
from passes.dataflow import weight_operand
from passes.placement.rules import Rule
from passes.quantize.parameters import fits

BUILT_IN: frozenset[str] = frozenset(WEIGHTS)
"""What the reference arithmetic defines; used when no target is given."""
DYNAMIC_OPS = frozenset({"matmul"})
"""Op types with a dynamic form."""

MOST_DEPTH = (2**31 - 1) // (255 * 127)
"""Products of u8 and s8 whose sum 32 bits hold, whatever they are."""


def check_weights(rule: Rule, ops: Sequence[NnOp]) -> list[NnOp]:
    """The ops that a rule about weights is about: those of `ops` that have constant ones.

    Raises OctetError if it names ops, but none with weights.
    """
    found = [op for op in ops if weight_operand(op) is not None]
    if ops and not found:
        where = f"{rule.origin}: " if rule.origin else ""
        raise OctetError(
            f"{where}no op that '{rule.select}' names has a constant weight, which "
            f"'{rule.format}' is about"
        )
    return found


def format_obstacle(
    op: NnOp, format: LinearFormat, target: Target | None, weights: WeightStore
) -> str | None:
    """Why `op` cannot have `format`, or None if it can."""
    what = "dynamic quantization" if format.is_dynamic else f"{format.weights} weights alone"
    if not isinstance(op, MatmulOp):
        return f"{op.mnemonic} has no form for {what}"
    if not _supported(format, target):
        return f"no matmul kernel for {what}"
    constant = op.b.owner
    if not isinstance(constant, ConstantOp):
        return f"matmul needs a constant b in float for {what}"
    for name, value in zip(op.operand_names(), op.operands, strict=True):
        if element_of_value(value) != f32:
            return f"operand {name} is {element_of_value(value)}, not f32"
    if len(shape_of(op.b)) != 2:
        return f"b of rank {len(shape_of(op.b))} is no single matrix, as {what} needs"
    array = constant.array(weights)
    if not np.isfinite(array).all():
        return "the weight holds NaN or Inf"
    if not fits(float(array.min(initial=0.0)), float(array.max(initial=0.0))):
        return "the weight's values are too great for an 8-bit scale"
    depth = shape_of(op.b)[0]
    if format.is_dynamic and depth > MOST_DEPTH:
        return f"sums of {depth} products may not fit in 32 bits; the most are {MOST_DEPTH}"
    return None


def _supported(format: LinearFormat, target: Target | None) -> bool:
    if format.is_dynamic:
        return target is None or "matmul" in target.dynamic
    return format.weights in (BUILT_IN if target is None else target.weight_only)

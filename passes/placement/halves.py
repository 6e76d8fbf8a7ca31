"""Which ops can run in bf16 or f16: what the target says, and whether their numbers fit."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import bf16, f16, f32
from xdsl.ir import Attribute, SSAValue

from dialects.elements import dtype_of
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp, element_of_value
from dialects.nn.constant import ConstantOp
from dialects.program import range_of
from dialects.target import Target
from dialects.weights import WeightStore
from passes.dataflow import data_operands
from passes.placement.limits import limit_obstacle

ELEMENTS: dict[Precision, Attribute] = {Precision.BF16: bf16, Precision.F16: f16}

GREATEST = {Precision.BF16: 3.3895313892515355e38, Precision.F16: 65504.0}
"""The greatest finite number of each type."""

ANCHORS = frozenset({"conv", "conv_transpose", "matmul"})
"""Ops worth 16 bits on their own. The others only follow neighbours in few bits: alone, the
conversions on both sides cost more time than half the bytes save."""

BUILT_IN = frozenset(
    {
        *ANCHORS,
        *("add", "sub", "mul", "div", "min", "max", "prelu"),
        *("relu", "leaky_relu", "elu", "hard_swish", "hard_sigmoid", "sigmoid", "silu", "tanh"),
        *("erf", "gelu", "neg", "abs", "clip"),
        *("avg_pool", "reduce_mean", "softmax", "layer_norm", "instance_norm", "attention"),
    }
)
"""Ops that lose little when their operands and results are rounded to 16 bits; used when no
target is given. Exponentials, logarithms and powers on their own are not among them: they magnify
the relative error of what they are given."""

KEPT_IN_FLOAT32: dict[str, frozenset[str]] = {
    "conv": frozenset({"bias"}),
    "conv_transpose": frozenset({"bias"}),
    "matmul": frozenset({"bias"}),
    "attention": frozenset({"mask"}),
    "layer_norm": frozenset({"scale", "bias"}),
    "instance_norm": frozenset({"scale", "bias"}),
}
"""Operands that kernels take as float32 whatever the others are: few numbers, added to sums; a mask
often holds the least float32 number, which 16 bits do not have."""


def narrowed_operands(op: NnOp) -> list[int]:
    """Positions of the operands that a 16-bit `op` takes in 16 bits."""
    kept = KEPT_IN_FLOAT32.get(op.mnemonic, frozenset())
    names = op.operand_names()
    return [index for index in data_operands(op) if names[index] not in kept]


def half_obstacle(
    op: NnOp, precision: Precision, target: Target | None, weights: WeightStore
) -> str | None:
    """Why `op` cannot run in bf16 or f16, or None if it can. Says nothing of whether it should."""
    supported = BUILT_IN if target is None else _supported(target, precision)
    if op.mnemonic not in supported:
        return f"no {precision} kernel for {op.mnemonic}"
    if target is not None:
        limits = target.limits.get((precision.value, op.mnemonic))
        if (exceeded := limit_obstacle(op, limits)) is not None:
            return exceeded
    names = op.operand_names()
    half = ELEMENTS[precision]
    for index in data_operands(op):
        value, name = op.operands[index], names[index]
        if element_of_value(value) not in (f32, half):
            return f"operand {name} is {element_of_value(value)}, not f32"
        if index in narrowed_operands(op) and not _fits(value, precision, weights):
            return f"operand {name} exceeds the range of {precision}"
    result = op.results[0]
    if element_of_value(result) not in (f32, half):
        return f"the result is {element_of_value(result)}, not f32"
    return None if _fits(result, precision, weights) else f"the result exceeds {precision}"


def _supported(target: Target, precision: Precision) -> frozenset[str]:
    return target.bf16 if precision is Precision.BF16 else target.f16


def _fits(value: SSAValue, precision: Precision, weights: WeightStore) -> bool:
    """No finite number of a constant, or of a calibrated range, becomes infinite in 16 bits."""
    bounds = range_of(value)
    if isinstance(value.owner, ConstantOp):
        array = value.owner.array(weights)
        with np.errstate(over="ignore"):
            rounded = array.astype(dtype_of(ELEMENTS[precision])).astype(np.float32)
        return bool(np.all(np.isfinite(rounded) | ~np.isfinite(array.astype(np.float32))))
    return bounds is None or max(map(abs, bounds)) <= GREATEST[precision]

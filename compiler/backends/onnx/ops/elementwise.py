"""Unary and binary arithmetic, comparisons, activations, casts."""

from __future__ import annotations

import math

from xdsl.dialects.builtin import f32

from compiler.frontends.onnx.tensors import code_of_dtype
from dialects.elements import HALVES, dtype_of, is_float
from dialects.nn import elementwise as nn
from dialects.nn.base import NnOp, element_of_value

from ..node import OpContext
from ..registry import emitter

_SAME_OPERANDS: dict[type[NnOp], str] = {
    nn.AbsOp: "Abs",
    nn.AddOp: "Add",
    nn.AndOp: "And",
    nn.CeilOp: "Ceil",
    nn.DivOp: "Div",
    nn.EqualOp: "Equal",
    nn.ErfOp: "Erf",
    nn.ExpOp: "Exp",
    nn.FloorOp: "Floor",
    nn.GreaterEqualOp: "GreaterOrEqual",
    nn.GreaterOp: "Greater",
    nn.HardSwishOp: "HardSwish",
    nn.LessEqualOp: "LessOrEqual",
    nn.LessOp: "Less",
    nn.LogOp: "Log",
    nn.MaxOp: "Max",
    nn.MinOp: "Min",
    nn.MulOp: "Mul",
    nn.NegOp: "Neg",
    nn.NotOp: "Not",
    nn.OrOp: "Or",
    nn.PReluOp: "PRelu",
    nn.PowOp: "Pow",
    nn.ReciprocalOp: "Reciprocal",
    nn.ReluOp: "Relu",
    nn.RoundOp: "Round",
    nn.SigmoidOp: "Sigmoid",
    nn.SignOp: "Sign",
    nn.SqrtOp: "Sqrt",
    nn.SubOp: "Sub",
    nn.TanhOp: "Tanh",
    nn.WhereOp: "Where",
    nn.XorOp: "Xor",
}
"""Ops that have the same operands in ONNX, and no attributes."""

_SAME_ATTRIBUTES: dict[type[NnOp], str] = {
    nn.EluOp: "Elu",
    nn.HardSigmoidOp: "HardSigmoid",
    nn.LeakyReluOp: "LeakyRelu",
}
"""... and the same attributes."""


@emitter(*_SAME_OPERANDS)
def emit_same_operands(op: NnOp, node: OpContext) -> str:
    return node.emit(_SAME_OPERANDS[type(op)], *map(node.operand, op.operands))


@emitter(*_SAME_ATTRIBUTES)
def emit_same_attributes(op: NnOp, node: OpContext) -> str:
    return node.emit(_SAME_ATTRIBUTES[type(op)], *map(node.operand, op.operands), **op.values())


@emitter(nn.ModOp)
def emit_mod(op: nn.ModOp, node: OpContext) -> str:
    """Floats take the dividend's sign, integers the divisor's."""
    floats = is_float(element_of_value(op.lhs))
    return node.emit("Mod", node.operand(op.lhs), node.operand(op.rhs), fmod=1 if floats else None)


@emitter(nn.ClipOp)
def emit_clip(op: nn.ClipOp, node: OpContext) -> str:
    return clamp(node, node.operand(op.x), op.min.value.data, op.max.value.data)


def clamp(node: OpContext, x: str, low: float, high: float, *, fused: bool = False) -> str:
    """A Relu, or a Clip with the bounds that are finite; `fused` into the op of this name."""
    if (low, high) == (0.0, math.inf):
        return node.emit("Relu", x, part="Relu" if fused else "")
    bounds = [
        node.number(bound, what) if math.isfinite(bound) else ""
        for bound, what in ((low, "min"), (high, "max"))
    ]
    return node.emit("Clip", x, *bounds, part="Clip" if fused else "")


@emitter(nn.SiluOp)
def emit_silu(op: nn.SiluOp, node: OpContext) -> str:
    x = node.operand(op.x)
    return node.emit("Mul", x, node.emit("Sigmoid", x, part="Sigmoid"))


@emitter(nn.GeluOp)
def emit_gelu(op: nn.GeluOp, node: OpContext) -> str:
    """Written out in the form of PyTorch's exporter, which runtimes fuse again."""
    x = node.operand(op.x)
    if op.approximate.data == "tanh":
        gate = node.emit("Tanh", _tanh_argument(node, x), part="Tanh")
    else:
        argument = node.emit("Div", x, node.number(math.sqrt(2), "sqrt2"), part="Div")
        gate = node.emit("Erf", argument, part="Erf")
    gate = node.emit("Add", gate, node.number(1.0, "one"), part="Add")
    return node.emit("Mul", node.emit("Mul", x, gate, part="Mul"), node.number(0.5, "half"))


def _tanh_argument(node: OpContext, x: str) -> str:
    """`sqrt(2 / pi) * (x + 0.044715 x^3)`."""
    cube = node.emit("Pow", x, node.number(3.0, "three"), part="Pow")
    small = node.emit("Mul", cube, node.number(0.044715, "cubic"), part="cubic/Mul")
    total = node.emit("Add", x, small, part="cubic/Add")
    return node.emit("Mul", total, node.number(math.sqrt(2 / math.pi), "factor"), part="factor/Mul")


@emitter(nn.CastOp)
def emit_cast(op: nn.CastOp, node: OpContext) -> str:
    """16-bit floats are what the exporter rounds every such result to."""
    target = element_of_value(op.result)
    code = code_of_dtype(dtype_of(f32 if target in HALVES else target))
    return node.emit("Cast", node.operand(op.x), to=code)

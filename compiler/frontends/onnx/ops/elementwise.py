"""Unary and binary arithmetic, comparisons, activations, casts."""

from __future__ import annotations

import math

import numpy as np

from dialects.elements import boolean, is_float
from dialects.errors import OctetError
from dialects.nn import elementwise as nn
from dialects.nn.base import NnOp

from ..node import NodeContext
from ..registry import importer
from ..values import Tensor

_UNARY: dict[str, type[NnOp]] = {
    "Abs": nn.AbsOp,
    "Ceil": nn.CeilOp,
    "Erf": nn.ErfOp,
    "Exp": nn.ExpOp,
    "Floor": nn.FloorOp,
    "HardSwish": nn.HardSwishOp,
    "Log": nn.LogOp,
    "Neg": nn.NegOp,
    "Not": nn.NotOp,
    "Reciprocal": nn.ReciprocalOp,
    "Relu": nn.ReluOp,
    "Round": nn.RoundOp,
    "Sigmoid": nn.SigmoidOp,
    "Sign": nn.SignOp,
    "Sqrt": nn.SqrtOp,
    "Tanh": nn.TanhOp,
}

_BINARY: dict[str, type[NnOp]] = {
    "Add": nn.AddOp,
    "And": nn.AndOp,
    "Div": nn.DivOp,
    "Equal": nn.EqualOp,
    "Greater": nn.GreaterOp,
    "GreaterOrEqual": nn.GreaterEqualOp,
    "Less": nn.LessOp,
    "LessOrEqual": nn.LessEqualOp,
    "Mul": nn.MulOp,
    "Or": nn.OrOp,
    "Sub": nn.SubOp,
    "Xor": nn.XorOp,
}

_VARIADIC: dict[str, type[NnOp]] = {"Max": nn.MaxOp, "Min": nn.MinOp, "Sum": nn.AddOp}


def _register_unary(op_type: str, kind: type[NnOp]) -> None:
    @importer(op_type)
    def import_unary(node: NodeContext) -> Tensor:
        return node.emit(kind, node.operand(0))


def _register_binary(op_type: str, kind: type[NnOp]) -> None:
    @importer(op_type)
    def import_binary(node: NodeContext) -> Tensor:
        a, b = node.operand(0), node.operand(1)
        node.same_elements(a, b)
        return node.emit(kind, a, b)


def _register_variadic(op_type: str, kind: type[NnOp]) -> None:
    @importer(op_type)
    def import_variadic(node: NodeContext) -> Tensor:
        return _chain(node, kind)


for _op_type, _kind in _UNARY.items():
    _register_unary(_op_type, _kind)
for _op_type, _kind in _BINARY.items():
    _register_binary(_op_type, _kind)
for _op_type, _kind in _VARIADIC.items():
    _register_variadic(_op_type, _kind)


def _chain(node: NodeContext, kind: type[NnOp]) -> Tensor:
    """`kind(kind(a, b), c)...`; one operand stands for itself."""
    result, *others = node.operands()
    node.same_elements(result, *others)
    for other in others:
        result = node.emit(kind, result, other)
    return result


@importer("Mean")
def import_mean(node: NodeContext) -> Tensor:
    total = _chain(node, nn.AddOp)
    if node.operand_count == 1:
        return total
    return node.emit(nn.DivOp, total, node.literal(node.operand_count, total))


@importer("Pow")
def import_pow(node: NodeContext) -> Tensor:
    # The exponent may have another element type: the result has that of the base.
    return node.emit(nn.PowOp, node.operand(0), node.operand(1))


@importer("Mod")
def import_mod(node: NodeContext) -> Tensor:
    """`fmod = 0` takes the divisor's sign, `fmod = 1` the dividend's.

    nn.mod does the former for integers, the latter for floats; the other two are composed.
    """
    a, b = node.operand(0), node.operand(1)
    node.same_elements(a, b)
    dividend_sign = node.integer("fmod", 0) == 1
    if is_float(a.element) == dividend_sign:
        return node.emit(nn.ModOp, a, b)
    if dividend_sign:
        # What a division toward zero leaves.
        quotient = node.emit(nn.DivOp, a, b)
        return node.emit(nn.SubOp, a, node.emit(nn.MulOp, quotient, b))
    remainder = node.emit(nn.ModOp, a, b)
    zero = node.literal(0, a)
    signs_differ = node.emit(
        nn.LessOp, node.emit(nn.MulOp, node.emit(nn.SignOp, remainder), b), zero
    )
    return node.emit(nn.WhereOp, signs_differ, node.emit(nn.AddOp, remainder, b), remainder)


@importer("Where")
def import_where(node: NodeContext) -> Tensor:
    condition, x, y = node.operand(0), node.operand(1), node.operand(2)
    node.same_elements(x, y)
    if condition.element != boolean:
        raise OctetError(f"the condition should be boolean, got {condition.element}")
    return node.emit(nn.WhereOp, condition, x, y)


# --- activations ----------------------------------------------------------------------------


@importer("LeakyRelu")
def import_leaky_relu(node: NodeContext) -> Tensor:
    return node.emit(nn.LeakyReluOp, node.operand(0), alpha=node.number("alpha", 0.01))


@importer("Elu")
def import_elu(node: NodeContext) -> Tensor:
    return node.emit(nn.EluOp, node.operand(0), alpha=node.number("alpha", 1.0))


@importer("HardSigmoid")
def import_hard_sigmoid(node: NodeContext) -> Tensor:
    return node.emit(
        nn.HardSigmoidOp,
        node.operand(0),
        alpha=node.number("alpha", 0.2),
        beta=node.number("beta", 0.5),
    )


@importer("Gelu")
def import_gelu(node: NodeContext) -> Tensor:
    return node.emit(nn.GeluOp, node.operand(0), approximate=node.text("approximate", "none"))


@importer("Gelu", domain="com.microsoft")
def import_microsoft_gelu(node: NodeContext) -> Tensor:
    return node.emit(nn.GeluOp, node.operand(0), approximate="none")


@importer("Swish")
def import_swish(node: NodeContext) -> Tensor:
    x, alpha = node.operand(0), node.number("alpha", 1.0)
    if alpha == 1.0:
        return node.emit(nn.SiluOp, x)
    gate = node.emit(nn.SigmoidOp, node.emit(nn.MulOp, x, node.literal(alpha, x)))
    return node.emit(nn.MulOp, x, gate)


@importer("PRelu")
def import_prelu(node: NodeContext) -> Tensor:
    x, slope = node.operand(0), node.operand(1)
    node.same_elements(x, slope)
    return node.emit(nn.PReluOp, x, slope)


@importer("Clip")
def import_clip_by_attributes(node: NodeContext) -> Tensor:
    # The defaults of opset 6 are the limits of float32, which are no bounds.
    low, high = node.number("min", -math.inf), node.number("max", math.inf)
    limit = float(np.finfo(np.float32).max)
    return node.emit(
        nn.ClipOp,
        node.operand(0),
        min=-math.inf if low <= -limit else low,
        max=math.inf if high >= limit else high,
    )


@importer("Clip", since=11)
def import_clip(node: NodeContext) -> Tensor:
    x, bounds = node.operand(0), [node.optional(1), node.optional(2)]
    node.same_elements(x, *bounds)
    known = [None if b is None else node.builder.contents(b) for b in bounds]
    if all(b is None or array is not None for b, array in zip(bounds, known, strict=True)):
        low, high = (None if array is None else float(array.item()) for array in known)
        return node.emit(
            nn.ClipOp,
            x,
            min=-math.inf if low is None else low,
            max=math.inf if high is None else high,
        )
    if bounds[0] is not None:
        x = node.emit(nn.MaxOp, x, bounds[0])
    return x if bounds[1] is None else node.emit(nn.MinOp, x, bounds[1])


# --- casts and copies -----------------------------------------------------------------------


@importer("Cast")
def import_cast(node: NodeContext) -> Tensor:
    # `saturate` and `round_mode` concern 8-bit floats only.
    node.ignore("saturate", "round_mode")
    return node.convert(node.operand(0), node.element_type("to"))


@importer("CastLike")
def import_cast_like(node: NodeContext) -> Tensor:
    node.ignore("saturate", "round_mode")
    return node.convert(node.operand(0), node.operand(1).element)


@importer("Identity")
def import_identity(node: NodeContext) -> Tensor:
    return node.maybe_quantized(0)


@importer("Dropout")
def import_dropout(node: NodeContext) -> tuple[Tensor, ...]:
    """At inference the input itself; the mask, if wanted, is all true."""
    node.ignore("ratio", "seed", "is_test")
    training = node.optional_constant(2, "training_mode")
    if training is not None and bool(training.item()):
        raise OctetError("training_mode is true; export the model for inference")
    x = node.maybe_quantized(0)
    if not node.wants(1):
        return (x,)
    # True whatever x is: NaN differs from itself, so equality alone would not do.
    equal = node.emit(nn.EqualOp, node.operand(0), node.operand(0))
    return x, node.emit(nn.OrOp, equal, node.emit(nn.NotOp, equal))

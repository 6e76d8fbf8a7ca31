"""What kernels compute per element, as `arith` and `math` ops: the bodies of fused loops.

Operation for operation what `runtime.kernels.scalar_functions` and `runtime.kernels.normalization`
do, so that fusing changes no bit.
"""

from __future__ import annotations

import math as reals
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import AnyFloat, FloatAttr, f32
from xdsl.ir import Attribute, Block, Operation, SSAValue

from dialects.kernel.loops import FoldOp, LengthOp


class BodyBuilder:
    """Appends scalar ops to a block. The same op on the same values is built once."""

    def __init__(self, arguments: Sequence[Attribute]) -> None:
        self.block = Block(arg_types=arguments)
        self.scalars: list[float] = []
        self._inputs = len(arguments)
        self._known: dict[tuple[Any, ...], SSAValue] = {}

    def scalar(self, value: float) -> SSAValue:
        """A number of the model: an argument of the body, behind the operands."""
        key = ("scalar", repr(float(value)))
        if key not in self._known:
            self.scalars.append(float(value))
            self._known[key] = self.block.insert_arg(f32, len(self.block.args))
        return self._known[key]

    def add(self, op: Operation) -> SSAValue:
        types = (result.type for result in op.results)
        key = (op.name, *op.operands, *op.properties.values(), *types)
        if key not in self._known:
            self.block.add_op(op)
            self._known[key] = op.results[0]
        return self._known[key]

    # --- scalar ops -------------------------------------------------------------------------

    def number(self, value: float) -> SSAValue:
        """A number that belongs to the structure."""
        return self.add(arith.ConstantOp(FloatAttr(value, f32)))

    def plus(self, a: SSAValue, b: SSAValue) -> SSAValue:
        return self.add(arith.AddfOp(a, b))

    def minus(self, a: SSAValue, b: SSAValue) -> SSAValue:
        return self.add(arith.SubfOp(a, b))

    def times(self, a: SSAValue, b: SSAValue) -> SSAValue:
        return self.add(arith.MulfOp(a, b))

    def over(self, a: SSAValue, b: SSAValue) -> SSAValue:
        return self.add(arith.DivfOp(a, b))

    def compare(self, predicate: str, a: SSAValue, b: SSAValue) -> SSAValue:
        return self.add(arith.CmpfOp(a, b, predicate))

    def select(self, condition: SSAValue, a: SSAValue, b: SSAValue) -> SSAValue:
        return self.add(arith.SelectOp(condition, a, b))

    def at_least(self, x: SSAValue, low: SSAValue) -> SSAValue:
        """low where x < low, else x: NaN stays."""
        return self.select(self.compare("olt", x, low), low, x)

    def at_most(self, x: SSAValue, high: SSAValue) -> SSAValue:
        return self.select(self.compare("ogt", x, high), high, x)

    def rounded(self, x: SSAValue, element: Attribute) -> SSAValue:
        """x as storing it in a 16-bit float and loading it again would leave it."""
        half = self.add(arith.TruncFOp(x, cast(AnyFloat, element)))
        return self.add(arith.ExtFOp(half, f32))

    def unit(self, x: SSAValue) -> SSAValue:
        """x limited to [0, 1]."""
        return self.at_most(self.at_least(x, self.number(0.0)), self.number(1.0))

    def call(self, function: Callable[[SSAValue], Operation], x: SSAValue) -> SSAValue:
        return self.add(function(x))

    def fold(self, kind: str, x: SSAValue) -> SSAValue:
        return self.add(FoldOp.of(kind, x))

    def mean(self, x: SSAValue) -> SSAValue:
        return self.over(self.fold("add", x), self.add(LengthOp.of()))


Options = Mapping[str, Any]
Body = Callable[[BodyBuilder, Mapping[str, SSAValue], Options], SSAValue]
"""From operands by name and options to the result's value."""


def _unary(function: Callable[[SSAValue], Operation]) -> Body:
    return lambda b, v, _: b.call(function, v["x"])


def _binary(function: Callable[[SSAValue, SSAValue], Operation]) -> Body:
    return lambda b, v, _: b.add(function(v["lhs"], v["rhs"]))


def _comparison(predicate: str) -> Body:
    return lambda b, v, _: b.compare(predicate, v["lhs"], v["rhs"])


def _relu(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    return b.at_least(v["x"], b.number(0.0))


def _clip(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    return b.at_most(b.at_least(v["x"], b.scalar(o["min"])), b.scalar(o["max"]))


def _from_zero(b: BodyBuilder, x: SSAValue, below: SSAValue) -> SSAValue:
    """x where x >= 0, else `below`."""
    return b.select(b.compare("oge", x, b.number(0.0)), x, below)


def _leaky_relu(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    return _from_zero(b, v["x"], b.times(v["x"], b.scalar(o["alpha"])))


def _prelu(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    return _from_zero(b, v["lhs"], b.times(v["lhs"], v["rhs"]))


def _elu(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    negative = b.times(b.scalar(o["alpha"]), b.call(math.ExpM1Op, v["x"]))
    return b.select(b.compare("ogt", v["x"], b.number(0.0)), v["x"], negative)


def _hard_swish(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    x = v["x"]
    return b.times(x, b.unit(b.plus(b.times(x, b.number(1.0 / 6.0)), b.number(0.5))))


def _hard_sigmoid(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    return b.unit(b.plus(b.times(v["x"], b.scalar(o["alpha"])), b.scalar(o["beta"])))


def _sigmoid(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    one = b.number(1.0)
    return b.over(one, b.plus(one, b.call(math.ExpOp, b.call(arith.NegfOp, v["x"]))))


def _silu(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    return b.times(v["x"], _sigmoid(b, v, o))


def _gelu(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    x, half, one = v["x"], b.number(0.5), b.number(1.0)
    if o["approximate"] == "none":
        phi = b.call(math.ErfOp, b.times(x, b.number(reals.sqrt(0.5))))
    else:
        cubic = b.times(b.times(b.times(b.number(0.044715), x), x), x)
        inner = b.times(b.number(reals.sqrt(2.0 / reals.pi)), b.plus(x, cubic))
        phi = b.call(math.TanhOp, inner)
    return b.times(b.times(half, x), b.plus(one, phi))


def _reciprocal(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    return b.over(b.number(1.0), v["x"])


def _where(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    return b.select(v["condition"], v["x"], v["y"])


def _itself(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    return v["x"]  # the result's type quantizes or rounds it


ELEMENT_BODIES: Mapping[str, Body] = {
    "relu": _relu,
    "clip": _clip,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "hard_swish": _hard_swish,
    "hard_sigmoid": _hard_sigmoid,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "gelu": _gelu,
    "reciprocal": _reciprocal,
    "tanh": _unary(math.TanhOp),
    "erf": _unary(math.ErfOp),
    "sqrt": _unary(math.SqrtOp),
    "exp": _unary(math.ExpOp),
    "log": _unary(math.LogOp),
    "neg": _unary(arith.NegfOp),
    "abs": _unary(math.AbsFOp),
    "floor": _unary(math.FloorOp),
    "ceil": _unary(math.CeilOp),
    "round": _unary(math.RoundEvenOp),
    "add": _binary(arith.AddfOp),
    "sub": _binary(arith.SubfOp),
    "mul": _binary(arith.MulfOp),
    "div": _binary(arith.DivfOp),
    "min": _binary(arith.MinimumfOp),
    "max": _binary(arith.MaximumfOp),
    "prelu": _prelu,
    "equal": _comparison("oeq"),
    "less": _comparison("olt"),
    "less_equal": _comparison("ole"),
    "greater": _comparison("ogt"),
    "greater_equal": _comparison("oge"),
    "where": _where,
    "quantize": _itself,
    "cast": _itself,
}
"""Kernels that work element by element; casts between floats only."""

ROUND_NOTHING = frozenset({"relu", "neg", "abs", "floor", "ceil", "round", "min", "max", "where"})
"""Kernels whose result is a 16-bit float where their operands are, before it is rounded."""


def _softmax(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    powers = b.call(math.ExpOp, b.minus(v["x"], b.fold("max", v["x"])))
    return b.over(powers, b.fold("add", powers))


def _layer_norm(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    deviation = b.minus(v["x"], b.mean(v["x"]))
    variance = b.mean(b.times(deviation, deviation))
    root = b.call(math.SqrtOp, b.plus(variance, b.scalar(o["epsilon"])))
    result = b.times(deviation, b.over(b.number(1.0), root))
    if "scale" in v:
        result = b.times(result, v["scale"])
    return b.plus(result, v["bias"]) if "bias" in v else result


def _fold(kind: str) -> Body:
    return lambda b, v, _: b.fold(kind, v["x"])


def _mean(b: BodyBuilder, v: Mapping[str, SSAValue], o: Options) -> SSAValue:
    return b.mean(v["x"])


ROW_BODIES: Mapping[str, Body] = {
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    "reduce_sum": _fold("add"),
    "reduce_mean": _mean,
    "reduce_max": _fold("max"),
    "reduce_min": _fold("min"),
}
"""Kernels that also combine the elements of a row."""

"""Pass `insert-qdq`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType, f32
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.nn.attributes import Precision, PrecisionAttr, WeightAttr
from dialects.nn.base import NnOp, Quantization, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import AddOp, ClipOp, ReluOp
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.nn.scheme import Scheme
from dialects.origin import set_indices
from dialects.program import nn_ops, range_of, scheme_of
from dialects.quant import DequantizeCastOp, QuantizeCastOp, UniformQuantizedType
from dialects.target import Int8Rule
from passes.base import Numerics, OctetPass
from passes.dataflow import (
    constant_of,
    consumers,
    data_operands,
    moves_data,
    quantizations,
    quantized_element,
    stored_behind,
    varying_operand,
    weight_operand,
)
from passes.facts import (
    MOVEMENT_ON_INTEGERS,
    NO_ADJACENT_DCAST_QCAST,
    NO_UNUSED_OPS,
    ON_TENSORS,
    OPS_NUMBERED,
    PRECISION_PLACED,
    QDQ_INSERTED,
    RANGES_KNOWN,
    SCALES_UNIFIED,
)
from passes.integer.proofs import (
    INT32_MAX,
    accumulator_bounds,
    channel_magnitudes,
    least_weight_scale,
    quantized_bias,
)
from passes.placement.capabilities import FLOAT_RESULT, capability_of, is_added_in_float
from passes.quantize.fixed import check_fixed, weight_scheme
from passes.quantize.parameters import element_by_scheme, fits, weight_element_by_scheme
from passes.quantize.saturation import Bounds, distinguished, function_of
from runtime.reference.evaluate import params_of
from runtime.reference.quantization import quantize

WIDEST_INPUT = 255
"""max|x - zx| of 8 bits for any zero point: what is proved here survives `unify-scales`."""

MOST_WIDENING = 4.0
"""Widening a weight scale by more than this loses over two of its eight bits."""


@dataclass(frozen=True)
class InsertQdqPass(OctetPass):
    """Wrap int8 ops in quantize/dequantize pairs, one per value.

    Before:

        %y = nn.conv %x, %w, bias = %b <..> {precision = #nn<precision int8>, range = ..} : ..
        %z = nn.conv %y, .. {precision = #nn<precision int8>}

    After:

        %xq = quant.qcast %x : tensor<..xf32> -> tensor<..x!quant.uniform<u8:f32, 0.02:114>>
        %xd = quant.dcast %xq : ..
        %wq = nn.constant <value = ..> : tensor<..x!quant.uniform<i8<-127:127>:f32:0, {..}>>
        %wd = quant.dcast %wq : ..
        %y = nn.conv %xd, %wd, bias = %b <..> {..} : ..
        %yq = quant.qcast %y : ..
        %yd = quant.dcast %yq : ..
        %z = nn.conv %yd, ..

    One pair per value, however many ops use it, and none on a value that has one; integers and
    booleans are never touched. Activations get the type of their calibrated range. Weights are
    quantized at once, per output channel; a weight shared by several ops is quantized once. Biases
    stay float here: their scale is that of input times weight, which is final only when
    `quantize-ops` turns the op into integers (`unify-scales` and `correct-bias` come between).

    - *What the other users see.* The result of an int8 op exists only as integers, so every user
      takes the dequantized value. A value from a float op keeps its float users.
    - *Float results.* A convolution or matrix product none of whose users is int8 (the last layer)
      gives float straight from its 32-bit sums: no pair on its result. A fused residual is added in
      float behind it. `float-results=false` turns this off.
    - *Saturation.* A value that only an int8 function of one operand reads covers no more of its
      range than that function tells apart: below -3 all GELU gives is 0.
    - *Proof.* A weight whose sums or bias could exceed 32 bits gets a greater scale; where that
      would cost more than two bits, the op stays in float and says so in `placed_by`.

    A `scheme` or `weight_scheme` takes precedence over the options, key by key. Numbers that it
    fixes are used as they are or not at all: if the value does not become int8 after all, or the
    proof would need another scale, that is an error.

    `activation-type` and `weight-type` are u8 or s8; symmetric types have a fixed zero point;
    `reduce-range` keeps weights to 7 bits, `float-results` leaves last layers unrounded.
    """

    name = "insert-qdq"
    NUMERICS: ClassVar = Numerics.QUANTIZES
    REQUIRES: ClassVar = frozenset({ON_TENSORS, PRECISION_PLACED})
    ESTABLISHES: ClassVar = frozenset({QDQ_INSERTED})
    INVALIDATES: ClassVar = frozenset(
        {
            RANGES_KNOWN,
            OPS_NUMBERED,
            SCALES_UNIFIED,
            MOVEMENT_ON_INTEGERS,
            NO_ADJACENT_DCAST_QCAST,
            NO_UNUSED_OPS,
        }
    )

    activation_type: Literal["u8", "s8"] = "u8"
    activation_symmetric: bool = False
    per_channel: bool = True
    weight_type: Literal["u8", "s8"] = "s8"
    weight_symmetric: bool = True
    reduce_range: bool = False
    float_results: bool = True

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        ops = [op for op in nn_ops(module) if computes_in_int8(op)]
        self._check_target(ctx, ops)
        ops = [op for op in ops if not self._demoted(ctx, op, activation_problem(op))]
        ops = self._quantize_weights(ctx, ops)
        ops, float_results = self._split_float_results(ops)
        in_int8 = set(ops)
        for op in ops:
            for index in activations(op):
                if stored_behind(op.operands[index]) is None:
                    self._wrap(ctx, op.operands[index], in_int8)
        for op in ops:
            result = op.results[0]
            if op not in float_results and next(quantizations(result), None) is None:
                self._wrap(ctx, result, in_int8)
        for op in nn_ops(module):
            if moves_data(op) and scheme_of(op.results[0]).is_fixed and is_used_in_int8(op):
                self._wrap(ctx, op.results[0], {*in_int8, op})
        check_fixed(module)

    def _split_float_results(self, ops: Sequence[NnOp]) -> tuple[list[NnOp], set[NnOp]]:
        """The ops, residuals unfused where the result stays float, and those with such results.

        Users come before producers, so that a producer sees that its residual is added in float.
        """
        in_int8, kept, float_results = set(ops), list[NnOp](), set[NnOp]()
        for op in reversed(ops):
            if self._stays_float(op, in_int8):
                in_int8.discard(op)
                op = unfuse_residual(op)
                in_int8.add(op)
                float_results.add(op)
            kept.append(op)
        return kept[::-1], float_results

    def _check_target(self, ctx: OctetContext, ops: Sequence[NnOp]) -> None:
        for op in ops:
            rule = ctx.target.int8.get(capability_of(op)) if ctx.target is not None else None
            if rule is None:
                continue
            self._check_weight(ctx, op, rule)
            for index in activations(op):
                scheme = scheme_of(op.operands[index])
                storage = scheme.storage or self.activation_type
                if storage in rule.activations or stored_behind(op.operands[index]) is not None:
                    continue
                assert ctx.target is not None
                raise OctetError(
                    f"insert-qdq: target {ctx.target.name} has no {op.mnemonic} kernel for "
                    f"{storage} activations (layer {op.source_name}); "
                    + (
                        f"use activation-type={rule.activations[0]}"
                        if scheme.storage is None
                        else f"{scheme.who} asks for them: use {rule.activations[0]}"
                    )
                )

    def _check_weight(self, ctx: OctetContext, op: NnOp, rule: Int8Rule) -> None:
        index = weight_operand(op)
        if index is None or not isinstance(op.operands[index].owner, ConstantOp):
            return
        stored = stored_behind(op.operands[0])
        element = None if stored is None else quantized_element(stored)
        activation = scheme_of(op.operands[0]).storage or self.activation_type
        if element is not None:
            activation = "u8" if element.limits[0] >= 0 else "s8"
        weight = weight_scheme(op).storage or self.weight_type
        if not rule.multiplies(activation, weight):
            assert ctx.target is not None
            assert rule.products is not None
            raise OctetError(
                f"insert-qdq: target {ctx.target.name} has no {op.mnemonic} kernel for "
                f"{activation}x{weight} (layer {op.source_name}); it has {', '.join(rule.products)}"
            )

    def _demoted(self, ctx: OctetContext, op: NnOp, problem: str | None) -> bool:
        if problem is not None:
            op.precision = PrecisionAttr(Precision.F32)
            op.placed_by = StringAttr(f"insert-qdq: {problem}")
            self.count(ctx, "left in float")
        return problem is not None

    def _stays_float(self, op: NnOp, in_int8: set[NnOp]) -> bool:
        result = op.results[0]
        if op.mnemonic not in FLOAT_RESULT or next(quantizations(result), None) is not None:
            return False
        if range_of(result) is None:
            return True
        if scheme_of(result).is_fixed:
            return False
        return self.float_results and not any(
            user in in_int8 or isinstance(user, QuantizeCastOp) for user in consumers(result)
        )

    def _activation_element(
        self, ctx: OctetContext, value: SSAValue, in_int8: AbstractSet[Operation] = frozenset()
    ) -> UniformQuantizedType:
        bounds = range_of(value)
        assert bounds is not None
        function = function_of(value)
        if function is not None and function in in_int8 and not scheme_of(value).is_fixed:
            bounds = self._distinguished(ctx, bounds, function, in_int8)
        return element_by_scheme(
            scheme_of(value), bounds, self.activation_type, symmetric=self.activation_symmetric
        )

    def _distinguished(
        self, ctx: OctetContext, bounds: Bounds, function: NnOp, in_int8: AbstractSet[Operation]
    ) -> Bounds:
        """The part of a range that an int8 function still tells apart once it is quantized."""
        result = function.results[0]
        stored = next(quantizations(result), None)
        if stored is not None:
            element = quantized_element(stored.result)
        elif range_of(result) is None or function_of(result) in in_int8:
            element = None  # A chain of functions becomes one table: its end decides.
        else:
            element = self._activation_element(ctx, result)
        return bounds if element is None else distinguished(bounds, function, element, ctx)

    def _wrap(self, ctx: OctetContext, value: SSAValue, in_int8: set[NnOp]) -> None:
        """Puts the pair behind `value`'s definition and hands its result to the users."""
        owner = value.owner
        everywhere = owner in in_int8
        existing = [cast for cast in quantizations(value) if has_dequantize(cast)]
        if existing and not everywhere:
            pair = next(iter(dequantizations(existing[0])))
        else:
            element = self._activation_element(ctx, value, in_int8)
            quantized = QuantizeCastOp(value, TensorType(element, shape_of(value)))
            pair = DequantizeCastOp(quantized.result, TensorType(f32, shape_of(value)))
            Rewriter.insert_op([quantized, pair], after_definition(value))
            self.count(ctx, "pairs")
        for use in list(value.uses):
            user = use.operation
            if isinstance(user, QuantizeCastOp):
                continue
            wants = isinstance(user, NnOp) and user in in_int8 and use.index in activations(user)
            if everywhere or wants:
                user.operands[use.index] = pair.result

    # --- weights ----------------------------------------------------------------------------

    def _quantize_weights(self, ctx: OctetContext, ops: list[NnOp]) -> list[NnOp]:
        """Quantizes each weight once for all its int8 users; gives the ops that stay int8."""
        users: dict[tuple[SSAValue, int | None, Scheme], list[NnOp]] = {}
        for op in ops:
            index = weight_operand(op)
            if index is not None and isinstance(op.operands[index].owner, ConstantOp):
                key = (op.operands[index], self._axis(op, index), weight_scheme(op))
                users.setdefault(key, []).append(op)
        dropped: set[NnOp] = set()
        for (weight, axis, scheme), group in users.items():
            constant = weight.owner
            assert isinstance(constant, ConstantOp)
            found = self._weight_element(ctx, constant.array(ctx.weights), axis, scheme, group)
            if isinstance(found, str):
                dropped.update(op for op in group if self._demoted(ctx, op, found))
                continue
            element, stored = found
            quantized = ConstantOp.of(stored, ctx.weights, element)
            quantized.layer = constant.layer
            quantized.origin = WeightAttr(ctx.weights.add(constant.array(ctx.weights)))
            pair = DequantizeCastOp(quantized.result, TensorType(f32, stored.shape))
            Rewriter.insert_op([quantized, pair], InsertPoint.after(constant))
            self.count(ctx, "weights")
            for op in group:
                index = weight_operand(op)
                assert index is not None
                op.operands[index] = pair.result
            if not constant.result.uses:
                Rewriter.erase_op(constant)
        return [op for op in ops if op not in dropped]

    def _axis(self, op: NnOp, index: int) -> int | None:
        scheme = weight_scheme(op)
        per_channel = self.per_channel if scheme.per_channel is None else scheme.per_channel
        if scheme.scale is not None:
            per_channel = len(scheme.scale) > 1
        if not per_channel:
            return None
        return op.WEIGHT_AXES[op.operand_names()[index]] % len(shape_of(op.operands[index]))

    def _weight_element(
        self,
        ctx: OctetContext,
        weight: np.ndarray,
        axis: int | None,
        scheme: Scheme,
        users: Sequence[NnOp],
    ) -> tuple[UniformQuantizedType, np.ndarray] | str:
        """Type and integers of a weight that no user's sums overflow, or why there are none."""
        if not np.isfinite(weight).all():
            return "the weight holds NaN or Inf"
        if not fits(float(weight.min(initial=0.0)), float(weight.max(initial=0.0))):
            return "the weight's values are too great for an 8-bit scale"
        biases = [(self._input_scale(ctx, op), bias_of(op, ctx)) for op in users]
        if not all(bias is None or np.isfinite(bias).all() for _, bias in biases):
            return "the bias holds NaN or Inf"
        least: np.ndarray | float = 0.0
        for scale, bias in biases:
            if bias is not None:
                needed = least_weight_scale(bias, scale)
                least = np.maximum(least, needed if axis is not None else needed.max())
        for _ in range(8):
            element = weight_element_by_scheme(
                weight,
                axis,
                scheme,
                self.weight_type,
                symmetric=self.weight_symmetric,
                reduce_range=self.reduce_range,
                least_scale=least,
            )
            stored = quantize(weight, params_of(element))
            excess = max(
                accumulator_share(op, scale, bias, stored, element)
                for op, (scale, bias) in zip(users, biases, strict=True)
            )
            if excess <= 1.0:
                return element, stored
            if excess > MOST_WIDENING or scheme.scale is not None:
                break
            # 2 % more than needed: rounding the weights anew may add a little to the sums.
            least = np.array(element.scales.get_values()) * (excess * 1.02)
            least = least if axis is not None else float(least[0])
        return "its sums or its bias do not provably fit in 32 bits"

    def _input_scale(self, ctx: OctetContext, op: NnOp) -> float:
        value = op.operands[0]
        stored = stored_behind(value)
        element = (
            self._activation_element(ctx, value) if stored is None else quantized_element(stored)
        )
        assert element is not None
        return element.scales.get_values()[0]


def accumulator_share(
    op: NnOp,
    input_scale: float,
    bias: np.ndarray | None,
    stored: np.ndarray,
    element: UniformQuantizedType,
) -> float:
    """The proved bound of the sums of `op` as a share of what int32 holds."""
    steps = None
    if bias is not None:
        scales = np.float32(input_scale) * np.array(element.scales.get_values(), np.float32)
        steps = quantized_bias(bias, scales)
        if steps is None:
            return np.inf
    axis = op.WEIGHT_AXES["weight" if isinstance(op, ConvOp) else "b"]
    bounds = accumulator_bounds(channel_magnitudes(stored, element, axis), WIDEST_INPUT, steps)
    return float(bounds.max(initial=0)) / INT32_MAX


def is_used_in_int8(op: NnOp) -> bool:
    """The result of a movement op has no pair of its own, but what is moved from it has."""
    (result,) = op.results
    unquantized = next(quantizations(result), None) is None
    return unquantized and any(isinstance(user, QuantizeCastOp) for user in consumers(result))


def computes_in_int8(op: NnOp) -> bool:
    """Placed in int8, computing, and not on integers yet."""
    return (
        op.is_int8
        and op.QUANTIZATION is not Quantization.MOVES
        and not isinstance(op, ConstantOp)
        and not any(quantized_element(value) for value in (*op.operands, *op.results))
    )


def activations(op: NnOp) -> list[int]:
    """Positions of the operands that an int8 `op` takes as activations."""
    varying = varying_operand(op)
    if varying is not None:
        return [varying]
    names, weight = op.operand_names(), weight_operand(op)
    return [index for index in data_operands(op) if index != weight and names[index] != "bias"]


def bias_of(op: NnOp, ctx: OctetContext) -> np.ndarray | None:
    """The float bias of a convolution or matrix product, or None."""
    if not isinstance(op, ConvOp | MatmulOp) or op.bias is None:
        return None
    constant = constant_of(op.bias)
    assert constant is not None
    array = constant.array(ctx.weights)
    element = quantized_element(constant.result)
    if element is None:
        return array
    scales = np.array(element.scales.get_values(), np.float32)
    zero_points = np.array(element.zero_points.get_values(), np.int64)
    return (array.astype(np.int64) - zero_points).astype(np.float32) * scales


def activation_problem(op: NnOp) -> str | None:
    """Why the activations of `op` cannot be quantized, or None."""
    if isinstance(op, ConvOp | MatmulOp):
        if op.bias is not None and constant_of(op.bias) is None:
            return "the bias is not a constant"
        if len(shape_of(op.operands[1])) < 2:
            return "the second operand is a vector: it has no output channels"
    for index in activations(op):
        value, name = op.operands[index], op.operand_names()[index]
        if stored_behind(value) is not None or is_added_in_float(op, name):
            continue
        bounds = range_of(value)
        if bounds is None:
            return f"no calibrated range on operand {name}"
        if not fits(*bounds):
            return f"the range {list(bounds)} of operand {name} is too wide for 8 bits"
    bounds = range_of(op.results[0])
    if bounds is not None and not fits(*bounds):
        return f"the range {list(bounds)} of the result is too wide for 8 bits"
    known = bounds is not None or next(quantizations(op.results[0]), None) is not None
    return None if known or op.mnemonic in FLOAT_RESULT else "no calibrated range on the result"


def unfuse_residual(op: NnOp) -> NnOp:
    """Takes a fused residual, and the clamp behind it, out of an op with a float result.

    Gives the op without them, which is `op` itself where there is no residual.
    """
    if not isinstance(op, ConvOp | MatmulOp) or op.residual is None:
        return op
    residual, activation = op.residual, op.activation
    bare = type(op).make(
        op.operands[0],
        op.operands[1],
        op.bias,
        **{name: value for name, value in op.values().items() if name != "activation"},
    )
    reason = StringAttr(f"insert-qdq: the result of {op.source_name} stays float")
    tail: list[NnOp] = [AddOp.make(bare.results[0], residual, layer=op.layer)]
    if activation is not None:
        low, high = activation.bounds
        relu = (low, high) == (0.0, float("inf"))
        x = tail[0].results[0]
        clamp = ReluOp.make(x) if relu else ClipOp.make(x, min=low, max=high)
        clamp.layer = op.layer
        tail.append(clamp)
    for name, attribute in op.attributes.items():
        if name != "range":
            bare.attributes[name] = attribute
    for part in tail:
        part.precision, part.placed_by = PrecisionAttr(Precision.F32), reason
        set_indices(part, op)
    tail[-1].range = op.range
    Rewriter.replace_op(op, [bare, *tail], [tail[-1].results[0]])
    return bare


def after_definition(value: SSAValue) -> InsertPoint:
    """Where the first use of `value` may stand."""
    owner = value.owner
    return InsertPoint.at_start(owner) if isinstance(owner, Block) else InsertPoint.after(owner)


def dequantizations(cast: QuantizeCastOp) -> Iterator[DequantizeCastOp]:
    """The dequantize users of a quantize."""
    for use in cast.result.uses:
        if isinstance(use.operation, DequantizeCastOp):
            yield use.operation


def has_dequantize(cast: QuantizeCastOp) -> bool:
    return next(dequantizations(cast), None) is not None

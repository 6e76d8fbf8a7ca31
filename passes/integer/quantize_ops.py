"""Pass `quantize-ops`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType, f32
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from dialects.context import OctetContext
from dialects.elements import i32
from dialects.nn.attributes import ActivationAttr, Precision, PrecisionAttr
from dialects.nn.base import NnOp, Quantization, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import AddOp, ClipOp, MulOp, ReluOp, SubOp
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.nn.pooling import AvgPoolOp
from dialects.nn.reduction import ReduceMeanOp
from dialects.program import nn_ops, sole_user
from dialects.quant import QuantizeCastOp, UniformQuantizedType
from passes.base import Numerics, OctetPass
from passes.dataflow import (
    constant_of,
    element_of_quantized,
    moves_data,
    quantizations,
    quantized_element,
    sole_quantization,
    stored_behind,
    varying_operand,
)
from passes.facts import (
    INTEGER_OPS,
    NO_ADJACENT_DCAST_QCAST,
    ON_TENSORS,
    PRECISION_PLACED,
    QDQ_INSERTED,
)
from passes.integer.operands import (
    NotInteger,
    eight_bits,
    is_8_bit,
    is_8_bit_value,
    is_per_tensor_8_bit,
    per_tensor,
    waits,
)
from passes.integer.proofs import (
    INT32_MAX,
    accumulator_bounds,
    channel_magnitudes,
    greatest_input,
    quantized_bias,
)
from passes.integer.quantize_attention import QuantizeAttention
from passes.naming import absorb, take_range
from passes.quantize.propagate_qdq import SinkDequantize, clamp_bounds
from passes.quantize.squash_qdq import drop_unused
from passes.simplify.rebuild import rebuild
from runtime.reference.evaluate import params_of
from runtime.reference.quantization import dequantize


@dataclass
class QuantizeLinear(RewritePattern):
    """A convolution or matrix product on dequantized operands, on the integers themselves."""

    ctx: OctetContext

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, ConvOp | MatmulOp) or not waits(op):
            return
        element = sole_quantization(op.result)
        try:
            quantized, bias = self._quantized(op, element)
        except NotInteger as reason:
            op.precision = PrecisionAttr(Precision.F32)
            op.placed_by = StringAttr(f"quantize-ops: {reason}")
            rewriter.notify_op_modified(op)
            return
        users = list(quantizations(op.result)) if element is not None else []
        if users:
            for cast in users:
                rewriter.replace(cast, [], [quantized.results[0]])
            rewriter.replace(op, [*bias, quantized], [None])
        else:
            rewriter.replace(op, [*bias, quantized], [quantized.results[0]])

    def _quantized(
        self, op: ConvOp | MatmulOp, element: UniformQuantizedType | None
    ) -> tuple[NnOp, list[Operation]]:
        """The integer op, and the constant of its bias before it. Raises NotInteger."""
        x = per_tensor(op.operands[0], "the input")
        weight = eight_bits(op.operands[1], "the weight")
        operands: dict[str, SSAValue] = {op.operand_names()[0]: x, op.operand_names()[1]: weight}
        if op.residual is not None:
            if element is None:
                raise NotInteger("a fused residual needs a result that is only quantized")
            operands["residual"] = per_tensor(op.residual, "the residual")
        if element is not None and (element.channel_axis is not None or not is_8_bit(element)):
            raise NotInteger(f"the result is quantized to {element}, not per tensor to 8 bits")
        scales = self._product_scales(op, x, weight)
        new: list[Operation] = []
        steps: np.ndarray | None = None
        if op.bias is not None:
            steps = self._bias(op, scales)
            constant = ConstantOp.of(steps, self.ctx.weights, bias_element(scales))
            source = constant_of(op.bias)
            constant.layer = None if source is None else source.layer
            new.append(constant)
            operands["bias"] = constant.result
        self._prove(op, x, weight, steps)
        result = f32 if element is None else element
        integer = rebuild(
            op, operands=operands, result_types=[TensorType(result, shape_of(op.result))]
        )
        return integer, new

    def _product_scales(self, op: ConvOp | MatmulOp, x: SSAValue, weight: SSAValue) -> np.ndarray:
        """Input scale times weight scale in float32: one, or one per output channel."""
        x_element, weight_element = element_of_quantized(x), element_of_quantized(weight)
        rank = len(shape_of(weight))
        channels = 0 if isinstance(op, ConvOp) else rank - 1
        if weight_element.channel_axis not in (None, channels):
            raise NotInteger(
                f"the weight has a scale per index of dimension {weight_element.channel_axis}, "
                f"not of its output channels, dimension {channels}"
            )
        if rank < 2:
            raise NotInteger("the second operand is a vector: it has no output channels")
        (x_scale,) = x_element.scales.get_values()
        scales = np.float32(x_scale) * np.array(weight_element.scales.get_values(), np.float32)
        if not np.all(np.isfinite(scales) & (scales >= np.finfo(np.float32).tiny)):
            raise NotInteger("input scale times weight scale is no normal float32 number")
        return scales

    def _bias(self, op: ConvOp | MatmulOp, scales: np.ndarray) -> np.ndarray:
        """The bias as int32 multiples of `scales`."""
        assert op.bias is not None
        constant = constant_of(op.bias)
        if constant is None:
            raise NotInteger("the bias is not a constant")
        array = constant.array(self.ctx.weights)
        element = quantized_element(constant.result)
        if element is not None:
            given = np.array(element.scales.get_values(), np.float32)
            no_zero_points = not any(element.zero_points.get_values())
            if array.dtype == np.int32 and no_zero_points and np.array_equal(given, scales):
                return array
            array = dequantize(array, params_of(element))
        steps = quantized_bias(array, scales)
        if steps is None:
            raise NotInteger("its bias does not fit in 32 bits at the scale of its sums")
        return steps

    def _prove(
        self, op: ConvOp | MatmulOp, x: SSAValue, weight: SSAValue, bias: np.ndarray | None
    ) -> None:
        x_element, weight_element = element_of_quantized(x), element_of_quantized(weight)
        constant = weight.owner
        if isinstance(constant, ConstantOp):
            stored = constant.array(self.ctx.weights)
        else:
            # Any stored value may come: the one farthest from the zero point is the worst.
            (zero_point,) = weight_element.zero_points.get_values()
            far = max(weight_element.limits, key=lambda value: abs(value - zero_point))
            stored = np.full(shape_of(weight), far)
        magnitudes = channel_magnitudes(stored, weight_element, 0 if isinstance(op, ConvOp) else -1)
        bound = accumulator_bounds(magnitudes, greatest_input(x_element), bias).max(initial=0)
        if bound > INT32_MAX:
            raise NotInteger(f"its sums may reach {bound}, which 32 bits do not hold")


class QuantizeArithmetic(RewritePattern):
    """add, sub, mul, average pool and mean between dequantizes and quantizes."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, AddOp | SubOp | MulOp | AvgPoolOp | ReduceMeanOp) or not waits(op):
            return
        if varying_operand(op) is not None:
            return
        element = sole_quantization(op.results[0])
        if element is None or element.channel_axis is not None or not is_8_bit(element):
            return
        stored = [stored_behind(value) for value in op.operands]
        present = [value for value in stored if value is not None and is_per_tensor_8_bit(value)]
        if len(present) != len(stored):
            return
        if isinstance(op, ReduceMeanOp) and not mean_fits(op):
            return
        integer = rebuild(
            op,
            operands=dict(zip(op.operand_names(), present, strict=True)),
            result_types=[TensorType(element, shape_of(op.results[0]))],
        )
        for cast in list(quantizations(op.results[0])):
            rewriter.replace(cast, [], [integer.results[0]])
        rewriter.replace(op, [integer], [None])


class FuseClamp(RewritePattern):
    """A ReLU or clip between equal types behind an integer linear op is its activation."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, ReluOp | ClipOp):
            return
        stored = op.x if quantized_element(op.x) is not None else stored_behind(op.x)
        if stored is None:
            return
        linear = stored.owner
        if not isinstance(linear, ConvOp | MatmulOp) or not is_per_tensor_8_bit(stored):
            return
        if stored is op.x:
            target = quantized_element(op.result)
        else:
            target = sole_quantization(op.result)
            if sole_user(stored) is not op.x.owner:
                return
        if sole_user(op.x) is not op or target != quantized_element(stored):
            return
        bounds = intersection(linear.activation, clamp_bounds(op))
        if bounds is None:
            return
        fused = rebuild(linear, properties={"activation": ActivationAttr(*bounds)})
        absorb(fused, op)
        take_range(fused, op)
        if stored is op.x:
            rewriter.replace(op, [], [stored])
        else:
            for cast in list(quantizations(op.result)):
                rewriter.replace(cast, [], [stored])
        rewriter.replace(linear, fused)


def intersection(
    activation: ActivationAttr | None, clamp: tuple[float, float]
) -> tuple[float, float] | None:
    """The bounds of a clamp after an activation; None where they do not overlap."""
    low, high = clamp if activation is None else activation.bounds
    low, high = max(low, clamp[0]), min(high, clamp[1])
    return (low, high) if low <= high else None


class MoveIntegers(RewritePattern):
    """A movement op from dequantizes to quantizes of their own type moves integers."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if isinstance(op, NnOp) and moves_data(op) and sole_quantization(op.results[0]) is not None:
            SinkDequantize().match_and_rewrite(op, rewriter)


class FoldIntoInteger(RewritePattern):
    """`qcast(dcast(q))` of one type is `q`: what moving integers leaves behind."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if isinstance(op, QuantizeCastOp):
            stored = stored_behind(op.input)
            if stored is not None and stored.type == op.result.type and is_8_bit_value(stored):
                rewriter.replace(op, [], [stored])


def bias_element(scales: np.ndarray) -> UniformQuantizedType:
    """The i32 type of a bias: zero point 0, one scale or one per channel."""
    axis = 0 if scales.size > 1 else None
    return UniformQuantizedType(i32, f32, scales.tolist(), [0] * scales.size, axis=axis)


def mean_fits(op: ReduceMeanOp) -> bool:
    """The sum of the averaged elements fits int32, whatever they are."""
    shape = shape_of(op.x)
    count = 1
    for axis in op.values()["axes"]:
        count *= shape[axis]
    return 255 * count <= INT32_MAX


@dataclass(frozen=True)
class QuantizeOpsPass(OctetPass):
    """Makes int8 ops between dequantizes and quantizes work on the integers.

    Before:

        %1 = quant.dcast %0 : tensor<..x!quant.uniform<u8:f32, 0.1>> -> ..
        %2 = nn.conv %1, %wd, bias = %b <..> {precision = #nn<precision int8>} : ..
        %3 = quant.qcast %2 : .. -> tensor<..x!quant.uniform<u8:f32, 0.2>>

    After:

        %b32 = nn.constant <value = ..> : () -> tensor<8x!quant.uniform<i32:f32:0, {..}>>
        %3 = nn.conv %0, %w8, bias = %b32 <..> {precision = #nn<precision int8>} : ..

    - Convolutions and matrix products sum in 32 bits. Their bias becomes i32 with the scale of the
      sums, input times weight. When a user wants floats the result is float, scaled once from
      the sums, and quantizes stay behind it. A fused residual is quantized too.
    - add, sub, mul, average pool and mean rescale: all operands must be dequantized and all
      users quantize to one type, else they stay float. So does attention, whose mask is a float.
    - Movement ops from dequantize to quantize of one type move integers.
    - A ReLU or clip between equal types behind a convolution or matrix product becomes its
      activation: clamping before rounding at a stored value is clamping after.

    Accumulators and biases are proved to fit 32 bits for every possible input. An op for which that
    fails, or whose operands are not what it needs, is placed in f32 and `placed_by` says why.
    Unary ops are left to `fuse-lookup-table`.

    The fake-quantized float program rounds float32 sums where this one has exact integers, and
    the bias is rounded to half a step of the sums (half of scale_x * scale_w): a stored result
    differs by at most one step from quantizing the float op, provided a step of the sums is no
    greater than a step of the result, as it is in practice by far.
    """

    name = "quantize-ops"
    NUMERICS: ClassVar = Numerics.ONE_STEP
    REQUIRES: ClassVar = frozenset({ON_TENSORS, PRECISION_PLACED, QDQ_INSERTED})
    ESTABLISHES: ClassVar = frozenset({INTEGER_OPS})
    INVALIDATES: ClassVar = frozenset({NO_ADJACENT_DCAST_QCAST})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(
            ctx,
            module,
            [
                QuantizeLinear(ctx),
                QuantizeArithmetic(),
                QuantizeAttention(),
                FuseClamp(),
                MoveIntegers(),
                FoldIntoInteger(),
            ],
        )
        for op in nn_ops(module):
            left = waits(op) and op.QUANTIZATION is Quantization.COMPUTES
            if left and varying_operand(op) is None and not isinstance(op, ConstantOp):
                op.precision = PrecisionAttr(Precision.F32)
                op.placed_by = StringAttr(
                    "quantize-ops: operands and result are not all quantized per tensor to 8 bits"
                )
                self.count(ctx, "left in float")
        self.count(ctx, "unused", drop_unused(module))

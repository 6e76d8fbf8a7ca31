"""Pass `propagate-qdq`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
from xdsl.dialects.builtin import Float32Type, ModuleOp, StringAttr, TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.nn.attributes import Precision, PrecisionAttr
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.elementwise import ClipOp, ReluOp
from dialects.nn.movement import GatherOp, SliceOp, TransposeOp
from dialects.quant import DequantizeCastOp, QuantizeCastOp, UniformQuantizedType
from passes.base import Numerics, OctetPass
from passes.dataflow import (
    data_operands,
    fill_value,
    moves_data,
    quantized_element,
    sole_quantization,
    stored_behind,
)
from passes.facts import (
    MOVEMENT_ON_INTEGERS,
    NO_ADJACENT_DCAST_QCAST,
    NO_DUPLICATE_CASTS,
    NO_UNUSED_OPS,
    SCALES_UNIFIED,
)
from passes.naming import absorb
from runtime.reference.evaluate import params_of
from runtime.reference.quantization import dequantize, quantize


class SinkDequantize(RewritePattern):
    """`move(dcast(q))` is `dcast(move(q))`."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, NnOp) or not moves_data(op):
            return
        stored = [stored_behind(op.operands[index]) for index in data_operands(op)]
        present = [value for value in stored if value is not None]
        if len(present) != len(stored):
            return
        elements = {quantized_element(value) for value in present}
        element = next(iter(elements))
        if len(elements) != 1 or element is None or not fill_is_exact(op, element):
            return
        result_element = moved_element(op, element)
        if result_element is None:
            return
        moved = on_stored(op, present, result_element)
        back = DequantizeCastOp(moved.results[0], cast(TensorType, op.results[0].type))
        rewriter.replace(op, [moved, back], [back.result])


class HoistQuantize(RewritePattern):
    """`qcast(move(x))` is `move(qcast(x))`."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, NnOp) or not moves_data(op) or isinstance(op, SliceOp | GatherOp):
            return
        result = op.results[0]
        element = sole_quantization(result)
        if element is None or not isinstance(element_of_value(result), Float32Type):
            return
        operand_element = origin_element(op, element)
        if operand_element is None:
            return
        casts = [
            QuantizeCastOp(value, TensorType(operand_element, shape_of(value)))
            for value in (op.operands[index] for index in data_operands(op))
        ]
        moved = on_stored(op, [cast.result for cast in casts], element)
        for use in list(result.uses):
            rewriter.replace(use.operation, [], [moved.results[0]])
        rewriter.replace(op, [*casts, moved], [None])


class DropClampOfDequantized(RewritePattern):
    """`relu(dcast(q))` and `clip(dcast(q))` are `dcast(q)` where q expresses nothing outside."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, ReluOp | ClipOp):
            return
        stored = stored_behind(op.x)
        element = None if stored is None else quantized_element(stored)
        if element is None or element.channel_axis is not None:
            return
        ends = dequantize(np.array(element.limits), params_of(element))
        low, high = clamp_bounds(op)
        if ends[0] >= low and ends[1] <= high:
            keep_names(op)
            rewriter.replace(op, [], [op.x])


class DropClampBeforeQuantize(RewritePattern):
    """`qcast(relu(x))` and `qcast(clip(x))` are `qcast(x)` where quantizing clamps as tightly."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: QuantizeCastOp, rewriter: PatternRewriter, /) -> None:
        clamp = op.input.owner
        element = quantized_element(op.result)
        if not isinstance(clamp, ReluOp | ClipOp) or element is None:
            return
        # Of a dequantize it will be a table, which keeps the clamp's name.
        if element.channel_axis is not None or stored_behind(clamp.x) is not None:
            return
        bounds = np.array(clamp_bounds(clamp), np.float32)
        # Quantization is monotone: values beyond a bound that becomes an end become that end.
        if tuple(quantize(bounds, params_of(element)).tolist()) == element.limits:
            keep_names(clamp)
            rewriter.replace(op, QuantizeCastOp(clamp.x, cast(TensorType, op.result.type)))


def clamp_bounds(op: ReluOp | ClipOp) -> tuple[float, float]:
    if isinstance(op, ReluOp):
        return 0.0, np.inf
    return op.min.value.data, op.max.value.data


def keep_names(clamp: ReluOp | ClipOp) -> None:
    """Lets the op that computes the operand of a clamp answer to its names."""
    producer = clamp.x.owner
    while isinstance(producer, QuantizeCastOp | DequantizeCastOp):
        producer = producer.input.owner
    if isinstance(producer, NnOp):
        absorb(producer, clamp)


def fill_is_exact(op: NnOp, element: UniformQuantizedType) -> bool:
    """What `op` fills in, if anything, is one of the values the type expresses."""
    value = fill_value(op)
    if value is None:
        return True
    if element.channel_axis is not None:
        return False
    params = params_of(element)
    real = np.array(value, np.float32)
    return bool(dequantize(quantize(real, params), params) == real)


def moved_element(op: NnOp, element: UniformQuantizedType) -> UniformQuantizedType | None:
    """The type of the result of `op` on operands of `element`; None if channels would mix."""
    axis = element.channel_axis
    if axis is None:
        return element
    if isinstance(op, TransposeOp):
        return element.with_axis(list(op.values()["permutation"]).index(axis))
    return None


def origin_element(op: NnOp, element: UniformQuantizedType) -> UniformQuantizedType | None:
    """The type of the operands of `op` for a result of `element`; None if channels would mix."""
    axis = element.channel_axis
    if axis is None:
        return element
    if isinstance(op, TransposeOp):
        return element.with_axis(op.values()["permutation"][axis])
    return None


def on_stored(op: NnOp, operands: Sequence[SSAValue], element: UniformQuantizedType) -> NnOp:
    """The movement op `op` on stored integers, with a result of `element`."""
    replaced = dict(zip(data_operands(op), operands, strict=True))
    moved = type(op).create(
        operands=[replaced.get(index, value) for index, value in enumerate(op.operands)],
        result_types=[TensorType(element, shape_of(op.results[0]))],
        properties=dict(op.properties),
        attributes=dict(op.attributes),
    )
    moved.precision = PrecisionAttr(Precision.INT8)
    if moved.placed_by is None:
        moved.placed_by = StringAttr("movement: the integers of its neighbours pass through")
    return moved


@dataclass(frozen=True)
class PropagateQdqPass(OctetPass):
    """Moves dequantizes down and quantizes up through ops that only move data.

    Before:

        %1 = quant.dcast %0 : tensor<1x8x4x4x!quant.uniform<u8:f32, 0.1>> -> tensor<1x8x4x4xf32>
        %2 = nn.max_pool %1 <..> : (tensor<1x8x4x4xf32>) -> tensor<1x8x2x2xf32>

    After:

        %1 = nn.max_pool %0 <..> : (tensor<1x8x4x4x!quant.uniform<u8:f32, 0.1>>) -> ..
        %2 = quant.dcast %1 : tensor<1x8x2x2x!quant.uniform<u8:f32, 0.1>> -> tensor<1x8x2x2xf32>

    so that the op works on integers, a quarter of the bytes. Four rules:

    - *Sink*: `move(dcast(q))` is `dcast(move(q))`, for every movement op, max-pool and the extremes
      included: dequantizing is monotone and works on each element alone. Other users of the
      dequantize keep it. It does not fire when operands differ in type (see `unify-scales`), or
      when a pad fills in a value that the type does not express.
    - *Hoist*: `qcast(move(x))` is `move(qcast(x))`, for the same reason; a fill is quantized with
      the rest. It does not fire when the result has a use other than quantizes to one type (a
      float user, a program output), or through slice and gather, which would quantize more than
      is used; a quantize of a program input has nothing to move through.
    - *Clamp after*: a ReLU or clip of a dequantize goes when the type expresses nothing outside its
      bounds; for a ReLU, when the zero point is the least stored value.
    - *Clamp before*: a quantize takes the operand of a ReLU or clip when quantizing clamps there
      anyway: its bounds quantize to the least and the greatest stored value. Not when the operand
      is a dequantize: that is a table for `fuse-lookup-table`.

    Per-channel types pass only through a transpose, which remaps their axis. An op placed in float
    stays in float. All four rules are exact, to the bit.
    """

    name = "propagate-qdq"
    NUMERICS: ClassVar = Numerics.EXACT
    ESTABLISHES: ClassVar = frozenset({MOVEMENT_ON_INTEGERS})
    INVALIDATES: ClassVar = frozenset(
        {NO_ADJACENT_DCAST_QCAST, NO_DUPLICATE_CASTS, NO_UNUSED_OPS, SCALES_UNIFIED}
    )

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(
            ctx,
            module,
            [
                SinkDequantize(),
                HoistQuantize(),
                DropClampOfDequantized(),
                DropClampBeforeQuantize(),
            ],
        )

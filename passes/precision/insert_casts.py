"""Pass `insert-casts`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, cast

from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.ir import Attribute, SSAValue
from xdsl.rewriter import Rewriter

from dialects.context import OctetContext
from dialects.elements import dtype_of
from dialects.nn.base import NnOp, Quantization, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import CastOp
from dialects.nn.linear import LinearOp
from dialects.program import nn_ops
from passes.base import Numerics, OctetPass
from passes.dataflow import constant_of, consumers, stored_behind
from passes.facts import (
    CASTS_INSERTED,
    NO_ROUND_TRIP_CASTS,
    NO_UNUSED_OPS,
    ON_TENSORS,
    PRECISION_PLACED,
)
from passes.placement.halves import ELEMENTS, narrowed_operands
from passes.quantize.insert_qdq import after_definition
from runtime.reference.evaluate import evaluate_op
from runtime.reference.precision import narrow


@dataclass(frozen=True)
class InsertCastsPass(OctetPass):
    """Lets ops placed in bf16 or f16 take and give 16-bit tensors, with casts around them.

    Before:

        %y = nn.conv %x, %w, bias = %b <..> {precision = #nn<precision bf16>}
            : (tensor<..xf32>, tensor<..xf32>, tensor<8xf32>) -> tensor<..xf32>
        %z = nn.conv %y, .. {precision = #nn<precision bf16>}

    After:

        %xh = nn.cast %x : (tensor<..xf32>) -> tensor<..xbf16>
        %wh = nn.constant <value = ..> : () -> tensor<..xbf16>
        %yh = nn.conv %xh, %wh, bias = %b <..> {precision = #nn<precision bf16>}
            : (tensor<..xbf16>, tensor<..xbf16>, tensor<8xf32>) -> tensor<..xbf16>
        %y = nn.cast %yh : (tensor<..xbf16>) -> tensor<..xf32>
        %z = nn.conv %y, ..

    One cast per value and type, however many ops use it; constants are rounded here, once. Biases,
    and the scale and bias of normalizations, stay f32.

    A convolution or matrix product that no 16-bit op uses, seen through movement, gives its float32
    sums as they are: rounding them would only cost accuracy. Its fused residual is then f32 too.

    Ops that work on 16-bit or quantized tensors already are left alone, and so are those of other
    precisions.
    """

    name = "insert-casts"
    NUMERICS: ClassVar = Numerics.QUANTIZES
    REQUIRES: ClassVar = frozenset({ON_TENSORS, PRECISION_PLACED})
    ESTABLISHES: ClassVar = frozenset({CASTS_INSERTED})
    INVALIDATES: ClassVar = frozenset({NO_ROUND_TRIP_CASTS, NO_UNUSED_OPS})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        ops = [op for op in nn_ops(module) if waits_for_casts(op)]
        casts = _Casts(ctx)
        for op in ops:
            half = ELEMENTS[op.precision.data] if op.precision is not None else f32
            result = f32 if _gives_float32(op) else half
            narrowed = narrowed_operands(op)
            operands = [
                casts.of(value, result if name == "residual" else half)
                if index in narrowed
                else value
                for index, (name, value) in enumerate(
                    zip(op.operand_names(), op.operands, strict=True)
                )
            ]
            self._replace(op, operands, result)
            self.count(ctx, "ops")
        self.count(ctx, "casts", casts.count)

    @staticmethod
    def _replace(op: NnOp, operands: Sequence[SSAValue], element: Attribute) -> None:
        (old,) = op.results
        half = type(op).create(
            operands=operands,
            result_types=[TensorType(element, shape_of(old))],
            properties=dict(op.properties),
            attributes=dict(op.attributes),
        )
        if element == f32:
            Rewriter.replace_op(op, half)
            return
        back = CastOp.make(half.results[0], result_elements=[f32])
        Rewriter.replace_op(op, [half, back], [back.result])


def waits_for_casts(op: NnOp) -> bool:
    """Placed in 16 bits, computing, and on float32 tensors still."""
    return (
        op.is_half
        and op.QUANTIZATION is not Quantization.MOVES
        and len(op.results) == 1
        and element_of_value(op.results[0]) == f32
        and all(element_of_value(value) == f32 for value in op.operands)
    )


def _gives_float32(op: NnOp) -> bool:
    return isinstance(op, LinearOp) and not any(
        isinstance(user, NnOp) and user.is_half for user in consumers(op.results[0])
    )


@dataclass
class _Casts:
    """The 16-bit form of values, made once each."""

    ctx: OctetContext
    count: int = 0
    _made: dict[tuple[SSAValue, Attribute], SSAValue] = field(
        default_factory=dict[tuple[SSAValue, Attribute], SSAValue]
    )

    def of(self, value: SSAValue, element: Attribute) -> SSAValue:
        if element == f32:
            return value
        key = (value, element)
        if key not in self._made:
            self._made[key] = self._make(value, element)
        return self._made[key]

    def _make(self, value: SSAValue, element: Attribute) -> SSAValue:
        owner = value.owner
        if isinstance(owner, CastOp) and element_of_value(owner.x) == element:
            return owner.x  # it was only widened: rounding gives it back
        if constant_of(value) is not None:
            new = self._constant(value, element)
        else:
            self.count += 1
            new = CastOp.make(value, result_elements=[element])
        Rewriter.insert_op(new, after_definition(value))
        return new.results[0]

    def _constant(self, value: SSAValue, element: Attribute) -> ConstantOp:
        constant = cast(ConstantOp, constant_of(value))
        array = constant.array(self.ctx.weights)
        if stored_behind(value) is not None:
            array = evaluate_op(cast(NnOp, value.owner), [array], self.ctx.weights)[0]
        rounded = ConstantOp.of(narrow(array, dtype_of(element)), self.ctx.weights, element)
        rounded.layer = constant.layer
        return rounded

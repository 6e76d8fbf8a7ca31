"""Pass `fuse-lookup-table`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import ModuleOp, StringAttr, TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.elements import dtype_of
from dialects.nn.attributes import Precision, PrecisionAttr, WeightAttr
from dialects.nn.base import NnOp, Quantization, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import LookupOp
from dialects.program import nn_ops, sole_user
from dialects.quant import QuantizeCastOp, UniformQuantizedType
from passes.base import Numerics, OctetPass
from passes.dataflow import (
    element_of_quantized,
    quantized_element,
    stored_behind,
    varying_operand,
)
from passes.facts import ON_TENSORS, OPS_NUMBERED, PRECISION_PLACED, QDQ_INSERTED, TABLES_FUSED
from passes.integer.operands import is_per_tensor_8_bit, waits
from passes.naming import absorb, take_range
from passes.quantize.squash_qdq import drop_unused
from runtime.reference.evaluate import evaluate_op, params_of
from runtime.reference.quantization import dequantize, quantize, table_index


@dataclass
class FuseChain(RewritePattern):
    """dequantize, any number of unary ops, quantize: one table."""

    ctx: OctetContext

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: QuantizeCastOp, rewriter: PatternRewriter, /) -> None:
        if not is_per_tensor_8_bit(op.result):
            return
        chain, value = unary_chain(op.input)
        stored = stored_behind(value)
        if stored is None or not is_per_tensor_8_bit(stored):
            return
        if not chain and stored.type == op.result.type:
            return
        if any(unary.precision is not None and not unary.is_int8 for unary in chain):
            return
        source, target = element_of_quantized(stored), element_of_quantized(op.result)
        real = dequantize(every_stored(source), params_of(source))
        for unary in chain:
            real = apply(unary, real, self.ctx)
        table = quantize(real, params_of(target))
        lookup = make_lookup(self.ctx, stored, table, target)
        describe(lookup, chain)
        rewriter.replace(op, lookup)


@dataclass
class FuseInteger(RewritePattern):
    """A unary op whose operand and result are integers already: one table."""

    ctx: OctetContext

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, NnOp) or op.QUANTIZATION is not Quantization.TABLE:
            return
        x, result = op.operands[0], op.results[0]
        if not is_per_tensor_8_bit(x) or not is_per_tensor_8_bit(result):
            return
        source, target = element_of_quantized(x), element_of_quantized(result)
        (table,) = evaluate_op(op, [every_stored(source)], self.ctx.weights)
        lookup = make_lookup(self.ctx, x, table, target)
        describe(lookup, [op])
        rewriter.replace(op, lookup)


@dataclass
class ComposeTables(RewritePattern):
    """A lookup of a lookup is one lookup in a composed table."""

    ctx: OctetContext

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: LookupOp, rewriter: PatternRewriter, /) -> None:
        first = op.x.owner
        if not isinstance(first, LookupOp) or sole_user(op.x) is not op:
            return
        inner, outer = (self.ctx.weights[one.table.digest.data] for one in (first, op))
        composed = LookupOp(
            operands=[first.x],
            result_types=[op.result.type],
            properties={"table": WeightAttr(self.ctx.weights.add(outer[table_index(inner)]))},
        )
        describe(composed, [first, op])
        rewriter.replace(op, composed)


def unary_chain(value: SSAValue) -> tuple[list[NnOp], SSAValue]:
    """The float unary ops that lead to `value`, first to last, and what they start from."""
    chain: list[NnOp] = []
    while isinstance(op := value.owner, NnOp) and (index := varying_operand(op)) is not None:
        if quantized_element(op.operands[index]) is not None:
            break
        chain.append(op)
        value = op.operands[index]
    return chain[::-1], value


def every_stored(element: UniformQuantizedType) -> np.ndarray:
    """All 256 stored values in the order of a table's entries."""
    dtype = dtype_of(element)
    return (np.arange(256) + np.iinfo(dtype).min).astype(dtype)


def apply(op: NnOp, real: np.ndarray, ctx: OctetContext) -> np.ndarray:
    """A unary op, or a binary one with a constant of one element, on a vector."""
    operands = [real if index == varying_operand(op) else None for index in range(len(op.operands))]
    for index, value in enumerate(op.operands):
        if isinstance(value.owner, ConstantOp):
            operands[index] = value.owner.array(ctx.weights).reshape(1)
    (result,) = evaluate_op(op, [array for array in operands if array is not None], ctx.weights)
    return result


def make_lookup(
    ctx: OctetContext, stored: SSAValue, table: np.ndarray, element: UniformQuantizedType
) -> LookupOp:
    return LookupOp(
        operands=[stored],
        result_types=[TensorType(element, shape_of(stored))],
        properties={"table": WeightAttr(ctx.weights.add(table))},
    )


def describe(lookup: LookupOp, chain: list[NnOp]) -> None:
    """Gives the table the names, the placement and the range of the ops it was made from."""
    lookup.layer = next((op.layer for op in chain if op.layer is not None), None)
    absorb(lookup, *chain)
    lookup.precision = PrecisionAttr(Precision.INT8)
    reasons = [op.placed_by for op in chain if op.placed_by is not None]
    default = StringAttr("fuse-lookup-table: a change of scale between int8 ops")
    lookup.placed_by = reasons[-1] if reasons else default
    if chain:
        take_range(lookup, chain[-1])


@dataclass(frozen=True)
class FuseLookupTablePass(OctetPass):
    """Makes chains of unary ops between 8-bit values one 256-entry table.

    Before:

        %1 = quant.dcast %0 : tensor<..x!quant.uniform<u8:f32, 0.1:128>> -> ..
        %2 = nn.sigmoid %1 ..
        %3 = nn.mul %2, %half ..
        %4 = quant.qcast %3 : .. -> tensor<..x!quant.uniform<u8:f32, 0.002>>

    After:

        %4 = nn.lookup %0 <table = #nn.weight<"..">> : ..

    - *Chain*: a quantize of unary ops of a dequantize. Binary ops with a constant of one element
      count as unary. No unary op at all is a change of scale, which is a table as well.
    - *Integer*: a unary op whose operand and result are integers already.
    - *Compose*: a table of a table that nothing else uses.

    Entries are computed by the reference on all 256 values the operand can store, so results are
    the same to the bit. It does not fire on per-channel types, on other widths than 8 bits, on
    round trips (`squash-qdq` removes those), or over an op placed in a float precision. A chain
    that others use too is computed twice, once as a table. Unary ops placed in int8 that are not
    between 8-bit values are placed in f32 and `placed_by` says so.
    """

    name = "fuse-lookup-table"
    NUMERICS: ClassVar = Numerics.EXACT
    REQUIRES: ClassVar = frozenset({ON_TENSORS, PRECISION_PLACED, QDQ_INSERTED})
    ESTABLISHES: ClassVar = frozenset({TABLES_FUSED})
    INVALIDATES: ClassVar = frozenset({OPS_NUMBERED})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [FuseChain(ctx), FuseInteger(ctx), ComposeTables(ctx)])
        self.count(ctx, "unused", drop_unused(module))
        for op in nn_ops(module):
            if waits(op) and varying_operand(op) is not None:
                op.precision = PrecisionAttr(Precision.F32)
                op.placed_by = StringAttr("fuse-lookup-table: not between 8-bit values")
                self.count(ctx, "left in float")

"""Pass `squash-qdq`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern
from xdsl.rewriter import Rewriter

from dialects.context import OctetContext
from dialects.nn.base import NnOp
from dialects.nn.constant import ConstantOp
from dialects.program import body_of, main_function
from dialects.quant import DequantizeCastOp, QuantizeCastOp, StorageCastOp
from passes.base import Numerics, OctetPass
from passes.dataflow import quantized_element, stored_behind
from passes.facts import NO_ADJACENT_DCAST_QCAST, NO_DUPLICATE_CASTS, NO_UNUSED_OPS
from runtime.reference.evaluate import params_of
from runtime.reference.quantization import quantize


class FoldRoundTrip(RewritePattern):
    """`qcast(dcast(q))` is `q` when both types agree in everything."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: QuantizeCastOp, rewriter: PatternRewriter, /) -> None:
        stored = stored_behind(op.input)
        if stored is not None and stored.type == op.result.type and is_lossless(op):
            rewriter.replace(op, [], [stored])


@dataclass
class FoldQuantizedConstant(RewritePattern):
    """A quantize of a float constant is a constant of integers."""

    ctx: OctetContext

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: QuantizeCastOp, rewriter: PatternRewriter, /) -> None:
        constant = op.input.owner
        element = quantized_element(op.result)
        if not isinstance(constant, ConstantOp) or element is None:
            return
        stored = quantize(constant.array(self.ctx.weights), params_of(element))
        folded = ConstantOp.of(stored, self.ctx.weights, element)
        folded.layer = constant.layer
        rewriter.replace(op, folded)


def is_lossless(op: QuantizeCastOp) -> bool:
    """Dequantizing and quantizing again gives every stored integer back.

    float32 holds products of a scale and up to 24 bits well enough for that; 32-bit integers
    (biases) may lose their last bits.
    """
    element = quantized_element(op.result)
    return element is not None and element.storage.width.data <= 16


def merge_duplicates(module: ModuleOp) -> int:
    """Lets casts of the same value to the same type be one op; gives how many went."""
    first: dict[tuple[str, SSAValue, Attribute], Operation] = {}
    merged = 0
    for op in list(body_of(main_function(module)).ops):
        if not isinstance(op, QuantizeCastOp | DequantizeCastOp | StorageCastOp):
            continue
        key = (op.name, op.input, op.result.type)
        if key in first:
            Rewriter.replace_op(op, [], [first[key].results[0]])
            merged += 1
        else:
            first[key] = op
    return merged


def drop_unused(module: ModuleOp) -> int:
    """Removes casts and `nn` ops that nothing uses; gives how many went."""
    dropped = 0
    for op in reversed(list(body_of(main_function(module)).ops)):
        pure = isinstance(op, QuantizeCastOp | DequantizeCastOp | StorageCastOp | NnOp)
        if pure and not any(result.uses for result in op.results):
            Rewriter.erase_op(op)
            dropped += 1
    return dropped


@dataclass(frozen=True)
class SquashQdqPass(OctetPass):
    """Removes quantizes and dequantizes that undo or repeat one another.

    Before:

        %1 = quant.dcast %0 : tensor<4x!quant.uniform<u8:f32, 0.1:3>> -> tensor<4xf32>
        %2 = quant.qcast %1 : tensor<4xf32> -> tensor<4x!quant.uniform<u8:f32, 0.1:3>>
        %3 = nn.relu %2 ..

    After:

        %3 = nn.relu %0 ..

    - *Round trip*: `qcast(dcast(q))` is `q` when storage, range, scales, zero points and axis
      agree. With another type it is one change of scale and stays as it is; `fuse-lookup-table`
      makes it one table. It does not fire on 32-bit storage, which float32 does not hold exactly.
    - *Duplicates*: equal casts of one value become one.
    - *Constants*: a quantize of a constant becomes a constant of integers.
    - Casts and `nn` ops that nothing uses any more go.

    `dcast(qcast(x))` rounds x: it is the quantization itself and is never erased. Exact.
    """

    name = "squash-qdq"
    NUMERICS: ClassVar = Numerics.EXACT
    ESTABLISHES: ClassVar = frozenset({NO_ADJACENT_DCAST_QCAST, NO_DUPLICATE_CASTS, NO_UNUSED_OPS})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        patterns = [FoldRoundTrip(), FoldQuantizedConstant(ctx)]
        changed = True
        while changed:
            changed = self.rewrite(ctx, module, patterns)
            merged = merge_duplicates(module)
            self.count(ctx, "duplicates", merged)
            changed |= bool(merged)
        self.count(ctx, "unused", drop_unused(module))

"""Pass `squash-casts`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.ir import Attribute, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern
from xdsl.rewriter import Rewriter

from dialects.context import OctetContext
from dialects.elements import HALVES, is_float
from dialects.nn.base import element_of_value
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import CastOp
from dialects.program import body_of, main_function, sole_user
from dialects.quant import DequantizeCastOp, QuantizeCastOp
from passes.base import Numerics, OctetPass
from passes.facts import NO_ROUND_TRIP_CASTS, NO_UNUSED_OPS
from passes.precision.propagate_casts import widened_from
from passes.quantize.squash_qdq import drop_unused
from runtime.reference.evaluate import evaluate_op


class FoldWidening(RewritePattern):
    """A cast of `widen(h)` is a cast of `h`; to the type of `h` it is `h`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: CastOp, rewriter: PatternRewriter, /) -> None:
        half = widened_from(op.x)
        if half is None:
            return
        if half.type == op.result.type:
            rewriter.replace(op, [], [half])
            return
        rewriter.replace(op, CastOp.make(half, result_elements=[element_of_value(op.result)]))


class QuantizeHalf(RewritePattern):
    """`qcast(widen(h))` is `qcast(h)`."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: QuantizeCastOp, rewriter: PatternRewriter, /) -> None:
        half = widened_from(op.input)
        if half is not None:
            rewriter.replace(op, QuantizeCastOp(half, cast(TensorType, op.result.type)))


class DequantizeToHalf(RewritePattern):
    """`narrow(dcast(q))` is a `dcast` that rounds, when nothing else uses the float32 numbers."""

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: CastOp, rewriter: PatternRewriter, /) -> None:
        dequantize = op.x.owner
        if not isinstance(dequantize, DequantizeCastOp) or sole_user(op.x) is not op:
            return
        if element_of_value(op.result) in HALVES and element_of_value(op.x) == f32:
            rewriter.replace(
                op, DequantizeCastOp(dequantize.input, cast(TensorType, op.result.type))
            )
            rewriter.erase(dequantize)


@dataclass
class FoldConstantCast(RewritePattern):
    """A cast of a float constant is a constant."""

    ctx: OctetContext

    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: CastOp, rewriter: PatternRewriter, /) -> None:
        constant, element = op.x.owner, element_of_value(op.result)
        if not isinstance(constant, ConstantOp) or not is_float(element_of_value(op.x)):
            return
        (array,) = evaluate_op(op, [constant.array(self.ctx.weights)], self.ctx.weights)
        folded = ConstantOp.of(array, self.ctx.weights, element)
        folded.layer = constant.layer
        rewriter.replace(op, folded)


def merge_duplicate_casts(module: ModuleOp) -> int:
    """Lets casts of one value to one type be one op; gives how many went."""
    first: dict[tuple[SSAValue, Attribute], CastOp] = {}
    merged = 0
    for op in list(body_of(main_function(module)).ops):
        if not isinstance(op, CastOp):
            continue
        key = (op.x, op.result.type)
        if key in first:
            Rewriter.replace_op(op, [], [first[key].result])
            merged += 1
        else:
            first[key] = op
    return merged


@dataclass(frozen=True)
class SquashCastsPass(OctetPass):
    """Removes casts that undo or repeat one another.

    Before:

        %1 = nn.cast %0 : (tensor<4xbf16>) -> tensor<4xf32>
        %2 = nn.cast %1 : (tensor<4xf32>) -> tensor<4xbf16>
        %3 = nn.relu %2 ..

    After:

        %3 = nn.relu %0 ..

    - *Round trip*: what was only widened need not be rounded: a 16-bit number is a float32
      number. Where the second cast is to a third type, one cast to that remains.
    - *Quantized values*: a quantize takes 16-bit numbers as they are, and a dequantize whose
      numbers are only rounded to 16 bits gives them so. Both compute in float32.
    - *Duplicates*: equal casts of one value become one. *Constants* are cast when compiling.
    - Casts and `nn` ops that nothing uses any more go.

    A cast to 16 bits and back rounds, and is never erased. Exact.
    """

    name = "squash-casts"
    NUMERICS: ClassVar = Numerics.EXACT
    ESTABLISHES: ClassVar = frozenset({NO_ROUND_TRIP_CASTS, NO_UNUSED_OPS})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        patterns = [FoldWidening(), QuantizeHalf(), DequantizeToHalf(), FoldConstantCast(ctx)]
        changed = True
        while changed:
            changed = self.rewrite(ctx, module, patterns)
            merged = merge_duplicate_casts(module)
            self.count(ctx, "duplicates", merged)
            changed |= bool(merged)
        self.count(ctx, "unused", drop_unused(module))

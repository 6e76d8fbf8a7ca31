"""Pass `sink-transposes`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.assembly import to_attribute
from dialects.context import OctetContext
from dialects.elements import is_quantized
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.canonicalization import ComposeTransposes
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import BinaryOp, CastOp, UnaryOp, WhereOp
from dialects.nn.movement import ConcatOp, PadOp, SliceOp, TransposeOp
from dialects.nn.normalization import LogSoftmaxOp, SoftmaxOp
from dialects.nn.reduction import ReduceOp
from dialects.program import sole_user
from dialects.quant import DequantizeCastOp, QuantizeCastOp, UniformQuantizedType
from dialects.weights import WeightStore
from passes.base import Numerics, OctetPass
from passes.naming import absorb
from passes.simplify.rebuild import rebuild

Permutation = tuple[int, ...]

SINKABLE = (
    UnaryOp, BinaryOp, CastOp, WhereOp, ConcatOp, SoftmaxOp, LogSoftmaxOp, PadOp, SliceOp,
    ReduceOp, QuantizeCastOp, DequantizeCastOp,
)  # fmt: skip
"""Ops that do the same to permuted dimensions, at most with other axis numbers."""


def inverse(permutation: Sequence[int]) -> Permutation:
    """The permutation that undoes `permutation`."""
    return tuple(sorted(range(len(permutation)), key=lambda i: permutation[i]))


@dataclass
class DropIdentityTranspose(RewritePattern):
    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: TransposeOp, rewriter: PatternRewriter, /) -> None:
        if op.moves_nothing():
            rewriter.replace(op, [], [op.x])


@dataclass
class SinkTranspose(RewritePattern):
    """`op(transpose(x))` is `transpose(op(x))`, with the op's axes renumbered."""

    weights: WeightStore

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, SINKABLE) or _has_channel_scales(op):
            return
        transposes = _transposes_before(op)
        if not transposes:
            return
        permutation: Permutation = transposes[0].permutation.get_values()
        operands: list[SSAValue] = []
        constants: list[Operation] = []
        for operand in op.operands:
            before = self._before(operand, permutation, op, constants)
            if before is None:
                return
            operands.append(before)
        sunk, after = _renumbered(op, operands, permutation)
        restore = TransposeOp.make(
            sunk.results[0],
            permutation=after,
            result_elements=[element_of_value(op.results[0])],
            layer=transposes[0].layer,
        )
        absorb(restore, *transposes)
        rewriter.replace(op, [*constants, sunk, restore])

    def _before(
        self,
        operand: SSAValue,
        permutation: Permutation,
        user: Operation,
        constants: list[Operation],
    ) -> SSAValue | None:
        """`operand` with its dimensions as before the transpose; None if that takes another one."""
        producer = operand.owner
        if isinstance(producer, TransposeOp):
            return producer.x
        if isinstance(producer, ConstantOp):
            return self._constant_before(producer, permutation, constants)
        return _transposed_already(operand, permutation, user)

    def _constant_before(
        self, constant: ConstantOp, permutation: Permutation, constants: list[Operation]
    ) -> SSAValue | None:
        shape, rank = shape_of(constant.result), len(permutation)
        if len(shape) > rank or is_quantized(element_of_value(constant.result)):
            return None
        if all(size == 1 for size in shape):
            return constant.result
        array = constant.array(self.weights).reshape(*(1,) * (rank - len(shape)), *shape)
        moved = ConstantOp.of(
            np.ascontiguousarray(array.transpose(inverse(permutation))), self.weights
        )
        constants.append(moved)
        return moved.result


def _has_channel_scales(op: Operation) -> bool:
    """An nn op on per-channel quantized values: their axis would have to move as well."""
    elements = [element_of_value(value) for value in (*op.operands, *op.results)]
    return isinstance(op, NnOp) and any(
        isinstance(element, UniformQuantizedType) and element.channel_axis is not None
        for element in elements
    )


def _transposes_before(op: Operation) -> list[TransposeOp]:
    """The transposes that feed `op`, if they all do the same and none would stay behind."""
    transposes = [
        operand.owner for operand in op.operands if isinstance(operand.owner, TransposeOp)
    ]
    if len({transpose.permutation.get_values() for transpose in transposes}) > 1:
        return []
    for transpose in transposes:
        for use in transpose.result.uses:
            if not isinstance(use.operation, (*SINKABLE, TransposeOp)):
                return []
    return list(dict.fromkeys(transposes))


def _transposed_already(
    operand: SSAValue, permutation: Permutation, user: Operation
) -> SSAValue | None:
    """What another op's transpose makes of `operand`, where it undoes `permutation`.

    Only if the transposes before `user` have no other use: they go, so there is one less, and no
    rewrite can bring back what this one did. One of these would not go if it were the other op's
    (`x + transpose(x)`, with a permutation that undoes itself).
    """
    feeding = _transposes_before(user)
    if any(sole_user(transpose.result) is not user for transpose in feeding):
        return None
    for use in operand.uses:
        other = use.operation
        if (
            isinstance(other, TransposeOp)
            and other not in feeding
            and other.permutation.get_values() == inverse(permutation)
            and other.result.first_use is not None
            and other.is_before_in_block(user)
        ):
            return other.result
    return None


def _renumbered(
    op: Operation, operands: Sequence[SSAValue], permutation: Permutation
) -> tuple[Operation, Permutation]:
    """`op` on operands before the transpose, and the permutation its result needs after it."""
    after = permutation
    rank = len(permutation)
    element = element_of_value(op.results[0])
    properties: dict[str, Attribute] = {}
    match op:
        case QuantizeCastOp() | DequantizeCastOp():
            if isinstance(element, UniformQuantizedType) and element.channel_axis is not None:
                element = element.with_axis(permutation[element.channel_axis])
            return type(op)(operands[0], TensorType(element, shape_of(operands[0]))), after
        case ConcatOp() | SoftmaxOp() | LogSoftmaxOp():
            properties["axis"] = to_attribute(permutation[op.axis.value.data % rank])
        case PadOp():
            pads = op.pads.get_values()
            begins, ends = _unpermuted(pads[:rank], after), _unpermuted(pads[rank:], after)
            properties["pads"] = to_attribute((*begins, *ends))
        case SliceOp():
            for name in ("starts", "ends", "steps"):
                entries = _unpermuted(getattr(op, name).get_values(), after)
                properties[name] = to_attribute(entries)
        case ReduceOp():
            axes = sorted(permutation[axis % rank] for axis in op.axes.get_values())
            properties["axes"] = to_attribute(axes)
            if not op.keepdims.value.data:
                kept = [axis for axis in permutation if axis not in axes]
                after = tuple(sorted(kept).index(axis) for axis in kept)
        case _:
            pass
    nn_op = cast(NnOp, op)
    named: dict[str, SSAValue | Sequence[SSAValue]]
    if isinstance(op, ConcatOp):
        named = {"inputs": operands}
    else:
        named = dict(zip(nn_op.operand_names(), operands, strict=True))
    shape = _unpermuted(shape_of(op.results[0]), after)
    types = [TensorType(element, shape)]
    return rebuild(nn_op, operands=named, properties=properties, result_types=types), after


def _unpermuted(entries: Sequence[int], permutation: Permutation) -> Permutation:
    """Per-dimension entries of a transposed tensor, in the order before the transpose."""
    return tuple(entries[i] for i in inverse(permutation))


@dataclass(frozen=True)
class SinkTransposesPass(OctetPass):
    """Pushes transposes down through ops that do not care, so that they meet and cancel.

    Before (what a channels-last model looks like around each convolution):

        %1 = nn.transpose %0 <permutation = [0, 2, 3, 1]> : (..) -> tensor<1x8x8x4xf32>
        %2 = nn.relu %1 : (..) -> tensor<1x8x8x4xf32>
        %3 = nn.transpose %2 <permutation = [0, 3, 1, 2]> : (..) -> tensor<1x4x8x8xf32>

    After:

        %3 = nn.relu %0 : (..) -> tensor<1x4x8x8xf32>

    Sinks through elementwise ops (constants are transposed instead), `concat`, `pad`, `slice`,
    reductions, softmax and the quantization casts, and composes transposes as `canonicalize`
    does. An operand without a transpose will do if another op's transpose of it can be used. It
    does not fire when operands are permuted differently, when an operand would need a transpose
    of its own, when a transpose feeds an op it cannot sink through or is an output (it would
    stay), or across ops whose dimensions have fixed meanings. Reductions of floats may add up in
    another order; all else is exact.
    """

    name = "sink-transposes"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        patterns = [ComposeTransposes(), DropIdentityTranspose(), SinkTranspose(ctx.weights)]
        self.rewrite(ctx, module, patterns)

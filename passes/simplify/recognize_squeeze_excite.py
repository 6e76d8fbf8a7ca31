"""Pass `recognize-squeeze-excite`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.context import OctetContext
from dialects.nn.base import NnOp, shape_of
from dialects.nn.elementwise import (
    ClipOp,
    HardSigmoidOp,
    HardSwishOp,
    MulOp,
    ReluOp,
    SigmoidOp,
    SiluOp,
)
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.nn.movement import ReshapeOp
from dialects.nn.pooling import AvgPoolOp
from dialects.nn.reduction import ReduceMeanOp
from dialects.program import sole_user
from passes.base import Numerics, OctetPass

PATTERN = "pattern"
SQUEEZE_EXCITE = StringAttr("squeeze-excite")

GATES = (SigmoidOp, HardSigmoidOp)
BETWEEN = (ReluOp, ClipOp, SiluOp, HardSwishOp)


class MarkSqueezeExcite(RewritePattern):
    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: MulOp, rewriter: PatternRewriter, /) -> None:
        for x, gate in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
            block = _block(x, gate)
            if block is None:
                continue
            for member in (*block, op):
                if member.attributes.get(PATTERN) != SQUEEZE_EXCITE:
                    member.attributes[PATTERN] = SQUEEZE_EXCITE
                    rewriter.notify_op_modified(member)
            return


def _block(x: SSAValue, gate: SSAValue) -> list[NnOp] | None:
    """The ops from the global mean of `x` up to the gate, if they are squeeze and excitation."""
    ops: list[NnOp] = []

    def step(*kinds: type[NnOp]) -> bool:
        """Takes in the op before, if it is one of `kinds` and feeds nothing else."""
        nonlocal gate
        op = gate.owner
        if not isinstance(op, kinds) or sole_user(gate) is None:
            return False
        ops.append(op)
        gate = op.operands[0]
        return True

    step(ReshapeOp)
    if not step(*GATES):
        return None
    step(ReshapeOp)
    if not step(ConvOp, MatmulOp):
        return None
    step(*BETWEEN)
    if not step(ConvOp, MatmulOp):
        return None
    step(ReshapeOp)
    mean = gate.owner
    if not isinstance(mean, ReduceMeanOp | AvgPoolOp) or not step(ReduceMeanOp, AvgPoolOp):
        return None
    return ops[::-1] if gate is x and _is_global(mean) else None


def _is_global(op: ReduceMeanOp | AvgPoolOp) -> bool:
    """The mean of each channel over all of its spatial dimensions."""
    shape = shape_of(op.x)
    if isinstance(op, ReduceMeanOp):
        rank = len(shape)
        return rank > 2 and sorted(a % rank for a in op.axes.get_values()) == [*range(2, rank)]
    return op.kernel.get_values() == shape[2:] and math.prod(shape_of(op.result)[2:]) == 1


@dataclass(frozen=True)
class RecognizeSqueezeExcitePass(OctetPass):
    """Marks the ops of squeeze-and-excitation blocks, for placement rules and reports.

    Before (the activation in the middle may be fused into its convolution):

        %1 = nn.reduce_mean %0 <axes = [2, 3], keepdims = true> : (..) -> ..
        %2 = nn.conv %1, %squeeze <..> : (..) -> ..
        %3 = nn.relu %2 : (..) -> ..
        %4 = nn.conv %3, %excite <..> : (..) -> ..
        %5 = nn.sigmoid %4 : (..) -> ..
        %6 = nn.mul %0, %5 : (..) -> ..

    After: the same ops, each with `pattern = "squeeze-excite"`.

    The linear ops may be matrix products between reshapes, the gate a hard sigmoid. It does not
    fire when the gate is of another value's mean or a value inside has another use. Hu et al.,
    "Squeeze-and-Excitation Networks", arXiv:1709.01507.
    """

    name = "recognize-squeeze-excite"
    NUMERICS: ClassVar = Numerics.EXACT

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [MarkSqueezeExcite()])

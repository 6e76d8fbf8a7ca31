"""Pass `merge-pads`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern, op_type_rewrite_pattern

from dialects.assembly import to_attribute
from dialects.context import OctetContext
from dialects.nn.linear import ConvOp
from dialects.nn.movement import PadOp
from passes.base import Numerics, OctetPass
from passes.naming import absorb, same_placement
from passes.simplify.rebuild import rebuild


def spatial_zero_pads(op: PadOp) -> tuple[int, ...] | None:
    """The pads of the spatial dimensions, if zeros are added there and nowhere else."""
    pads = op.pads.get_values()
    rank = len(pads) // 2
    outside = (*pads[:2], *pads[rank : rank + 2])
    if op.mode.data != "constant" or op.value.value.data != 0.0:
        return None
    if any(outside) or min(pads) < 0:
        return None
    return (*pads[2:rank], *pads[rank + 2 :])


class MergePads(RewritePattern):
    @op_type_rewrite_pattern
    def match_and_rewrite(self, op: ConvOp, rewriter: PatternRewriter, /) -> None:
        pad = op.x.owner
        if not isinstance(pad, PadOp) or not same_placement(pad, op):
            return
        extra = spatial_zero_pads(pad)
        if extra is None:
            return
        pads = [own + more for own, more in zip(op.pads.get_values(), extra, strict=True)]
        merged = rebuild(op, operands={"x": pad.x}, properties={"pads": to_attribute(pads)})
        absorb(merged, pad)
        rewriter.replace(op, merged)


@dataclass(frozen=True)
class MergePadsPass(OctetPass):
    """Merges a spatial zero pad into the convolutions that read it.

    Before:

        %1 = nn.pad %0 <mode = "constant", pads = [0, 0, 1, 1, 0, 0, 1, 1], value = 0.0> : ..
        %2 = nn.conv %1, %w <pads = [0, 0, 0, 0], ..> : ..

    After:

        %2 = nn.conv %0, %w <pads = [1, 1, 1, 1], ..> : ..

    Exact. Every convolution that reads the pad takes it in, so the pad goes once its last other
    use is gone; a pad that is an output stays beside the merged convolution. It does not fire on
    other pad modes or values, on pads of the batch or channel dimension, on cropping (negative)
    pads, or into pooling, whose padding is not zero.
    """

    name = "merge-pads"
    NUMERICS: ClassVar = Numerics.EXACT

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [MergePads()])

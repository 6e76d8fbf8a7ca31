"""Pass `number-ops`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, i64

from dialects.context import OctetContext
from dialects.program import placeable_ops
from passes.base import Numerics, OctetPass
from passes.facts import OPS_NUMBERED


@dataclass(frozen=True)
class NumberOpsPass(OctetPass):
    """Write down where each op stands, before ops are fused and split.

    Before:

        %w = nn.constant ..
        %1 = nn.conv %0, %w <..> {layer = "stem"} : ..
        %2 = nn.softmax %1 <axis = 1> {layer = "prob"} : ..

    After:

        %w = nn.constant ..
        %1 = nn.conv %0, %w <..> {index = array<i64: 0>, layer = "stem"} : ..
        %2 = nn.softmax %1 <axis = 1> {index = array<i64: 1>, layer = "prob"} : ..

    Numbers count the `nn` ops in order, constants left out, as `index:` selectors do. Earlier
    numbers are replaced. A program at stage `kernel` has no `nn` ops, and nothing happens.
    """

    name = "number-ops"
    NUMERICS: ClassVar = Numerics.EXACT
    ANNOTATES: ClassVar = True
    ESTABLISHES: ClassVar = frozenset({OPS_NUMBERED})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        for index, op in enumerate(placeable_ops(module)):
            op.index = DenseArrayBase.from_list(i64, [index])
            self.count(ctx, "ops")

"""Places every buffer in one arena."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp

from dialects.context import OctetContext
from passes.base import OctetPass
from passes.facts import MEMORY_PLANNED, ON_BUFFERS
from runtime.planning.memory import plan_memory


@dataclass(frozen=True)
class PlanMemoryPass(OctetPass):
    """Gives every buffer a byte offset in one arena, shared by buffers that never live together.

    The placement is proved (no overlap of live buffers, all inside the arena) before it is
    written. The runtime plans anew, with the same planner, for other input sizes.

        memref<1x8x6x6xf32, #kernel.buffer<nhwc>>
    becomes
        memref<1x8x6x6xf32, #kernel.buffer<nhwc, at = 4096>>
    """

    name = "plan-memory"
    REQUIRES: ClassVar = frozenset({ON_BUFFERS})
    ESTABLISHES: ClassVar = frozenset({MEMORY_PLANNED})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.count(ctx, "arena bytes", plan_memory(module))

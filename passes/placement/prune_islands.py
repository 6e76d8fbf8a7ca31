"""Pass `prune-islands`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp, StringAttr

from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.nn.attributes import Precision, PrecisionAttr
from dialects.nn.base import NnOp
from passes.base import Numerics, OctetPass
from passes.facts import MOVEMENT_ON_INTEGERS, ON_TENSORS, PRECISION_PLACED, SCALES_UNIFIED
from passes.placement.capabilities import quantized_in_source
from passes.placement.cost_model import Cost, CostModel, ProgramCost
from passes.placement.decision import decision_of


@dataclass(frozen=True)
class PruneIslandsPass(OctetPass):
    """Undo regions of int8 or 16-bit ops that cost more than they save.

    Before:

        %1 = nn.conv %0, %w <..> {placed_by = "default: target host runs conv in int8",
                                  precision = #nn<precision int8>} : ..

    After, where converting %0 and %1 takes longer than int8 saves:

        %1 = nn.conv %0, %w <..> {placed_by = "cost model: island of 1 op saves 0.4 us, its
                                  conversions cost 1.9 us", precision = #nn<precision f32>} : ..

    An island is a largest set of ops of one precision that feed one another, seen through movement.
    It *saves* what its ops take less than in float32; its *conversions* are those that disappear
    with it, less those that appear. Islands are judged in program order by the cost model
    (docs/cost-model.md) at the target's rates, until none is undone: every one that is makes the
    program faster by the model.

    `min-gain` is what an island must save, conversions deducted, in microseconds. Islands of fewer
    than `min-ops` ops are undone whatever they save.

    Does not touch ops that a rule of the user placed, or that the model itself quantizes; they are
    part of an island's surroundings.
    """

    name = "prune-islands"
    NUMERICS: ClassVar = Numerics.EXACT
    REQUIRES: ClassVar = frozenset({ON_TENSORS, PRECISION_PLACED})
    INVALIDATES: ClassVar = frozenset({MOVEMENT_ON_INTEGERS, SCALES_UNIFIED})

    min_ops: int = 1
    min_gain: int | float = 0

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        if self.min_ops < 1 or self.min_gain < 0:
            raise OctetError(
                f"prune-islands{{min-ops={self.min_ops} min-gain={self.min_gain}}}: expected "
                "min-ops of at least 1 and min-gain of at least 0"
            )
        program = ProgramCost(module, CostModel(ctx.target))
        placement = {op: op.precision.data for op in program.ops if op.precision is not None}
        changed = True
        while changed:
            changed = False
            now = program.of(placement)
            for island in islands(program, placement):
                without = program.of({**placement, **dict.fromkeys(island, Precision.F32)})
                if (reason := self._against(len(island), now, without)) is None:
                    continue
                now = without
                for op in island:
                    placement[op] = Precision.F32
                    op.precision = PrecisionAttr(Precision.F32)
                    op.placed_by = StringAttr(reason)
                self.count(ctx, "islands")
                self.count(ctx, "ops", len(island))
                changed = True

    def _against(self, size: int, now: Cost, without: Cost) -> str | None:
        """Why an island of so many ops should be undone, or None if it should stay."""
        saved = without.ops - now.ops
        converting = now.conversions - without.conversions
        count = f"{size} op{'s' if size > 1 else ''}"
        if size < self.min_ops:
            return f"cost model: island of {count}, fewer than {self.min_ops}"
        if saved - converting >= 1e3 * self.min_gain:
            return None
        wanted = f", less than {self.min_gain} us apart" if self.min_gain else ""
        return (
            f"cost model: island of {count} saves {_us(saved)}, its conversions cost "
            f"{_us(converting)}{wanted}"
        )


def _us(ns: float) -> str:
    return f"{ns / 1e3:.1f} us" if abs(ns) >= 1e3 else f"{ns / 1e3:.2f} us"


def islands(program: ProgramCost, placement: dict[NnOp, Precision]) -> list[list[NnOp]]:
    """The ops that may be undone, grouped by precision and connection; in program order."""
    neighbours: dict[NnOp, list[NnOp]] = {
        op: [] for op in program.ops if _may_change(op, placement)
    }
    for read in program.reads:
        source, reader = read.value.owner, read.reader
        if not isinstance(source, NnOp) or reader is None:
            continue
        free = source in neighbours and reader in neighbours
        if free and placement[reader] is placement[source]:
            neighbours[source].append(reader)
            neighbours[reader].append(source)
    order = {op: index for index, op in enumerate(program.ops)}
    found: list[list[NnOp]] = []
    seen: set[NnOp] = set()
    for start in neighbours:
        if start in seen:
            continue
        seen.add(start)
        island, pending = [], [start]
        while pending:
            op = pending.pop()
            island.append(op)
            new = [other for other in neighbours[op] if other not in seen]
            seen.update(new)
            pending += new
        found.append(sorted(island, key=order.__getitem__))
    return found


def _may_change(op: NnOp, placement: dict[NnOp, Precision]) -> bool:
    """Placed in fewer than 32 bits, and by nobody but the default rule."""
    return (
        placement.get(op, Precision.F32) is not Precision.F32
        and op.placed_by is not None
        and decision_of(op.placed_by.data).kind == "default"
        and not quantized_in_source(op)
    )

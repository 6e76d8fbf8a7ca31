"""What every Octet pass shares: its numeric promise, counted rewrites, bounded rewriting."""

from __future__ import annotations

import enum
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriteWalker,
    RewritePattern,
)

from dialects.context import OctetContext
from dialects.errors import OctetError
from passes.facts import ON_TENSORS, Fact


class Numerics(enum.Enum):
    """How far a pass may change a program's results; `--verify-each=numeric` holds it to that."""

    EXACT = "not at all"
    ROUNDING = "by float32 rounding"
    ONE_STEP = "by at most one step of the results that are quantized"
    QUANTIZES = "by quantization"


@dataclass(frozen=True)
class OctetPass(ModulePass):
    """A pass over a program. The class docstring is its documentation: first line the summary."""

    NUMERICS: ClassVar[Numerics] = Numerics.EXACT
    NEEDS_DATA: ClassVar[bool] = False
    """Without calibration data, the stages leave the pass out."""
    READS_DATA: ClassVar[bool] = False
    """Results may depend on the calibration data, also where the pass can do without."""
    ANNOTATES: ClassVar[bool] = False
    """It only writes down or checks what is there: where it stands is no question of order."""
    REQUIRES: ClassVar[frozenset[Fact]] = frozenset({ON_TENSORS})
    """What has to be true before, for the pass to be right and to do what it is for."""
    ESTABLISHES: ClassVar[frozenset[Fact]] = frozenset()
    """What is true afterwards, whatever was before."""
    INVALIDATES: ClassVar[frozenset[Fact]] = frozenset()
    """What may be true before and false afterwards; every other fact is kept."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if not isinstance(ctx, OctetContext):
            raise OctetError(f"pass {self.name} needs an OctetContext (use octet-opt or compile)")
        self.run(ctx, op)

    @abstractmethod
    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        """Rewrites `module` in place."""

    def count(self, ctx: OctetContext, what: str, amount: int = 1) -> None:
        """Adds to this pass's statistics (`--pass-statistics`)."""
        if amount:
            ctx.statistics[self.name, what] += amount

    def rewrite(
        self,
        ctx: OctetContext,
        module: ModuleOp,
        patterns: Sequence[RewritePattern],
        *,
        recursive: bool = True,
    ) -> bool:
        """Applies `patterns` until none fires; counts each by its class name."""
        budget = _Budget(1000 + 100 * sum(1 for _ in module.walk()))
        counted = [_Counted(pattern, self, ctx, budget) for pattern in patterns]
        return PatternRewriteWalker(
            GreedyRewritePatternApplier(list(counted), ctx),
            apply_recursively=recursive,
        ).rewrite_module(module)


@dataclass
class _Budget:
    """xDSL's walker has no iteration limit: a pattern that feeds itself would never end."""

    left: int


@dataclass
class _Counted(RewritePattern):
    pattern: RewritePattern
    owner: OctetPass
    ctx: OctetContext
    budget: _Budget

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        self.pattern.match_and_rewrite(op, rewriter)
        if not rewriter.has_done_action:
            return
        name = type(self.pattern).__name__
        self.owner.count(self.ctx, name)
        self.budget.left -= 1
        if self.budget.left < 0:
            raise OctetError(
                f"pass {self.owner.name}: pattern {name} keeps rewriting its own output"
            )

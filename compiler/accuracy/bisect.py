"""`compile --bisect-accuracy`: the op, and the pass, after which a compilation loses its accuracy.

Both go by the signal-to-noise ratio of the outputs against float on calibration samples, and by a
limit: by default that at which half of the final noise is there (3 dB above the final ratio).

*By op*: of the ops that end in int8, the first k do, the others stay float. Bisection finds a k
with the ratio above the limit for k and below it for k + 1: a crossing, whatever the curve between.
*By pass*: the program after every pass of the whole compilation that changed it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from compiler.instrumentation.numeric import Outputs, run_module, sample_inputs
from compiler.pipeline import Instrument
from compiler.strategy.builder import Builder
from compiler.strategy.evaluation_data import Samples
from compiler.strategy.evaluator import outputs_of
from compiler.strategy.metrics import quality_of
from dialects.context import OctetContext
from dialects.nn.attributes import Precision
from passes.placement.rules import Rule
from runtime.artifact import program_text

if TYPE_CHECKING:
    from rich.console import RenderableType

HALF_OF_THE_NOISE = 10 * math.log10(2)


@dataclass(frozen=True)
class Step:
    """The outputs' ratio in dB once `name` has been quantized, or has run."""

    index: int
    name: str
    sqnr: float


@dataclass(frozen=True)
class Drop:
    """The steps that were measured, in order, and where the ratio fell below `limit`."""

    kind: str
    limit: float
    steps: tuple[Step, ...]
    before: Step | None
    at: Step | None
    """None if it never fell."""

    def as_dict(self) -> dict[str, object]:
        def plain(step: Step | None) -> dict[str, object] | None:
            if step is None:
                return None
            sqnr = round(step.sqnr, 2) if math.isfinite(step.sqnr) else "exact"
            return {"index": step.index, "name": step.name, "sqnr_db": sqnr}

        return {
            "limit_db": round(self.limit, 2) if math.isfinite(self.limit) else None,
            "steps": [plain(step) for step in self.steps],
            "before": plain(self.before),
            "at": plain(self.at),
        }

    def as_table(self) -> RenderableType:
        """The steps, with the one at which the ratio fell marked, for `rich`."""
        from rich.table import Table
        from rich.text import Text

        if self.at is None:
            caption = f"no {self.kind} takes the outputs below {_text(self.limit)}"
        else:
            start = _text(self.before.sqnr if self.before is not None else math.inf)
            caption = (
                f"{self.kind} {self.at.name}: {start} before, {_text(self.at.sqnr)} after; "
                f"limit {_text(self.limit)}"
            )
        table = Table(title=f"accuracy by {self.kind}", caption=caption)
        table.add_column("#", justify="right")
        table.add_column(f"up to {self.kind}", overflow="fold")
        table.add_column("SQNR of the outputs", justify="right")
        for step in self.steps:
            mark = "bold" if step is self.at else ""
            cells = (str(step.index), step.name, _text(step.sqnr))
            table.add_row(*(Text(cell, mark) for cell in cells))
        return table


def _text(sqnr: float) -> str:
    return f"{sqnr:.1f} dB" if math.isfinite(sqnr) else ("exact" if sqnr > 0 else "no signal")


def bisect_ops(
    builder: Builder,
    samples: Samples,
    limit: float | None = None,
    done: Callable[[], None] = lambda: None,
) -> Drop:
    """The first op that takes the outputs below `limit` dB. `done` is called per measurement."""
    ops = builder.ops_in(Precision.INT8)
    reference = outputs_of(builder.reference(), samples)
    steps: dict[int, Step] = {0: Step(0, "nothing", math.inf)}

    def measure(count: int) -> Step:
        """With the first `count` of the ops in int8."""
        if count not in steps:
            rules = [Rule(select=op, precision=Precision.F32) for op, _ in ops[count:]]
            outputs = outputs_of(builder.with_rules(rules), samples)
            sqnr = quality_of(outputs, reference, None).sqnr
            steps[count] = Step(count, ops[count - 1][1], sqnr)
            done()
        return steps[count]

    final = measure(len(ops))
    wanted = final.sqnr + HALF_OF_THE_NOISE if limit is None else limit
    low, high = 0, len(ops)
    if final.sqnr >= wanted:
        return _drop("op", wanted, steps, None, None)
    while high - low > 1:
        middle = (low + high) // 2
        if measure(middle).sqnr < wanted:
            high = middle
        else:
            low = middle
    return _drop("op", wanted, steps, steps[low], steps[high])


def _drop(
    kind: str, limit: float, steps: dict[int, Step], before: Step | None, at: Step | None
) -> Drop:
    measured = tuple(steps[index] for index in sorted(steps) if index)
    return Drop(kind, limit, measured, before, at)


@dataclass
class AccuracyTrace(Instrument):
    """Runs the program after every pass that changed it, on one batch."""

    steps: list[Step] = field(default_factory=list[Step], init=False)
    _feeds: Outputs | None = field(default=None, init=False)
    _reference: Outputs | None = field(default=None, init=False)
    _text: str = field(default="", init=False)
    _passes: int = field(default=0, init=False)

    def before(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        if self._feeds is None:
            self._feeds = sample_inputs(ctx, module)
            self._reference = run_module(ctx, module, self._feeds)
            self._text = program_text(module)

    def after(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        assert self._feeds is not None
        assert self._reference is not None
        self._passes += 1
        text = program_text(module)
        if text == self._text:
            return
        self._text = text
        outputs = run_module(ctx, module, self._feeds)
        sqnr = quality_of([outputs], [self._reference], None).sqnr
        self.steps.append(Step(self._passes, module_pass.name, sqnr))

    def drop(self, limit: float | None = None) -> Drop:
        """The last pass that took the outputs below the limit for good."""
        if not self.steps:
            return Drop("pass", math.nan if limit is None else limit, (), None, None)
        wanted = self.steps[-1].sqnr + HALF_OF_THE_NOISE if limit is None else limit
        above = [i for i, step in enumerate(self.steps) if step.sqnr >= wanted]
        first = above[-1] + 1 if above else 0
        at = self.steps[first] if first < len(self.steps) else None
        before = self.steps[first - 1] if first and at is not None else None
        return Drop("pass", wanted, tuple(self.steps), before, at)

"""`--timing`: where the time of a compilation went."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from compiler.pipeline import Instrument
from dialects.context import OctetContext


@dataclass
class Timing(Instrument):
    """Wall-clock seconds per pass, and per other step that is wrapped in `step`."""

    steps: list[tuple[str, str, float]] = field(default_factory=list)
    """(stage, pass or step, seconds), in the order they ran."""
    stage: str = ""
    report: bool = True
    _start: float = field(default=0.0, init=False)

    def before(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        self._start = time.perf_counter()

    def after(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        self.steps.append((self.stage, module_pass.name, time.perf_counter() - self._start))

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Times the block as a step of its own."""
        start = time.perf_counter()
        yield
        self.steps.append((self.stage, name, time.perf_counter() - start))

    def seconds_by_stage(self) -> dict[str, float]:
        """The sum over each stage, in the order the stages ran."""
        sums: dict[str, float] = {}
        for stage, _, seconds in self.steps:
            sums[stage] = sums.get(stage, 0.0) + seconds
        return sums

    def finish(self) -> None:
        if not self.report:
            return
        from rich.console import Console
        from rich.table import Table

        total = sum(seconds for _, _, seconds in self.steps)
        table = Table(title="timing", caption=f"total {total:.3f} s")
        for heading in ("stage", "pass"):
            table.add_column(heading)
        for heading in ("seconds", "share"):
            table.add_column(heading, justify="right")
        for stage, name, seconds in self.steps:
            table.add_row(stage, name, f"{seconds:.3f}", f"{seconds / max(total, 1e-9):.1%}")
        Console(stderr=True).print(table)

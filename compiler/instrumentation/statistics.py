"""`--pass-statistics`: what each pass did how often."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from compiler.pipeline import Instrument
from dialects.context import OctetContext


@dataclass
class PassStatistics(Instrument):
    """Prints the counters of `OctetContext.statistics` as a table on stderr."""

    _counters: Counter[tuple[str, str]] = field(default_factory=Counter, init=False)

    def after(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        self._counters = ctx.statistics

    def finish(self) -> None:
        from rich.console import Console
        from rich.table import Table

        table = Table(title="pass statistics")
        table.add_column("pass")
        table.add_column("event")
        table.add_column("count", justify="right")
        for (name, event), count in self._counters.items():
            table.add_row(name, event, str(count))
        Console(stderr=True).print(table)

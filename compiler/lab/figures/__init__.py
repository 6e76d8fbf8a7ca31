"""Figures of records. Each module has `rows`, which makes plain rows of a record, and `draw`, which
makes a figure of such rows; to add one, write both and enter it in `FIGURES`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from compiler.lab.figures.style import Rows, write_figure
from compiler.lab.objective import Objective
from compiler.lab.record import Line

FIGURES: Mapping[str, str] = {
    "commutation": "which pairs of passes commute, and how far apart they are if not",
    "influence": "which passes enable or disable others",
    "sequences": "distinct programs against orders",
    "pareto": "modelled latency and the objective of every program",
    "regret": "how fast each search comes to the best order",
    "transfer": "what an order learned on one model costs on another",
    "waterfall": "what each pass of the default order does to the IR",
    "coreset": "how many models few orders serve",
}
"""Figure -> what it shows. The module is `compiler.lab.figures.<name>`."""


@dataclass(frozen=True)
class Source:
    """What figures are made of."""

    lines: list[Line] = field(repr=False)
    objective: Objective = field(default_factory=Objective)
    epsilon: float = 0.01


def rows_for(name: str, source: Source) -> Rows:
    """The rows of a figure; none where the records have nothing for it."""
    return import_module(f"compiler.lab.figures.{name}").rows(source)


def draw(name: str, rows: Rows) -> Any:
    """The matplotlib figure of some rows."""
    return import_module(f"compiler.lab.figures.{name}").draw(rows)


def write(name: str, rows: Rows, folder: Path) -> list[Path]:
    """Draws rows and writes PNG, PDF and CSV, the same bytes every time."""
    return write_figure(draw(name, rows), rows, folder / name)

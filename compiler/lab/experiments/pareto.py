"""Experiment `pareto`: what speed costs in accuracy, over every program that orders come to."""

from __future__ import annotations

from collections import Counter
from typing import Any

from compiler.lab.front import undominated, worth
from compiler.lab.objective import Objective
from compiler.lab.results import Row, Table

LATENCY = "latency_ns"


def pareto_rows(
    table: Table, metric: str, objective: Objective | None = None
) -> list[dict[str, Any]]:
    """One row per distinct final program of a model that works and meets the objective's
    conditions: how many orders come to it, whether it is on the front of modelled latency and
    `metric`, and whether it is the default's."""
    objective = objective or Objective(metric)
    programs: dict[str, Row] = {}
    counted: Counter[str] = Counter()
    for row in table.rows:
        if row.final is not None and objective.admits(row):
            programs.setdefault(row.final, row)
            counted[row.final] += 1
    values = {
        final: (worth(LATENCY, row.metrics), worth(metric, row.metrics))
        for final, row in programs.items()
    }
    front = set(undominated(values))
    default = table.default.final if table.default is not None else None
    return [
        {
            "model": table.model,
            "program": final,
            "orders": counted[final],
            "front": final in front,
            "default": final == default,
            LATENCY: row.metrics.get(LATENCY),
            metric: row.metrics.get(metric),
            "order": ",".join(row.order),
        }
        for final, row in sorted(programs.items(), key=lambda one: (values[one[0]], one[0]))
    ]

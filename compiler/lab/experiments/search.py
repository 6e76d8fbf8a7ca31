"""Experiment `search`: looks for good orders and records each that was evaluated."""

from __future__ import annotations

import random
from dataclasses import dataclass

from compiler.lab.lab import Lab, Outcome
from compiler.lab.lines import order_line
from compiler.lab.search import Arena, Objective, Search
from compiler.lab.space import Space


@dataclass(frozen=True)
class Found:
    """What a search came to: all outcomes in the order they were asked for, the best of them, and
    the default order's."""

    outcomes: list[Outcome]
    best: Outcome | None
    default: Outcome


def run_search(
    lab: Lab,
    space: Space,
    search: Search,
    objective: Objective,
    *,
    budget: int | None = None,
    seed: int = 0,
) -> Found:
    """Runs a search. The default order is evaluated beside it, not counted in its budget."""
    experiment = f"search:{search.name}:{objective.metric}:{seed}"
    arena = Arena(lab, space, objective, budget, random.Random(f"{experiment}:{lab.request.name}"))
    search.run(arena)
    for number, outcome in enumerate(arena.tried.values()):
        lab.record.add(order_line(lab, experiment, outcome, number))
    (default,) = lab.evaluate([lab.subject.sections.default])
    lab.record.add(order_line(lab, "default", default, 0))
    return Found(list(arena.tried.values()), arena.best(), default)

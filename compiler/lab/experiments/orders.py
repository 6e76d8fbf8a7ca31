"""The same orders on every model: what comparisons over models need."""

from __future__ import annotations

import random

from compiler.lab.lab import Lab
from compiler.lab.lines import order_line
from compiler.lab.results import DEFAULT
from compiler.lab.space import Order, Space


def orders_by_chance(space: Space, budget: int, seed: int) -> list[Order]:
    """All orders of a space of at most `budget`, else that many distinct ones by chance. The same
    for the same seed and space, whatever the model."""
    if space.count() <= budget:
        return list(space.orders())
    source = random.Random(f"orders:{seed}")
    drawn: dict[Order, None] = {}
    while len(drawn) < budget:
        drawn[space.random_order(source)] = None
    return list(drawn)


def run_orders(lab: Lab, space: Space, budget: int, seed: int) -> None:
    """Evaluates them and the default order, and records each."""
    default = lab.subject.sections.default
    experiment = f"orders:{seed}"
    outcomes = lab.evaluate([*orders_by_chance(space, budget, seed), default])
    for number, outcome in enumerate(outcomes):
        lab.record.add(order_line(lab, experiment, outcome, number))
    lab.record.add(order_line(lab, DEFAULT, outcomes[-1], 0))

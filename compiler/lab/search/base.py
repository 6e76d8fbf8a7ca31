"""What a search is: something that proposes orders within a budget of evaluations."""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from compiler.lab.lab import Lab, Outcome
from compiler.lab.metrics import METRICS
from compiler.lab.space import Order, Space
from dialects.errors import OctetError


@dataclass(frozen=True)
class Objective:
    """A metric to be made better; an order that fails, or has no such figure, is worse than any."""

    metric: str = "sqnr_db"

    def __post_init__(self) -> None:
        known = [metric.name for metric in METRICS.values() if metric.better]
        if self.metric not in known:
            raise OctetError(f"--objective: expected one of {', '.join(known)}, got {self.metric}")

    def score(self, outcome: Outcome) -> float:
        """The greater the better."""
        value = outcome.metrics.get(self.metric)
        if outcome.status != "ok" or value is None:
            # Without noise there is no figure in dB: nothing is better.
            exact = outcome.status == "ok" and self.metric == "sqnr_db"
            return math.inf if exact else -math.inf
        return value if METRICS[self.metric].better == "more" else -value


@dataclass
class Arena:
    """What a search works with: a space, a budget, chance, and the lab.

    An order counts against the budget when it is first evaluated. `tried` has every order with its
    outcome, in the order in which they were asked for.
    """

    lab: Lab
    space: Space
    objective: Objective
    budget: int | None
    random: random.Random
    tried: dict[Order, Outcome] = field(default_factory=dict[Order, Outcome])

    @property
    def left(self) -> float:
        """How many orders may still be evaluated."""
        return math.inf if self.budget is None else self.budget - len(self.tried)

    def evaluate(self, orders: Sequence[Order]) -> list[Outcome]:
        """The outcomes of orders, as many from the first as the budget allows."""
        fresh = [order for order in dict.fromkeys(orders) if order not in self.tried]
        if self.budget is not None:
            fresh = fresh[: self.budget - len(self.tried)]
        for order, outcome in zip(fresh, self.lab.evaluate(fresh), strict=True):
            self.tried[order] = outcome
        return [self.tried[order] for order in orders if order in self.tried]

    def score(self, order: Order) -> float:
        """What an order that was evaluated is worth."""
        return self.objective.score(self.tried[order])

    def best(self) -> Outcome | None:
        """The best so far; of equals the first."""
        return max(self.tried.values(), key=self.objective.score, default=None)


class Search(ABC):
    """A way to look for good orders. Add one as a module with a subclass, and a line in `SEARCHES`.

    It asks `arena.evaluate` for batches of orders until `arena.left` is 0 or it has no more to ask.
    Large batches keep workers busy; what it asks for may depend on earlier outcomes and on
    `arena.random` alone, so that a run can be resumed and repeated.
    """

    name: ClassVar[str]

    @abstractmethod
    def run(self, arena: Arena) -> None:
        """Evaluates orders of `arena.space`."""

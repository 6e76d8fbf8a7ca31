"""What makes one order better than another: a metric, and conditions on others."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from compiler.lab.metrics import METRICS
from dialects.errors import OctetError

MISSED = 1e18
"""Scores of orders that miss a condition begin below minus this, beyond what any metric says."""

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
}


class Judged(Protocol):
    """Whatever has a status and metrics: an outcome, or a row of a record."""

    @property
    def status(self) -> str: ...
    @property
    def metrics(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Condition:
    """A bound that a metric has to keep: `int8_macs>=0.9`."""

    metric: str
    comparison: str
    bound: float

    @classmethod
    def of(cls, text: str) -> Condition:
        """Parses `METRIC>=NUMBER` or `METRIC<=NUMBER`. Raises OctetError for anything else."""
        match = re.fullmatch(r"\s*(\w+)\s*(>=|<=)\s*(\S+)\s*", text)
        if match is None:
            raise OctetError(f"--require {text}: expected METRIC>=NUMBER or METRIC<=NUMBER")
        metric, comparison, bound = match.groups()
        if metric not in METRICS:
            raise OctetError(f"--require {text}: expected one of {', '.join(METRICS)}")
        try:
            number = float(bound)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise OctetError(f"--require {text}: {bound} is no number")
        return cls(metric, comparison, number)

    def shortfall(self, value: float | None) -> float:
        """How far a figure is from the bound: 0 if it keeps it, else up to 1."""
        if value is None:  # only SQNR has no figure: of an exact program, above every bound
            return 0.0 if self.metric == "sqnr_db" and self.comparison == ">=" else 1.0
        if _COMPARISONS[self.comparison](value, self.bound):
            return 0.0
        apart = abs(value - self.bound)
        return apart / (apart + abs(self.bound) + 1e-300)

    def __str__(self) -> str:
        return f"{self.metric}{self.comparison}{self.bound:g}"


@dataclass(frozen=True)
class Objective:
    """A metric to be made better. An order that misses a condition is worse than any that meets
    them all, the more the further it is from them; one that fails is worse than that.

    A program without any noise has the best SQNR: without a condition on `int8_macs` that is one in
    which nothing is quantized.
    """

    metric: str = "sqnr_db"
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        known = [metric.name for metric in METRICS.values() if metric.better]
        if self.metric not in known:
            raise OctetError(f"--objective: expected one of {', '.join(known)}, got {self.metric}")

    def score(self, judged: Judged) -> float:
        """The greater the better."""
        if judged.status != "ok":
            return -math.inf
        missed = sum(one.shortfall(judged.metrics.get(one.metric)) for one in self.conditions)
        if missed:
            return -MISSED * (1 + missed)
        value = judged.metrics.get(self.metric)
        if value is None:
            # Without noise there is no figure in dB: nothing is better.
            return math.inf if self.metric == "sqnr_db" else -math.inf
        return value if METRICS[self.metric].better == "more" else -value

    def meets(self, judged: Judged) -> bool:
        """It has a figure, and keeps all conditions."""
        return math.isfinite(score := self.score(judged)) and score > -MISSED

    def admits(self, judged: Judged) -> bool:
        """It works and keeps all conditions, with or without noise."""
        return judged.status == "ok" and self.score(judged) > -MISSED

    def value(self, score: float) -> float:
        """The metric of a score."""
        return score if METRICS[self.metric].better == "more" else -score

    def __str__(self) -> str:
        return ",".join((self.metric, *map(str, self.conditions)))

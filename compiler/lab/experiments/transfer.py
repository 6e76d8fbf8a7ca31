"""Experiment `transfer`: how good is an order on a model that it was not chosen on.

*Regret* is how much worse an order is than the best one known for that model, in the unit of the
metric. An order is learned on several models by the least mean of regrets, each relative to the
spread of that model's scores, so that no model's unit outweighs the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compiler.lab.space import Order

Scores = Mapping[Order, Mapping[str, float]]
"""Order -> model -> score, the greater the better, minus infinity where it fails."""

OTHERS = "others"
"""Learned on all models but the one it is applied to."""


@dataclass(frozen=True)
class Transfer:
    """An order learned on one model, or on all others, and applied to a model."""

    learned_on: str
    applied_to: str
    order: Order
    regret: float
    default_regret: float | None

    def row(self) -> dict[str, Any]:
        return {
            "learned_on": self.learned_on,
            "applied_to": self.applied_to,
            "order": ",".join(self.order),
            "regret": _finite(self.regret),
            "default_regret": _finite(self.default_regret),
        }


def transfers(scores: Scores, defaults: Mapping[str, Order] | None = None) -> list[Transfer]:
    """For each model as learner, and for all others together, the regret on each model."""
    models = list(next(iter(scores.values())))
    best = {model: max(of[model] for of in scores.values()) for model in models}
    defaults = defaults or {}
    found: list[Transfer] = []
    for applied in models:
        default = scores.get(defaults.get(applied, ()))
        default_regret = None if default is None else _regret(best, default, applied)
        others = [model for model in models if model != applied]
        learners = [(model, [model]) for model in models]
        if others:
            learners.append((OTHERS, others))
        for name, learner in learners:
            order = learned(scores, learner)
            regret = _regret(best, scores[order], applied)
            found.append(Transfer(name, applied, order, regret, default_regret))
    return found


def learned(scores: Scores, models: Sequence[str]) -> Order:
    """The order with the least mean relative regret on `models`; of equals the first."""
    best = {model: max(of[model] for of in scores.values()) for model in models}
    spread = {model: _spread([of[model] for of in scores.values()]) for model in models}
    return min(
        scores,
        key=lambda order: sum(
            _regret(best, scores[order], model) / spread[model] for model in models
        ),
    )


def _regret(best: Mapping[str, float], of: Mapping[str, float], model: str) -> float:
    return 0.0 if of[model] == best[model] else best[model] - of[model]


def _spread(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return (max(finite) - min(finite) if finite else 0.0) or 1.0


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None

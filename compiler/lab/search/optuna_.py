"""Optuna's samplers, on orders coded as random keys.

Every pass has a number from 0 to 1, and of those that may come next the one with the greatest comes
(Bean, "Genetic algorithms and random keys for sequencing and optimization", 1994); options are
categorical. So each sampler sees a plain space of numbers, and every point is a legal order.
"""

from __future__ import annotations

import math
import random
import warnings
from typing import Any, ClassVar

from compiler.lab.search.base import Arena, Search
from compiler.lab.sections import name_of
from compiler.lab.space import Order, Space
from dialects.errors import OctetError

BATCH = 8
"""Orders proposed together: the same whatever the number of workers."""
SAME_IN_A_ROW = 8
"""Batches without anything new before the search ends: a sampler that has converged stays where it
is, and asking it takes longer the more it was told."""
WORST = -1e30
"""What a sampler is told of an order that fails."""


class _Optuna(Search):
    sampler: ClassVar[str]
    settings: ClassVar[dict[str, Any]] = {}

    def run(self, arena: Arena) -> None:
        if not arena.space.count():
            return
        study, idle = _study(self.sampler, self.settings, arena.random), 0
        while arena.left > 0 and idle < SAME_IN_A_ROW:
            known = len(arena.tried)
            trials = [study.ask() for _ in range(BATCH)]
            orders = [_order(trial, arena.space) for trial in trials]
            arena.evaluate(orders)
            for trial, order in zip(trials, orders, strict=True):
                if order in arena.tried:
                    study.tell(trial, _finite(arena.score(order)))
            idle = 0 if len(arena.tried) > known else idle + 1


class Tpe(_Optuna):
    """Tree-structured Parzen estimators (Bergstra et al., 2011)."""

    name: ClassVar = "optuna-tpe"
    sampler: ClassVar = "TPESampler"
    settings: ClassVar = {"multivariate": True}  # one model of all keys: only their order counts


class Nsga(_Optuna):
    """Optuna's genetic sampler, NSGA-II (Deb et al., 2002), on keys in place of orders."""

    name: ClassVar = "optuna-nsgaii"
    sampler: ClassVar = "NSGAIISampler"


def _study(sampler: str, settings: dict[str, Any], source: random.Random) -> Any:
    try:
        import optuna
    except ImportError as error:
        raise OctetError(
            "--method optuna-*: Optuna is not installed; pip install 'octet[lab]', or use another "
            "method"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        chosen = getattr(optuna.samplers, sampler)(seed=source.randrange(2**31), **settings)
    return optuna.create_study(direction="maximize", sampler=chosen)


def _order(trial: Any, space: Space) -> Order:
    """The order that a trial's numbers stand for."""
    items = [(item, item in space.anchors) for item in (*space.items, *space.anchors)]
    keys: dict[tuple[str, int], float] = {}
    texts: dict[tuple[str, int], str] = {}
    for item, is_anchor in items:
        for use in range(1 if is_anchor else space.repeat):
            name = f"{item.name}#{use}"
            keys[item.name, use] = trial.suggest_float(name, 0.0, 1.0)
            choice = 0
            if len(item.variants) > 1:
                choice = trial.suggest_int(f"{name} options", 0, len(item.variants) - 1)
            texts[item.name, use] = item.variants[choice]
    end = trial.suggest_float("end", 0.0, 1.0) if space.subsets or space.repeat > 1 else 0.0
    order: Order = ()
    while True:
        used = [name_of(text) for text in order]
        able: list[tuple[float, str]] = []
        for text in space.next_passes(order):
            place = (name_of(text), used.count(name_of(text)))
            if texts[place] == text:
                able.append((keys[place], text))
        if not able:
            # The variants chosen leave no way on: any that does.
            able = [(0.0, text) for text in space.next_passes(order)][:1]
        best = max(able, default=None)
        if best is None or (space.contains(order) and best[0] < end):
            return order
        order = (*order, best[1])


def _finite(score: float) -> float:
    if math.isfinite(score):
        return score
    return -WORST if score > 0 else WORST

"""Experiment `coreset`: few orders that serve most models.

An order *covers* a model if it is within epsilon of the best order known for it. The fewest orders
that cover all is minimum set cover; greedily taking the one that covers most of what is left needs
at most H(n) times as many (Chvátal, 1979).
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from compiler.lab.experiments.transfer import Scores
from compiler.lab.space import Order

EPSILON = 0.01


def coverage(scores: Scores, epsilon: float = EPSILON) -> dict[Order, frozenset[str]]:
    """Order -> the models it covers: its score is at most `epsilon` of the best below the best."""
    models = list(next(iter(scores.values())))
    best = {model: max(of[model] for of in scores.values()) for model in models}
    least = {model: best[model] - epsilon * abs(best[model]) for model in models}
    least.update({m: best[m] for m in models if best[m] in (float("inf"), float("-inf"))})
    return {
        order: frozenset(m for m in models if of[m] >= least[m] and of[m] != float("-inf"))
        for order, of in scores.items()
    }


def greedy_cover(covers: Mapping[Order, AbstractSet[str]]) -> list[Order]:
    """Orders, each covering most of what those before it leave; of equals the first. What no order
    covers stays uncovered."""
    left = set().union(*covers.values())
    chosen: list[Order] = []
    while left:
        order = max(covers, key=lambda one: len(left & covers[one]))
        chosen.append(order)
        left -= covers[order]
    return chosen


def coreset_rows(scores: Scores, epsilon: float = EPSILON) -> list[dict[str, Any]]:
    """The chosen orders, with the models each adds and the share covered so far."""
    covers = coverage(scores, epsilon)
    models = list(next(iter(scores.values())))
    rows: list[dict[str, Any]] = []
    covered: set[str] = set()
    for number, order in enumerate(greedy_cover(covers), 1):
        added = sorted(covers[order] - covered)
        covered |= covers[order]
        rows.append(
            {
                "number": number,
                "order": ",".join(order),
                "covers": sorted(covers[order]),
                "adds": added,
                "covered": len(covered),
                "models": len(models),
                "epsilon": epsilon,
            }
        )
    return rows

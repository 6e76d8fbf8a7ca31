"""Experiment `ablate`: which pairs of passes explain the difference between two orders.

Two orders of the same passes differ in the pairs that stand the other way round. A set of such
pairs makes an order of its own: the one nearest to the base that has these pairs as the other order
has them, and leaves alone what both agree on. Delta debugging finds a minimal set whose order
accounts for the difference in the objective; these pairs are *order-critical*.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from compiler.lab.lab import Lab, Outcome
from compiler.lab.lines import identity, now, outcome_summary
from compiler.lab.minimize import ddmin
from compiler.lab.objective import Objective
from compiler.lab.record import Line
from compiler.lab.space import Order
from dialects.errors import OctetError

SHARE = 0.9
"""The part of the difference that a set of pairs has to account for."""

Pair = tuple[str, str]
"""Passes (a, b): a before b in the order that is studied, b before a in the base."""


@dataclass(frozen=True)
class Ablation:
    """Between `base` and `other`: of `differing` pairs the `critical` ones, the `minimal` order
    that has these alone, and what each critical pair does alone."""

    base: Outcome
    other: Outcome
    differing: tuple[Pair, ...]
    critical: tuple[Pair, ...]
    minimal: Outcome
    alone: tuple[Outcome, ...]
    tried: int
    share: float


def differing_pairs(base: Order, other: Order) -> tuple[Pair, ...]:
    """The pairs (a, b) with a before b in `other` and behind it in `base`.

    Raises OctetError unless both are orders of the same passes, each once.
    """
    if sorted(base) != sorted(other) or len(set(base)) < len(base):
        odd = sorted({*base} ^ {*other}) or sorted(t for t in set(base) if base.count(t) > 1)
        raise OctetError(
            "two orders of the same passes are compared, each once with the same options; "
            f"these differ in {', '.join(odd) or 'how often passes occur'}"
        )
    place = {text: index for index, text in enumerate(base)}
    return tuple(
        (a, b) for index, a in enumerate(other) for b in other[index + 1 :] if place[a] > place[b]
    )


def order_with(base: Order, other: Order, pairs: Collection[Pair]) -> Order:
    """The order nearest to `base` that has `pairs` as `other` has them, and every pair that both
    agree on as they do.

    Passes are taken in the order of `base`, those first that have to come before them; as `other`
    satisfies all constraints, there is such an order.
    """
    turned = set(differing_pairs(base, other))
    before: dict[str, set[str]] = {text: set() for text in base}
    for index, a in enumerate(base):
        for b in base[index + 1 :]:
            if (b, a) not in turned:
                before[b].add(a)
    for a, b in pairs:
        before[b].add(a)
    left, order = list(base), []
    while left:
        ready = next(text for text in left if not before[text].intersection(left))
        left.remove(ready)
        order.append(ready)
    return tuple(order)


def run_ablation(
    lab: Lab, base: Order, other: Order, objective: Objective, *, share: float = SHARE
) -> Ablation:
    """Runs the experiment and adds its line to the lab's record.

    Raises OctetError if one of the orders fails, or both are worth the same.
    """
    differing = differing_pairs(base, other)
    first, second = lab.evaluate([base, other])
    for outcome in (first, second):
        if not objective.meets(outcome):
            raise OctetError(
                f"{outcome.pipeline}: {outcome.error or 'it does not meet the conditions'}; "
                "an ablation needs two orders that work"
            )
    start, end = objective.score(first), objective.score(second)
    if start == end:
        raise OctetError(f"both orders have the same {objective.metric}: nothing to explain")
    orders: set[Order] = set()

    def outcome_of(pairs: Collection[Pair]) -> Outcome:
        order = order_with(base, other, pairs)
        orders.add(order)
        (outcome,) = lab.evaluate([order])
        return outcome

    def explains(pairs: tuple[Pair, ...]) -> bool:
        outcome = outcome_of(pairs)
        reached = (objective.score(outcome) - start) / (end - start)
        return objective.meets(outcome) and reached >= share

    critical = ddmin(differing, explains)
    found = Ablation(
        first, second, differing, critical, outcome_of(critical),
        tuple(outcome_of([pair]) for pair in critical), len(orders), share,
    )  # fmt: skip
    lab.record.add(ablation_line(lab, found, objective))
    return found


def ablation_line(lab: Lab, found: Ablation, objective: Objective) -> Line:
    base, other = found.base.order, found.other.order
    return {
        "kind": "ablation",
        "id": identity("ablation", lab.run_id, str(objective), str(found.share), *base, *other),
        "run_id": lab.run_id,
        "model": lab.request.name,
        "metric": objective.metric,
        "conditions": [str(one) for one in objective.conditions],
        "share": found.share,
        "base": {"path": list(base), **outcome_summary(found.base)},
        "other": {"path": list(other), **outcome_summary(found.other)},
        "differing": [list(pair) for pair in found.differing],
        "critical": [list(pair) for pair in found.critical],
        "minimal": {"path": list(found.minimal.order), **outcome_summary(found.minimal)},
        "alone": [{"path": list(one.order), **outcome_summary(one)} for one in found.alone],
        "tried": found.tried,
        "time": {"at": now()},
    }

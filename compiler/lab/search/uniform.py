"""Orders by chance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from compiler.lab.search.base import Arena, Search
from compiler.lab.space import Order

BATCH = 64
LISTED = 20_000
"""Spaces of up to so many orders are shuffled; of greater ones orders are drawn, and those that
were drawn before are left out."""


class Uniform(Search):
    """Distinct orders, each as likely as any other, until the budget or the space ends."""

    name: ClassVar = "random"

    def run(self, arena: Arena) -> None:
        orders = _by_chance(arena)
        while arena.left > 0:
            batch = [order for order, _ in zip(orders, range(BATCH), strict=False)]
            if not batch:
                return
            arena.evaluate(batch)


def _by_chance(arena: Arena) -> Iterator[Order]:
    total = arena.space.count()
    if total <= LISTED:
        orders = list(arena.space.orders())
        arena.random.shuffle(orders)
        yield from orders
        return
    drawn: set[Order] = set()
    while len(drawn) < total:
        order = arena.space.random_order(arena.random)
        if order not in drawn:
            drawn.add(order)
            yield order

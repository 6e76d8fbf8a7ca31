"""Small changes of an order that keep it legal."""

from __future__ import annotations

import random
from collections.abc import Iterator

from compiler.lab.sections import name_of
from compiler.lab.space import Order, Space

TRIES = 200
"""Changes drawn before an order is taken to have no legal one."""


def neighbours(space: Space, order: Order) -> list[Order]:
    """All legal orders one change away: a pass moved, given other options, left out, or added."""
    found = dict.fromkeys(_changed(space, order))
    found.pop(order, None)
    return [one for one in found if space.contains(one)]


def _changed(space: Space, order: Order) -> Iterator[Order]:
    for source, text in enumerate(order):
        rest = (*order[:source], *order[source + 1 :])
        for target in range(len(order)):
            yield (*rest[:target], text, *rest[target:])
        for variant in _variants(space, text):
            yield (*order[:source], variant, *order[source + 1 :])
        yield rest
    for item in space.items:
        for text in item.variants:
            for target in range(len(order) + 1):
                yield (*order[:target], text, *order[target:])


def _variants(space: Space, text: str) -> tuple[str, ...]:
    name = name_of(text)
    items = (item for item in (*space.items, *space.anchors) if item.name == name)
    return next((item.variants for item in items), ())


def changed_by_chance(space: Space, order: Order, source: random.Random) -> Order:
    """A legal order one move, exchange or choice of options away; `order` if none is found."""
    for _ in range(TRIES):
        passes = list(order)
        kind = source.randrange(3)
        first, second = source.randrange(len(passes)), source.randrange(len(passes))
        if kind == 0:
            passes.insert(second, passes.pop(first))
        elif kind == 1:
            passes[first], passes[second] = passes[second], passes[first]
        else:
            passes[first] = source.choice(_variants(space, passes[first]) or (passes[first],))
        if tuple(passes) != order and space.contains(tuple(passes)):
            return tuple(passes)
    return order


def crossed(space: Space, a: Order, b: Order, source: random.Random) -> Order:
    """Order crossover (Davis, 1985): a stretch of `a` in its place, the passes around it in the
    order that `b` has them. `a` if that is not legal."""
    first, last = sorted(source.randrange(len(a) + 1) for _ in range(2))
    stretch = a[first:last]
    rest = list(b)
    for text in stretch:
        name = name_of(text)
        match = next((other for other in rest if name_of(other) == name), None)
        if match is not None:
            rest.remove(match)
    child = (*rest[:first], *stretch, *rest[first:])
    return child if space.contains(child) else a

"""Orders built from the front, the best few beginnings kept at each length."""

from __future__ import annotations

from typing import ClassVar

from compiler.lab.search.base import Arena, Search
from compiler.lab.sections import name_of
from compiler.lab.space import Order

WIDTH = 4
COMPLETIONS = 2
"""Full orders by which a beginning is judged: one that goes on as `arena.start` does, if that is
legal, and others by chance."""


class Beam(Search):
    """Beam search. A beginning is worth what the best order tried that begins so is worth. What is
    left of the budget when all orders are complete goes to wider beams."""

    name: ClassVar = "beam"

    def run(self, arena: Arena) -> None:
        if not arena.space.count():
            return
        width = WIDTH
        while arena.left > 0:
            known = len(arena.tried)
            _descend(arena, width)
            if len(arena.tried) == known and width > arena.space.count():
                return
            width *= 2


def _descend(arena: Arena, width: int) -> None:
    beam: list[Order] = [()]
    while beam and arena.left > 0:
        longer = [(*prefix, text) for prefix in beam for text in arena.space.next_passes(prefix)]
        arena.evaluate([order for prefix in longer for order in _completions(arena, prefix)])
        scored = [(_worth(arena, prefix), prefix) for prefix in longer]
        # A stable sort: of equals those that the space lists first.
        scored.sort(key=lambda one: -one[0])
        beam = [prefix for _, prefix in scored[:width]]


def _completions(arena: Arena, prefix: Order) -> list[Order]:
    names = [name_of(text) for text in prefix]
    rest = list(arena.start or ())
    for name in names:
        match = next((text for text in rest if name_of(text) == name), None)
        if match is not None:
            rest.remove(match)
    usual = (*prefix, *rest)
    found = [usual] if arena.space.contains(usual) else []
    while len(found) < COMPLETIONS:
        found.append(arena.space.random_order(arena.random, prefix))
    return found


def _worth(arena: Arena, prefix: Order) -> float:
    scores = (arena.score(o) for o in arena.tried if o[: len(prefix)] == prefix)
    return max(scores, default=float("-inf"))

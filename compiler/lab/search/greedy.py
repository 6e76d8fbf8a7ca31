"""Steepest ascent from the order to begin with, then from random ones."""

from __future__ import annotations

from typing import ClassVar

from compiler.lab.search.base import Arena, Search
from compiler.lab.search.moves import neighbours
from compiler.lab.space import Order

SAME_IN_A_ROW = 64
"""Starts that bring nothing new before the search ends: the space is known."""


class Greedy(Search):
    """Goes to the best neighbour until none is better, and starts anew until the budget ends."""

    name: ClassVar = "greedy"

    def run(self, arena: Arena) -> None:
        if not arena.space.count():
            return
        start = arena.start
        if start is None or not arena.space.contains(start):
            start = arena.space.random_order(arena.random)
        idle = 0
        while arena.left > 0 and idle < SAME_IN_A_ROW:
            known = len(arena.tried)
            _climb(arena, start)
            idle = 0 if len(arena.tried) > known else idle + 1
            start = arena.space.random_order(arena.random)


def _climb(arena: Arena, order: Order) -> None:
    arena.evaluate([order])
    while arena.left > 0:
        around = neighbours(arena.space, order)
        arena.evaluate(around)
        best = max((n for n in around if n in arena.tried), key=arena.score, default=order)
        if arena.score(best) <= arena.score(order):
            return
        order = best

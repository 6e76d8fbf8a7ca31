"""Orders that are crossed and changed by chance, the better ones more often."""

from __future__ import annotations

from typing import ClassVar

from compiler.lab.search.base import Arena, Search
from compiler.lab.search.moves import changed_by_chance, crossed
from compiler.lab.space import Order

POPULATION = 16
KEPT = 4
"""Of each generation the best go on as they are."""
TOURNAMENT = 3
CHANGED = 0.7
"""Share of the children that are changed after crossing."""
SAME_IN_A_ROW = 32
"""Generations without anything new before the search ends."""


class Genetic(Search):
    """A genetic algorithm: tournament selection, order crossover, elitism."""

    name: ClassVar = "genetic"

    def run(self, arena: Arena) -> None:
        if not arena.space.count():
            return
        first = [arena.start] if arena.start and arena.space.contains(arena.start) else []
        while len(first) < POPULATION:
            first.append(arena.space.random_order(arena.random))
        arena.evaluate(first)
        population, idle = _known(arena, first), 0
        while arena.left > 0 and idle < SAME_IN_A_ROW:
            before = len(arena.tried)
            children = [_child(arena, population) for _ in range(POPULATION - KEPT)]
            arena.evaluate(children)
            best = sorted(dict.fromkeys(population), key=arena.score, reverse=True)[:KEPT]
            population = best + _known(arena, children)
            idle = 0 if len(arena.tried) > before else idle + 1


def _known(arena: Arena, orders: list[Order]) -> list[Order]:
    return [order for order in orders if order in arena.tried]


def _child(arena: Arena, population: list[Order]) -> Order:
    mother, father = _chosen(arena, population), _chosen(arena, population)
    child = crossed(arena.space, mother, father, arena.random)
    if child == mother or arena.random.random() < CHANGED:
        child = changed_by_chance(arena.space, child, arena.random)
    return child


def _chosen(arena: Arena, population: list[Order]) -> Order:
    return max((arena.random.choice(population) for _ in range(TOURNAMENT)), key=arena.score)

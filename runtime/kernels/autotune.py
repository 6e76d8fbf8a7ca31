"""Finds the fastest tiling of a product by measuring, on the memory of a plan."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from runtime.executor import Table
from runtime.kernels.gemm import Product, observers, problem_of, tile_calls
from runtime.kernels.multiply import Multiply
from runtime.kernels.tiling import Tiling, candidates, make_tiling
from runtime.kernels.tilings import Choice

_WORTHWHILE = 0.97
"""A choice must save 3 % to be preferred to the rule: less is noise."""

_HOPELESS = 1.3
"""A candidate this much slower than the best is not measured again."""


@contextmanager
def observed_products() -> Iterator[list[tuple[Product, Multiply]]]:
    """Collects the products of the plans that are made in its body."""
    seen: list[tuple[Product, Multiply]] = []

    def observe(product: Product, multiply: Multiply) -> None:
        seen.append((product, multiply))

    observers.append(observe)
    try:
        yield seen
    finally:
        observers.remove(observe)


def autotune(product: Product, multiply: Multiply, seconds: float) -> Choice:
    """The fastest choice for a product, measured for about `seconds` on one thread.

    The candidates run in turn, and the least time of each counts.  The product's outputs are
    written.
    """
    problem = problem_of(product, multiply)
    choices: dict[Tiling, Choice] = {}
    for choice in candidates(multiply):
        tiling = make_tiling(problem, multiply, *choice)
        if tiling is not None:
            choices.setdefault(tiling, choice)
    tables = {
        choice: Table(tile_calls([product], multiply, tiling)) for tiling, choice in choices.items()
    }
    first = next(iter(tables))  # the rule's
    best = dict.fromkeys(tables, float("inf"))
    running = list(tables)
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < 3 or time.perf_counter() < end:
        for choice in running:
            start = time.perf_counter()
            tables[choice].run()
            best[choice] = min(best[choice], time.perf_counter() - start)
        rounds += 1
        least = min(best.values())
        running = [choice for choice in running if best[choice] <= _HOPELESS * least]
        if len(running) == 1 and rounds >= 3:
            break
    fastest = min(best, key=lambda choice: best[choice])
    return fastest if best[fastest] < _WORTHWHILE * best[first] else first

"""Every order of the space."""

from __future__ import annotations

import itertools
from typing import ClassVar

from compiler.lab.search.base import Arena, Search

BATCH = 50_000
"""Orders that are walked together: as few walks as memory allows."""


class Exhaustive(Search):
    """Every order, in the space's own order, until the budget ends."""

    name: ClassVar = "exhaustive"

    def run(self, arena: Arena) -> None:
        orders = arena.space.orders()
        while arena.left > 0 and (batch := list(itertools.islice(orders, BATCH))):
            arena.evaluate(batch)

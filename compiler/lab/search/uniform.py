"""Orders by chance."""

from __future__ import annotations

from typing import ClassVar

from compiler.lab.search.base import Arena, Search

BATCH = 64


class Uniform(Search):
    """Distinct orders, each as likely as any other, until the budget or the space ends."""

    name: ClassVar = "random"

    def run(self, arena: Arena) -> None:
        total = arena.space.count()
        while arena.left > 0 and len(arena.tried) < total:
            wanted = min(BATCH, arena.left, total - len(arena.tried))
            batch = dict.fromkeys(())
            while len(batch) < wanted:
                order = arena.space.random_order(arena.random)
                if order not in arena.tried:
                    batch[order] = None
            arena.evaluate(list(batch))

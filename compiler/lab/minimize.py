"""Delta debugging: the smallest part of a set that still shows something.

`ddmin` is the algorithm of Zeller and Hildebrandt, "Simplifying and isolating failure-inducing
input" (IEEE TSE, 2002).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def ddmin(items: Sequence[T], shows: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """A part of `items`, in their order, that `shows` holds of, and of nothing that is one item
    smaller (1-minimal). Each part is asked for once.

    Raises ValueError if `shows` does not hold of all items together.
    """
    known: dict[tuple[int, ...], bool] = {}

    def holds(chosen: tuple[int, ...]) -> bool:
        if chosen not in known:
            known[chosen] = shows(tuple(items[index] for index in chosen))
        return known[chosen]

    current = tuple(range(len(items)))
    if not holds(current):
        raise ValueError("what is looked for does not show in the whole set")
    if holds(()):
        return ()
    pieces = 2
    while len(current) > 1:
        parts = _split(current, pieces)
        part = next((part for part in parts if holds(part)), None)
        if part is not None:
            current, pieces = part, 2
            continue
        rests = (tuple(index for index in current if index not in part) for part in parts)
        rest = next((rest for rest in rests if holds(rest)), None)
        if rest is not None:
            current, pieces = rest, max(pieces - 1, 2)
        elif pieces >= len(current):
            break
        else:
            pieces = min(2 * pieces, len(current))
    return tuple(items[index] for index in current)


def _split(indices: tuple[int, ...], pieces: int) -> list[tuple[int, ...]]:
    bounds = [len(indices) * piece // pieces for piece in range(pieces + 1)]
    return [indices[a:b] for a, b in itertools.pairwise(bounds) if a < b]

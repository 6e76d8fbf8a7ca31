"""`pattern(conv->relu->conv)[matches, steps]`: chains of op types along the flow of data.

A match is one part of the program per step, each reached from the one before it by an arrow: along
a use of its result, through ops that are seen through (`graph.seen_through`). Matches may overlap.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from passes.placement.selectors.graph import Parts
from passes.placement.selectors.syntax import Step
from passes.placement.selectors.types import canonical_type

MAX_MATCHES = 100_000
"""Matches that are counted one by one, for a slice among them. Without one none is: the ops that
lie on any match are found in time linear in the graph."""


@dataclass(frozen=True)
class Matches:
    """Where the steps of a pattern can be: for each, the parts that lie on a whole match."""

    parts: Parts
    candidates: Sequence[set[int]]
    longest: int
    """How many steps, from the first, occur one after the other in the program."""
    next: set[int]
    """What the arrow behind those leads to, where a step is missing."""

    @classmethod
    def of(cls, parts: Parts, steps: Sequence[Step]) -> Matches:
        forward: list[set[int]] = []
        reached = set(range(len(parts.types)))
        for step in steps:
            here = {part for part in reached if fits(step, parts, part)}
            if not here:
                return cls(parts, [set() for _ in steps], len(forward), reached)
            forward.append(here)
            reached = parts.reached(here, parts.successors)
        candidates = [forward[-1]]
        for earlier in reversed(forward[:-1]):
            leading = parts.reached(candidates[-1], parts.predecessors)
            candidates.append(earlier & leading)
        return cls(parts, candidates[::-1], len(steps), set())

    def one_by_one(self) -> Iterator[tuple[int, ...]]:
        """The matches, ordered by where their first step is, then the second, and so on."""
        cache: dict[tuple[int, int], list[int]] = {}

        def following(step: int, part: int) -> list[int]:
            if (step, part) not in cache:
                reached = self.parts.reached([part], self.parts.successors)
                cache[step, part] = sorted(reached & self.candidates[step + 1])
            return cache[step, part]

        def extended(match: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
            if len(match) == len(self.candidates):
                yield match
                return
            for part in following(len(match) - 1, match[-1]):
                yield from extended((*match, part))

        for part in sorted(self.candidates[0]):
            yield from extended((part,))


def fits(step: Step, parts: Parts, part: int) -> bool:
    """The part has one of the step's types; `*` stands for all but movement."""
    if not step.types:
        return not parts.moving[part]
    return parts.types[part] in map(canonical_type, step.types)

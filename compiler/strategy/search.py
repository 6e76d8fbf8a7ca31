"""The search: placements proposed by the surrogate, judged by measurement.

1. *Uniform* placements, all ops in one precision, bound what is possible.
2. *Front*: the surrogate's best placement for each of a row of prices of noise.
3. *Refinement* from the best so far: ops, pairs of neighbours and random connected groups change
   precision, those first that the surrogate expects the most from; what is measured to be better
   is kept. It ends when nothing it tries helps, or with the evaluations.

Everything depends on the seed and on measurements alone, never on the clock or on how many
placements are measured at a time: rounds have a fixed size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from compiler.strategy.evaluator import Evaluator
from compiler.strategy.metrics import Budget, Quality
from compiler.strategy.space import Assignment, letters
from compiler.strategy.state import Measured
from compiler.strategy.surrogate import Surrogate, prices, random_start, with_precision
from dialects.nn.attributes import Precision

ROUND = 4
"""Placements measured between two decisions of the refinement."""

PRICES = 24
RANDOM_STARTS = 4
PATIENCE = 10
"""Rounds without an improvement after which the refinement ends."""

LARGEST_GROUP = 6

PARENTS = 6
"""Placements whose changes are considered in one round."""


@dataclass
class Search:
    """One search. `improved` is called with each new best placement; `out_of_time` is asked
    between rounds."""

    evaluator: Evaluator
    surrogate: Surrogate
    budget: Budget
    evaluations: int
    seed: int = 0
    improved: Callable[[Assignment, Measured], None] = lambda assignment, measured: None
    out_of_time: Callable[[], bool] = lambda: False
    best: Assignment | None = None
    seen: dict[Assignment, Measured] = field(default_factory=dict[Assignment, Measured])

    def run(self) -> list[Assignment]:
        """Searches; returns all placements that were measured, the best first."""
        random = np.random.default_rng(self.seed)
        space = self.surrogate.space
        # Also without any time: there has to be a result.
        self._measure([space.uniform(precision) for precision in Precision])
        for proposed in batches(self._front(random)):
            self._try(proposed)
        self._refine(random)
        return sorted(self.seen, key=self.rank)

    def rank(self, assignment: Assignment) -> tuple[float, float, float, str]:
        """Sorts by what the budget is missed by, then latency, noise, and the letters."""
        measured = self.seen[assignment]
        return (
            self.budget.excess(measured.quality, self.reference),
            measured.latency_ns,
            measured.quality.noise,
            letters(assignment),
        )

    @property
    def reference(self) -> Quality:
        return self.evaluator.reference

    @property
    def _ended(self) -> bool:
        return len(self.seen) >= self.evaluations or self.out_of_time()

    def _try(self, assignments: list[Assignment]) -> bool:
        """Measures what was not measured yet, as far as allowed; whether the best got better."""
        new = [a for a in dict.fromkeys(assignments) if a not in self.seen]
        new = new[: max(0, self.evaluations - len(self.seen))]
        return bool(new) and not self.out_of_time() and self._measure(new)

    def _measure(self, new: list[Assignment]) -> bool:
        for assignment, measured in zip(new, self.evaluator.measure(new), strict=True):
            self.seen[assignment] = measured
        first = min(new, key=self.rank)
        if self.best is not None and self.rank(self.best) <= self.rank(first):
            return False
        self.best = first
        self.improved(first, self.seen[first])
        return True

    def _front(self, random: np.random.Generator) -> list[Assignment]:
        """What the surrogate finds best at each price, without repetitions."""
        space = self.surrogate.space
        uniform = [space.uniform(precision) for precision in Precision]
        noisiest = max(self.surrogate.noise(assignment) for assignment in uniform)
        starts = uniform + [random_start(space, random) for _ in range(RANDOM_STARTS)]
        found: dict[Assignment, None] = {}
        last: list[Assignment] = []
        fp32 = space.uniform(Precision.F32)
        for price in prices(self.surrogate, fp32, noisiest, PRICES):
            last = [self.surrogate.minimum([*starts, *last], price)]
            found[last[0]] = None
        return list(found)

    # --- refinement -------------------------------------------------------------------------

    def _refine(self, random: np.random.Generator) -> None:
        idle = 0
        while idle < PATIENCE and not self._ended:
            proposed = self._proposals(random)
            if not proposed:
                return
            idle = 0 if self._try(proposed) else idle + 1

    def _proposals(self, random: np.random.Generator) -> list[Assignment]:
        """The `ROUND` most promising untried changes of the best placement and of faster ones
        that miss the budget: those with the greatest expected gain of time."""
        assert self.best is not None
        goal = self.seen[self.best]
        within = self.budget.excess(goal.quality, self.reference) == 0
        scored: dict[Assignment, tuple[float, str]] = {}
        known = {self._twin(assignment) for assignment in self.seen}
        for parent in self._parents():
            measured = self.seen[parent]
            latency, noise = self.surrogate.latency(parent), self.surrogate.noise(parent)
            for changed in self._changes(parent, random):
                if changed in scored or self._twin(changed) in known:
                    continue
                gain = goal.latency_ns - measured.latency_ns
                gain += latency - self.surrogate.latency(changed)
                total = self.surrogate.noise(changed)
                # The parent's measurement, corrected; a sum of powers is at least in proportion.
                expected = max(measured.quality.noise + total - noise, total / 4)
                if not within:
                    scored[changed] = (expected, letters(changed))
                elif gain > 0:
                    scored[changed] = (-gain * self._chance(expected), letters(changed))
        ordered = sorted(scored, key=scored.__getitem__)
        return list({self._twin(a): a for a in reversed(ordered)}.values())[::-1][:ROUND]

    def _twin(self, assignment: Assignment) -> tuple[int, int]:
        """Equal for placements that hardly differ: measuring both would tell nothing, and trying
        many of them would sooner find luck than accuracy."""
        latency, noise = self.surrogate.latency(assignment), self.surrogate.noise(assignment)
        return (round(math.log(latency) / 0.004), round(math.log(noise + 1e-30) / 0.1))

    def _parents(self) -> list[Assignment]:
        """The best placement, and the cleanest of those that are faster."""
        assert self.best is not None
        goal = self.seen[self.best].latency_ns
        faster = [a for a in self.seen if self.seen[a].latency_ns < goal]
        cleanest = sorted(faster, key=lambda a: (self.seen[a].quality.noise, letters(a)))
        return [self.best, *cleanest[: PARENTS - 1]]

    def _chance(self, noise: float) -> float:
        """How likely a placement with so much noise is within the budget.

        By what was measured: cleaner placements that were not within it speak against, noisier
        ones that were speak for it. Where the budget is noise itself, it says so.
        """
        if self.budget.kind == "min-sqnr":
            allowed = 10 ** (-self.budget.limit / 10)
            return 1.0 if noise <= allowed else (allowed / noise) ** 4
        speaking_for = speaking_against = 0
        for measured in self.seen.values():
            within = self.budget.excess(measured.quality, self.reference) == 0
            speaking_for += within and measured.quality.noise >= noise
            speaking_against += not within and measured.quality.noise <= noise
        return (1 + speaking_for) / (2 + speaking_for + speaking_against)

    def _changes(self, start: Assignment, random: np.random.Generator) -> Iterator[Assignment]:
        """`start` with one op, two neighbours or a random connected group changed."""
        choices = self.surrogate.space.choices
        groups: list[tuple[int, ...]] = [(index,) for index in range(len(choices))]
        groups += self.surrogate.pairs()
        groups += [self._random_group(random) for _ in range(len(choices))]
        for group in groups:
            for precision in Precision:
                able = [c for c in group if precision in choices[c].precisions]
                if able:
                    yield with_precision(start, able, precision)

    def _random_group(self, random: np.random.Generator) -> tuple[int, ...]:
        """Choices reached from a random one along values."""
        neighbours: dict[int, set[int]] = {}
        for a, b in self.surrogate.pairs():
            neighbours.setdefault(a, set()).add(b)
            neighbours.setdefault(b, set()).add(a)
        size = int(random.integers(2, LARGEST_GROUP + 1))
        group = [int(random.integers(len(self.surrogate.space.choices)))]
        while len(group) < size:
            edge = sorted({n for member in group for n in neighbours.get(member, ())} - {*group})
            if not edge:
                break
            group.append(edge[int(random.integers(len(edge)))])
        return tuple(group)


def batches(assignments: list[Assignment]) -> Iterator[list[Assignment]]:
    """Rounds of a fixed size."""
    for start in range(0, len(assignments), ROUND):
        yield assignments[start : start + ROUND]

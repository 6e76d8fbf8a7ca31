"""Measures assignments on samples: build, run, compare; never twice the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

from compiler.quantized_io import run_real
from compiler.strategy.builder import Builder
from compiler.strategy.evaluation_data import Samples
from compiler.strategy.metrics import Outputs, Quality, quality_of
from compiler.strategy.space import Assignment, letters
from compiler.strategy.state import Key, Log, Measured
from runtime.program import Program


@dataclass
class Evaluator:
    """Quality and modelled latency of assignments on one set of samples.

    `jobs` assignments are measured at a time, each on one thread; the results do not depend on
    it. `done` is called after each measurement, also one that the log had.
    """

    builder: Builder
    samples: Samples
    log: Log
    jobs: int = 1
    done: Callable[[], None] = lambda: None
    measured: dict[Assignment, Measured] = field(
        default_factory=dict[Assignment, Measured], init=False
    )

    @cached_property
    def _reference(self) -> list[Outputs]:
        return outputs_of(self.builder.reference(), self.samples)

    @cached_property
    def reference(self) -> Quality:
        """The float program against itself: no noise, its own accuracy."""
        return quality_of(self._reference, self._reference, self.samples.labels)

    @cached_property
    def _digests(self) -> tuple[str, str, str]:
        return (
            self.builder.program_digest(),
            self.samples.digest,
            self.builder.target_digest(),
        )

    def key(self, assignment: Assignment) -> Key:
        return Key(*self._digests, letters(assignment))

    def measure(self, assignments: Iterable[Assignment]) -> list[Measured]:
        """Measurements in the order of `assignments`."""
        wanted = list(assignments)
        missing = [
            assignment
            for assignment in dict.fromkeys(wanted)
            if assignment not in self.measured and not self._recall(assignment)
        ]
        if missing:
            _ = self._reference  # once, before threads ask for it
            self._measure_all(missing)
        return [self.measured[assignment] for assignment in wanted]

    def _recall(self, assignment: Assignment) -> bool:
        known = self.log.get(self.key(assignment))
        if known is None:
            return False
        self.measured[assignment] = known
        self.done()
        return True

    def _measure_all(self, assignments: Sequence[Assignment]) -> None:
        with ThreadPoolExecutor(self.jobs) as pool:
            try:
                # In order, so that the log's lines do not depend on the number of jobs.
                for assignment, found in zip(
                    assignments, pool.map(self._measure_one, assignments), strict=True
                ):
                    self.measured[assignment] = found
                    self.log.add(self.key(assignment), found)
                    self.done()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _measure_one(self, assignment: Assignment) -> Measured:
        candidate = self.builder.build(assignment)
        outputs = outputs_of(candidate.program, self.samples)
        quality = quality_of(outputs, self._reference, self.samples.labels)
        return Measured(candidate.latency_ns, quality)


def outputs_of(program: Program, samples: Samples) -> list[Outputs]:
    """What `program` gives for each batch, as real numbers, on one thread."""
    return [run_real(program, feed) for feed in samples.feeds]

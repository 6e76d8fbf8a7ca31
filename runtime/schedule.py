"""Which calls of a plan threads share, and between which of them they wait for one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runtime.kernels.abi import Call

WIDEST = 1 << 30
"""The width of a stage that all threads share, however many."""

SHARE_NS = 2000.0
"""Work worth giving to a thread. Handing over costs a few hundred ns, and the other core needs
some microseconds until it has the data."""

_HANDOVER_NS = 500.0
"""From the end of a stage on one core to the beginning of the next on another."""

_WAKING_NS = 5000.0
"""What a run with several threads costs before they are of use."""


@dataclass(frozen=True)
class Stage:
    """Rows `first` to `end` (exclusive), which at most `width` threads share.

    `ns` estimates how long they take on one thread; 0 if that is not known.
    """

    first: int
    end: int
    width: int
    ns: float = 0.0


def stages_of(calls: Sequence[Call]) -> list[Stage]:
    """Calls in order, with a boundary wherever a thread may need what another one wrote.

    Two rows are in one stage only if the same thread runs both, or if the second is `independent`
    of the first: every thread then goes from its share of one to its share of the other.
    """
    stages: list[Stage] = []
    for row, call in enumerate(calls):
        ns = call.work or 0.0
        width = WIDEST if call.work is None else max(1, int(call.work / SHARE_NS))
        last = stages[-1] if stages else None
        if last is not None and (call.independent or width == last.width == 1):
            stages[-1] = Stage(last.first, row + 1, last.width, last.ns + ns)
        else:
            stages.append(Stage(row, row + 1, width, ns))
    return stages


def best_threads(stages: Sequence[Stage], most: int) -> int:
    """How many threads, at most `most`, are estimated to be done with the stages first."""

    def estimate(threads: int) -> float:
        if threads == 1:
            return sum(stage.ns for stage in stages)
        total = _WAKING_NS
        width_before = 1
        for stage in stages:
            total += stage.ns / min(stage.width, threads)
            total += _HANDOVER_NS if max(stage.width, width_before) > 1 else 0.0
            width_before = stage.width
        return total

    return min(range(1, most + 1), key=estimate)

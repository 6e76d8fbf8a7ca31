"""A profile: what each op of a program costs within whole runs, and how near to the machine's peak.

The times are taken by the executor while it walks the program (`Table.trace`), so every op finds
its data where the op before left them.  An op's time ends when its last row ends and begins when
the op before it has ended: the times add up to the run's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from dialects.kernel.loops import Launch
from runtime.executor import Span
from runtime.plan import Step
from runtime.profiling.machine import Machine
from runtime.work import call_bytes, call_macs, precision_of


@dataclass(frozen=True)
class OpProfile:
    """One op. `peak_share` compares its multiplications, or without any its memory traffic, with
    the machine's peak on as many cores as the run had; None where no peak is known."""

    layer: str
    kernel: str
    precision: str
    seconds: float
    share: float
    macs: int
    bytes: int
    peak_share: float | None
    op: Launch = field(repr=False)
    """What ran; not part of the JSON."""

    def to_json(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "op"}


@dataclass(frozen=True)
class Profile:
    """Medians over runs; ops in program order."""

    ops: list[OpProfile]
    seconds: float
    """The sum of the ops' times."""
    run_seconds: float
    """Of a whole run, without copying inputs and outputs: more than the sum where runs were
    disturbed, each in another op."""
    threads: int
    runs: int
    machine: Machine
    timeline: list[Span]
    """The run whose time is the median."""
    rows: list[int]
    """The op that each row of the program belongs to."""

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the timeline."""
        return {
            "seconds": self.seconds,
            "run_seconds": self.run_seconds,
            "threads": self.threads,
            "runs": self.runs,
            "machine": asdict(self.machine),
            "ops": [op.to_json() for op in self.ops],
        }


def op_seconds(timeline: Sequence[Span], rows: Sequence[int], ops: int) -> np.ndarray:
    """Seconds of each op in one run; `rows[i]` is the op of row i."""
    if not timeline:
        return np.zeros(ops)
    ends = np.zeros(ops, np.int64)
    for span in timeline:
        ends[rows[span.row]] = max(ends[rows[span.row]], span.end)
    start = min(span.begin for span in timeline)
    # An op without rows, or whose rows ended while an earlier op's went on, takes no time.
    ends = np.maximum.accumulate(np.maximum(ends, start))
    return np.diff(ends, prepend=start) * 1e-9


def profile_of(
    steps: Sequence[Step], timelines: Sequence[list[Span]], threads: int, machine: Machine
) -> Profile:
    """The profile of a plan's steps from the timelines of at least one run."""
    rows = [index for index, step in enumerate(steps) for _ in step.calls]
    times = np.array([op_seconds(timeline, rows, len(steps)) for timeline in timelines])
    totals = times.sum(axis=1)
    medians = np.median(times, axis=0)
    middle = int(np.argsort(totals, kind="stable")[len(totals) // 2])
    return Profile(
        ops=[
            _op_profile(step, float(seconds), float(medians.sum()), threads, machine)
            for step, seconds in zip(steps, medians, strict=True)
        ],
        seconds=float(medians.sum()),
        run_seconds=float(np.median(totals)),
        threads=threads,
        runs=len(timelines),
        machine=machine,
        timeline=timelines[middle],
        rows=rows,
    )


def _op_profile(
    step: Step, seconds: float, total: float, threads: int, machine: Machine
) -> OpProfile:
    macs, moved, precision = call_macs(step.op), call_bytes(step.op), precision_of(step.op)
    peak = machine.macs_per_second.get(precision) if macs else machine.bytes_per_second
    work = macs or moved
    return OpProfile(
        layer=step.op.layer.data if step.op.layer is not None else "",
        kernel=step.op.kernel_name,
        precision=precision,
        seconds=seconds,
        share=seconds / total if total else 0.0,
        macs=macs,
        bytes=moved,
        peak_share=work / seconds / (peak * threads) if peak and seconds else None,
        op=step.op,
    )

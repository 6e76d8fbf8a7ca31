"""Calibration in several processes: parts of the data are dealt out, what they give is merged.

The merged result is that of one process, bit for bit, whatever the number of workers and whoever
got which part: batches keep their numbers, each is run by the same kernels on one thread, and what
observers keep merges exactly (`passes/calibrate/measuring/observers.py`). Of several errors, the
one of the earliest batch is raised, as in one process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import islice
from typing import Protocol

from xdsl.dialects.builtin import ModuleOp

from compiler.calibration.compiled import note_on_stderr
from compiler.calibration.job import Job, Part, Result
from compiler.calibration.options import CalibrationOptions
from dialects.calibrator import Method
from dialects.context import Feed, OctetContext
from passes.calibrate.measuring.measurement import Measurement

BATCHES = 4
"""In a part: enough to outweigh sending what was seen back."""
AHEAD = 2
"""Parts per worker that are on their way at a time: they are what this process holds of the
data."""


class Pending(Protocol):
    def result(self) -> Result: ...


Submit = Callable[[Part], Pending]


class Workers(Protocol):
    """Takes parts; how many workers there are decides how many at a time."""

    count: int

    def submit(self, part: Part) -> Pending: ...


def measure_divided(
    ctx: OctetContext,
    module: ModuleOp,
    methods: Mapping[int, Method],
    batches: Iterable[tuple[int, Feed]],
    options: CalibrationOptions,
) -> Measurement:
    """`passes.calibrate.measuring.measurement.measure`, by the workers that were asked for."""
    with _workers(Job.of(module, ctx, methods), options) as workers:
        whole = Measurement()
        noted: set[str] = set()
        for result in _results(_parts(batches), workers):
            whole.merge(result.measurement)
            for note in result.notes:
                if note not in noted:
                    noted.add(note)
                    note_on_stderr(note)
        return whole


def _workers(job: Job, options: CalibrationOptions) -> AbstractContextManager[Workers]:
    if options.scheduler is not None:
        from compiler.calibration.cluster import cluster_workers

        return cluster_workers(job, options.scheduler)
    from compiler.calibration.processes import worker_processes

    return worker_processes(job, options.workers)


def _parts(batches: Iterable[tuple[int, Feed]]) -> Iterator[Part]:
    batches = iter(batches)
    while part := list(islice(batches, BATCHES)):
        yield part


def _results(parts: Iterable[Part], workers: Workers) -> Iterator[Result]:
    """In the order of the parts."""
    pending: deque[Pending] = deque()
    for part in parts:
        pending.append(workers.submit(part))
        if len(pending) >= AHEAD * workers.count:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()

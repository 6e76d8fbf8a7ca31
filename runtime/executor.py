"""Runs a table of kernel calls without returning to Python between them.

    row       one call: int64 words [function, argument 1, argument 2, ...]
    stage     rows that nobody has to wait between (see `runtime.schedule`)
    share     a thread's part of a stage: `kernel(row, share, shares)`; `shares` is the stage's
              width or the number of threads, whichever is less

A stage begins when every share of the stage before is done; that is the only order there is, so
rows may depend on all rows before them.  Each thread takes its own share first.  A share that
nobody has begun after a moment is taken by a thread that has nothing to do: no run waits for a
thread that is asleep or that the system has taken off its core, only for shares in work.

Shares are claimed by replacing the number of an earlier run, in the share's word, by this run's.
Numbers only grow, and all shares of a run are claimed before it ends: a thread that is late by
whole runs can claim nothing, so it is harmless, and nobody needs to know whether it has left.

    state of a stage     shares done | run that claimed share 0 | ... share 1 | ...
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba.extending import register_jitable

from runtime.kernels.abi import Call, Kernel, aligned
from runtime.kernels.atomics import (
    atomic_add,
    atomic_load,
    atomic_replace,
    atomic_store,
    clock,
    pause,
    yield_core,
)
from runtime.kernels.intrinsics import argument, call_kernel, i64_pointer
from runtime.kernels.isa import Isa
from runtime.schedule import Stage, stages_of
from runtime.workers import MEMBER_BITS, native, post, workers

# Words of a job, the row of a walker.
_INDEX, _ROWS, _STAGES, _COUNT, _STATES, _STATE_BYTES = range(1, 7)
_RUN, _PROGRESS = 8, 9
_LOGS, _LOG_BYTES = 16, 17
_JOB_WORDS = 24

# Words of a stage's description.
_FIRST, _END, _WIDTH = range(3)
_STAGE_BYTES = 24

_LINE = 64

RECORD_WORDS = 5
"""Of a traced row: row, share, shares, begin, end."""

MOST_THREADS = 256
"""Of one run."""

_PATIENCE = 100
"""Looks at a stage before its unclaimed shares are taken: a few microseconds."""

_SPINS = 3000
"""Looks before each further look offers the core: 10-100 us, longer than most imbalance and far
shorter than a time slice. The thread that is waited for may need that very core."""


@register_jitable
def _claim(state: int, share: int, run: int) -> bool:
    word = state + 8 + 8 * share
    claimed = atomic_load(word)
    return claimed < run and atomic_replace(word, claimed, run)


@register_jitable
def _work(job: int, stage: int, share: int, shares: int, thread: int) -> None:
    index = argument(job, _INDEX)
    for row in range(argument(stage, _FIRST), argument(stage, _END)):
        call_kernel(argument(index, row), share, shares)


@register_jitable
def _work_traced(job: int, stage: int, share: int, shares: int, thread: int) -> None:
    index = argument(job, _INDEX)
    log = argument(job, _LOGS) + thread * argument(job, _LOG_BYTES)
    for row in range(argument(stage, _FIRST), argument(stage, _END)):
        begin = clock()
        call_kernel(argument(index, row), share, shares)
        end = clock()
        count = argument(log, 0)
        record = i64_pointer(log + 8 + count * 8 * RECORD_WORDS)
        record[0], record[1], record[2], record[3], record[4] = row, share, shares, begin, end
        i64_pointer(log)[0] = count + 1


def _walker(work: Any) -> Callable[[int, int, int], None]:
    def walk(job: int, member: int, threads: int) -> None:
        """One thread's way through all stages; several threads are on it at once."""
        run = member >> MEMBER_BITS
        thread = member & ((1 << MEMBER_BITS) - 1)
        for number in range(atomic_load(job + 8 * _PROGRESS), argument(job, _COUNT)):
            stage = argument(job, _STAGES) + number * _STAGE_BYTES
            state = argument(job, _STATES) + number * argument(job, _STATE_BYTES)
            shares = min(argument(stage, _WIDTH), threads)
            if thread < shares and _claim(state, thread, run):
                work(job, stage, thread, shares, thread)
                atomic_add(state, 1)
            looks = 0
            while atomic_load(state) < shares:
                if atomic_load(job + 8 * _RUN) != run:
                    return
                looks += 1
                if looks == _PATIENCE:
                    for share in range(shares):
                        if _claim(state, share, run):
                            work(job, stage, share, shares, thread)
                            atomic_add(state, 1)
                if looks < _SPINS:
                    pause()
                else:
                    yield_core()
            if thread == 0:
                # Whoever wakes up late begins here.
                atomic_store(job + 8 * _PROGRESS, number + 1)

    return walk


def _walk_alone(job: int, thread: int, threads: int) -> None:
    index = argument(job, _INDEX)
    for row in range(argument(job, _ROWS)):
        call_kernel(argument(index, row), 0, 1)


def _lead(job: int, mailboxes: int, threads: int) -> None:
    """Begins a run with `threads - 1` workers, and takes part as thread 0."""
    run = atomic_load(job + 8 * _RUN) + 1
    # Before anything else: whoever is late by a run and looks at what follows knows that it is.
    atomic_store(job + 8 * _RUN, run)
    atomic_store(job + 8 * _PROGRESS, 0)
    for stage in range(argument(job, _COUNT)):
        atomic_store(argument(job, _STATES) + stage * argument(job, _STATE_BYTES), 0)
    for thread in range(1, threads):
        post(argument(mailboxes, thread - 1), job, (run << MEMBER_BITS) + thread, threads)
    call_kernel(job, run << MEMBER_BITS, threads)


_WALK = Kernel.of(_walker(_work), "plain")
_WALK_TRACED = Kernel.of(_walker(_work_traced), "traced")
_WALK_ALONE, _LEAD = Kernel.of(_walk_alone), Kernel.of(_lead)


@cache
def _entry(kernel: Kernel) -> Callable[[int, int, int], None]:
    return native(kernel)


class _Job:
    """What a walker reads, for at most `threads` threads. Workers that are late keep it alive."""

    def __init__(self, walker: Kernel, calls: Sequence[Call], stages: list[Stage], threads: int):
        starts = np.cumsum([0] + [1 + len(call.arguments) for call in calls])
        self._words = np.zeros(starts[-1], np.int64)
        for start, call in zip(starts, calls, strict=False):
            row = self._words[start : start + 1 + len(call.arguments)]
            row[0] = call.kernel.address
            row[1:] = call.arguments
        self._index = self._words.ctypes.data + starts[:-1] * self._words.itemsize
        words = [(stage.first, stage.end, stage.width) for stage in stages]
        self._stages = np.array(words, np.int64).reshape(-1, 3)
        state_bytes = -(-8 * (1 + threads) // _LINE) * _LINE
        self._states = aligned(np.zeros(len(self._stages) * state_bytes // 8, np.int64))
        self._row = aligned(np.zeros(_JOB_WORDS, np.int64))
        self._row[0] = walker.address
        self._row[_INDEX] = self._index.ctypes.data
        self._row[_ROWS] = len(calls)
        self._row[_STAGES] = self._stages.ctypes.data
        self._row[_COUNT] = len(self._stages)
        self._row[_STATES] = self._states.ctypes.data
        self._row[_STATE_BYTES] = state_bytes
        self.address = self._row.ctypes.data
        self.threads = threads
        self.shares = len(calls) * threads

    def log(self) -> np.ndarray:
        """Memory for what each thread of a traced run did: [thread, 1 + records' words]."""
        logs = np.zeros((self.threads, 1 + RECORD_WORDS * self.shares), np.int64)
        self._row[_LOGS], self._row[_LOG_BYTES] = logs.ctypes.data, logs.strides[0]
        return logs


@dataclass(frozen=True)
class Span:
    """One thread's share of one row, in a traced run; times in ns of the monotonic clock."""

    row: int
    thread: int
    share: int
    shares: int
    begin: int
    end: int


class Table:
    """A plan's calls, ready to run. Compiles or loads every kernel it names."""

    def __init__(self, calls: Sequence[Call]):
        self.calls = tuple(calls)
        self.stages = stages_of(self.calls)
        self._job = _Job(_WALK, self.calls, self.stages, 1)
        self._traced: _Job | None = None
        self._mailboxes = (ctypes.c_int64 * MOST_THREADS)()
        self._walk_alone = _entry(_WALK_ALONE)
        self._running = threading.Lock()

    def run(self, threads: int = 1) -> None:
        """Runs all calls in order, with at most `threads` threads (at least 1)."""
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        with self._running:
            if threads == 1 or not self.calls:
                self._walk_alone(self._job.address, 0, 1)
                return
            threads = min(threads, MOST_THREADS)
            if self._job.threads < threads:
                self._job = _Job(_WALK, self.calls, self.stages, threads)
            self._run(self._job, threads)

    def _run(self, job: _Job, threads: int) -> None:
        team = workers().claim(threads - 1, job)
        for index, worker in enumerate(team):
            self._mailboxes[index] = worker.mailbox
        try:
            _entry(_LEAD)(job.address, ctypes.addressof(self._mailboxes), 1 + len(team))
        finally:
            for worker in team:
                worker.reserved = False

    def trace(self, threads: int = 1) -> list[Span]:
        """Runs all calls once; returns who did what when, ordered by time."""
        with self._running:
            threads = min(threads, MOST_THREADS)
            job = self._traced
            if job is None or job.threads < threads:
                job = self._traced = _Job(_WALK_TRACED, self.calls, self.stages, threads)
            logs = job.log()
            self._run(job, threads)
        spans: list[Span] = []
        for thread, log in enumerate(logs):
            records = log[1 : 1 + RECORD_WORDS * log[0]].reshape(-1, RECORD_WORDS)
            for row, share, shares, begin, end in records.tolist():
                spans.append(Span(row, thread, share, shares, begin, end))
        return sorted(spans, key=lambda span: (span.begin, span.thread))


def run_calls(calls: Sequence[Call], threads: int = 1) -> None:
    """Runs calls once, all threads sharing each."""
    Table(calls).run(threads)


def every_kernel(isa: Isa) -> list[Kernel]:
    """What runs tables; the same for all instruction sets."""
    return [_WALK, _WALK_TRACED, _WALK_ALONE, _LEAD]

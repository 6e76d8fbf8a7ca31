"""Runs a table of kernel calls without returning to Python between them.

    rows      one int64 row per call, back to back: [function, argument 1, argument 2, ...]
    index     the address of each row
    walker    for each row: call its function with (row, thread, threads); then wait for the others

One thread walks in the caller; further ones are kept in a pool and walk the same rows, each with
its own thread index.  The walker is a compiled C function, called without the interpreter lock.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from functools import cache
from queue import SimpleQueue

import numpy as np

from runtime.kernels.abi import Call, Kernel
from runtime.kernels.intrinsics import argument, barrier, call_kernel

# Words of the walker's own row, which has the form of a kernel's.
_INDEX, _COUNT, _BARRIER = 1, 2, 3


def _walk(row: int, thread: int, threads: int) -> None:
    index = argument(row, _INDEX)
    counter = argument(row, _BARRIER)
    for i in range(argument(row, _COUNT)):
        call_kernel(argument(index, i), thread, threads)
        if threads > 1:
            barrier(counter, threads)


_WALKER = Kernel.of(_walk)


@cache
def _walker() -> Callable[[int, int, int], None]:
    signature = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    return signature(_WALKER.address)


class Table:
    """A plan's calls, ready to run.  Compiles or loads every kernel it names."""

    def __init__(self, calls: Sequence[Call]):
        self.calls = tuple(calls)
        starts = np.cumsum([0] + [1 + len(call.arguments) for call in self.calls])
        self._rows = np.zeros(starts[-1], np.int64)
        for start, call in zip(starts, self.calls, strict=False):
            row = self._rows[start : start + 1 + len(call.arguments)]
            row[0] = call.kernel.address
            row[1:] = call.arguments
        self._index = self._rows.ctypes.data + starts[:-1] * self._rows.itemsize
        # The barrier's counter has a cache line of its own: all threads write to it.
        self._counter = np.zeros(16, np.int64)
        self._row = np.array(
            [0, self._index.ctypes.data, len(self.calls), self._counter[8:].ctypes.data], np.int64
        )
        self._address = self._row.ctypes.data
        self._walk = _walker()
        self._running = threading.Lock()

    def run(self, threads: int = 1) -> None:
        """Runs all calls in order with `threads` threads (at least 1)."""
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        with self._running:
            if threads == 1 or not self.calls:
                self._walk(self._address, 0, 1)
            else:
                self._counter[:] = 0
                _pool().run(self._walk, self._address, threads)


def run_calls(calls: Sequence[Call], threads: int = 1) -> None:
    """Runs calls once."""
    Table(calls).run(threads)


class _Pool:
    """Threads waiting for a walker to run.  One parallel run at a time: each needs them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inboxes: list[SimpleQueue[tuple[Callable[[int, int, int], None], int, int]]] = []
        self._done: SimpleQueue[None] = SimpleQueue()

    def run(self, walk: Callable[[int, int, int], None], row: int, threads: int) -> None:
        with self._lock:
            while len(self._inboxes) < threads - 1:
                self._start_worker()
            for inbox in self._inboxes[: threads - 1]:
                inbox.put((walk, row, threads))
            walk(row, 0, threads)
            # After the last barrier a worker may still read the table: wait until it has left.
            for _ in range(threads - 1):
                self._done.get()

    def _start_worker(self) -> None:
        thread = len(self._inboxes) + 1
        inbox: SimpleQueue[tuple[Callable[[int, int, int], None], int, int]] = SimpleQueue()

        def work() -> None:
            while True:
                walk, row, threads = inbox.get()
                walk(row, thread, threads)
                self._done.put(None)

        threading.Thread(target=work, name=f"octet-{thread}", daemon=True).start()
        self._inboxes.append(inbox)


@cache
def _pool() -> _Pool:
    return _Pool()


# A forked child has none of its parent's threads.
os.register_at_fork(after_in_child=_pool.cache_clear)

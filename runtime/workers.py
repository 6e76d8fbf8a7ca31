"""Threads that help a run: they wait in compiled code, without the interpreter.

A worker is a Python thread that has entered `serve`, a compiled loop, and stays there.  It watches
its mailbox: for a while it spins, so that runs that follow one another closely find it awake within
a microsecond; then it sleeps on the mailbox's ticket (a futex; where the system has none, it
returns to Python and waits there).  The interpreter's lock is not held and not needed.

    line 0, written by who posts work      ticket | job | member | threads
    line 1, written by the worker          served | asleep

A worker is idle when it has served its last ticket.  Nobody ever waits for a worker: a run's shares
of work are claimed, one by one, by whoever is there (see `runtime.executor`), and a worker that
wakes up late, or that the system has taken off its core, finds nothing left to claim.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
from collections.abc import Callable
from functools import cache

import numpy as np
from numba.extending import register_jitable

from runtime.kernels.abi import Kernel, aligned
from runtime.kernels.atomics import (
    atomic_exchange,
    atomic_load,
    atomic_store,
    futex_wait,
    futex_wake,
    has_futex,
    pause,
    yield_core,
)
from runtime.kernels.intrinsics import argument, call_kernel
from runtime.kernels.isa import Isa

# Words of a mailbox.
_TICKET, _JOB, _MEMBER, _THREADS = 0, 1, 2, 3
_SERVED, _ASLEEP = 8, 9
_WORDS = 16

MEMBER_BITS = 16
"""A member is told `run number << MEMBER_BITS | thread`, in one word."""

_SPINS = 4000
"""Looks at the mailbox before the core is offered to others: about 100 us."""
_YIELDS = 200
"""Offers of the core before the worker sleeps."""

_EXIT_SECONDS = 1.0


def _serve(mailbox: int, sleeps: int, unused: int) -> None:
    """Runs what is posted, until job 0 is; if it may not sleep, until there was nothing to do."""
    ticket = mailbox + 8 * _TICKET
    served = atomic_load(mailbox + 8 * _SERVED)
    atomic_store(mailbox + 8 * _ASLEEP, 0)
    while True:
        looks = 0
        while atomic_load(ticket) == served:
            looks += 1
            if looks < _SPINS:
                pause()
            elif looks < _SPINS + _YIELDS:
                yield_core()
            else:
                atomic_exchange(mailbox + 8 * _ASLEEP, 1)
                # Looked at once more: whoever posts looks at these two words the other way round.
                if atomic_load(ticket) == served:
                    if sleeps == 0:
                        return
                    futex_wait(ticket, served)
                atomic_exchange(mailbox + 8 * _ASLEEP, 0)
                looks = 0
        served = atomic_load(ticket)
        job = argument(mailbox, _JOB)
        if job == 0:
            return
        call_kernel(job, argument(mailbox, _MEMBER), argument(mailbox, _THREADS))
        atomic_store(mailbox + 8 * _SERVED, served)


@register_jitable
def post(mailbox: int, job: int, member: int, threads: int) -> None:
    """Gives a worker `job`, a row whose word 0 is the kernel to call with (job, member, threads).

    Job 0 ends the worker.
    """
    atomic_store(mailbox + 8 * _JOB, job)
    atomic_store(mailbox + 8 * _MEMBER, member)
    atomic_store(mailbox + 8 * _THREADS, threads)
    ticket = mailbox + 8 * _TICKET
    atomic_exchange(ticket, argument(ticket, 0) + 1)
    if atomic_load(mailbox + 8 * _ASLEEP) != 0:
        futex_wake(ticket)


def _end(mailbox: int, unused: int, unused_too: int) -> None:
    post(mailbox, 0, 0, 0)


_SERVE, _END = Kernel.of(_serve), Kernel.of(_end)


def native(kernel: Kernel) -> Callable[[int, int, int], None]:
    """The compiled kernel as a Python function, which lets go of the interpreter's lock."""
    signature = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    return signature(kernel.address)


class Worker:
    """One waiting thread and its mailbox."""

    def __init__(self, name: str, sleeps: bool):
        """`sleeps`: wait in compiled code, not in Python."""
        self._words = aligned(np.zeros(_WORDS, np.int64))
        self.mailbox = self._words.ctypes.data
        self._ticket, self._served, self._asleep = (
            ctypes.c_int64.from_address(self.mailbox + 8 * word)
            for word in (_TICKET, _SERVED, _ASLEEP)
        )
        self._sleeps = sleeps
        self._gate = threading.Semaphore(0)
        self.reserved = False
        """Claimed by a run that has not posted its job yet."""
        self.keep: object = None
        """What the job that was posted last points to."""
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        serve = native(_SERVE)
        while True:
            serve(self.mailbox, int(self._sleeps), 0)
            if not self._asleep.value:
                return
            self._gate.acquire()

    @property
    def is_idle(self) -> bool:
        return not self.reserved and self._served.value == self._ticket.value

    def rouse(self) -> None:
        """Lets a worker that waits in Python look at its mailbox."""
        if not self._sleeps and self._asleep.value:
            self._gate.release()

    def end(self) -> None:
        """Ends the thread, if it is idle."""
        if self.is_idle:
            native(_END)(self.mailbox, 0, 0)
            self.rouse()
            self._thread.join(_EXIT_SECONDS)


class Workers:
    """The workers of this process."""

    def __init__(self, sleeps: bool | None = None):
        self._sleeps = has_futex() if sleeps is None else sleeps
        self._workers: list[Worker] = []
        self._lock = threading.Lock()

    def claim(self, wanted: int, keep: object) -> list[Worker]:
        """At most `wanted` idle workers, for one job; `keep` lives until they are done with it.

        There are never more workers than cores to run them on beside their leader, unless one run
        wants more: of two runs at once on two cores, one goes without.
        """
        with self._lock:
            team = [worker for worker in self._workers if worker.is_idle][:wanted]
            limit = max(wanted, available_cores() - 1)
            while len(team) < wanted and len(self._workers) < limit:
                try:
                    worker = Worker(f"octet-{len(self._workers) + 1}", self._sleeps)
                except RuntimeError:  # no more threads: the limit of a user, or Python is ending
                    break
                self._workers.append(worker)
                team.append(worker)
            for worker in team:
                worker.reserved = True
                worker.keep = keep
        if not self._sleeps:
            for worker in self._workers:
                worker.rouse()
        return team

    def end(self) -> None:
        """Ends all idle workers."""
        with self._lock:
            for worker in self._workers:
                worker.end()
            self._workers.clear()


def every_kernel(isa: Isa) -> list[Kernel]:
    """What workers run; the same for all instruction sets."""
    return [_SERVE, _END]


@cache
def workers() -> Workers:
    """The workers that all runs of this process share."""
    created = Workers()
    # Compiled code goes away when Python ends: nobody may be in it by then.
    atexit.register(created.end)
    return created


@cache
def available_cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


# A forked child has none of its parent's threads.
os.register_at_fork(after_in_child=workers.cache_clear)

"""What the first use of a kernel costs that is not in the cache: seconds, per family.

    python benchmarks/first_use.py                     one kernel in eight of each maker
    python benchmarks/first_use.py --every             all of them (minutes)
    python benchmarks/first_use.py softmax attention   only families whose name contains a word
    python benchmarks/first_use.py --json first_use.json

A kernel's first use compiles it, stores it in the cache and links it into the process. numba itself
starts only once in a process, whatever is compiled: its start is measured apart, as the import and
the first use of a kernel that does nothing. Every kernel is then compiled in a fork of the process
in which numba has started: nothing of another kernel has been compiled there. The cache is an empty
folder of each kernel's own.

Seconds are of processor time (the user's and the system's), which other work on the machine disturbs
less than the time that passes; that is printed too. The last family is the loops that `fuse-loops`
generates for the chains of loops.py.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

LIMIT = 0.2
"""Seconds that a first use should take at most."""


@dataclass(frozen=True)
class Seconds:
    """Processor time, and the time that passed."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class FirstUse:
    """One kernel's first use, on the least disturbed of several."""

    family: str
    kernel: str
    seconds: Seconds


@dataclass(frozen=True)
class Start:
    """What comes before the first kernel of a process."""

    numba_import: Seconds
    empty_kernel: Seconds


def timed(action: Callable[[], object]) -> Seconds:
    """What a call takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return Seconds(time.process_time() - cpu, time.perf_counter() - wall)


def start_numba() -> Start:
    """Imports numba and compiles the kernel that does nothing."""

    def imported() -> None:
        import numba.core.compiler  # noqa: F401

    def empty() -> None:
        from runtime.executor import nothing

        use(nothing)

    return Start(timed(imported), timed(empty))


if __name__ == "__main__":
    sys.exit(main())

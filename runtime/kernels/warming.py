"""Compiling every kernel ahead of time.

The kernels a program can ask for are known: each family's module lists its own (`every_kernel`).
Once they are in the cache, no model needs LLVM any more.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import pkgutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache as memoized

import runtime.kernels
from runtime.kernels import cache
from runtime.kernels.abi import Kernel
from runtime.kernels.isa import Isa, isa_named

RUNNERS = ("runtime.executor", "runtime.workers")
"""Modules outside of `runtime.kernels` that have kernels too."""


@memoized
def families() -> tuple[str, ...]:
    """The modules that may have an `every_kernel(isa)`."""
    names = [module.name for module in pkgutil.iter_modules(runtime.kernels.__path__)]
    return (*RUNNERS, *(f"{runtime.kernels.__name__}.{name}" for name in sorted(names)))


@dataclass(frozen=True)
class Warmed:
    """A kernel that is in the cache now. `seconds` of processor time, 0 if it was there before."""

    key: str
    seconds: float


@dataclass(frozen=True)
class FamilyTime:
    """What compiling a family's kernels took, in seconds of processor time."""

    family: str
    kernels: int
    seconds: float
    slowest: float


def family_times(compiled: Iterable[Warmed]) -> list[FamilyTime]:
    """The time of each family, by the module that defines its kernels; longest first."""
    seconds: dict[str, list[float]] = {}
    for kernel in compiled:
        module = kernel.key.removeprefix("runtime.").removeprefix("kernels.")
        seconds.setdefault(module.partition(".")[0], []).append(kernel.seconds)
    times = [FamilyTime(name, len(of), sum(of), max(of)) for name, of in seconds.items()]
    return sorted(times, key=lambda time: (-time.seconds, time.family))


def kernels_of(isa: Isa, modules: Sequence[str]) -> dict[str, Kernel]:
    """All kernels that programs on `isa` may ask for, by key."""
    found: dict[str, Kernel] = {}
    for name in modules:
        listed = getattr(importlib.import_module(name), "every_kernel", None)
        if listed is not None:
            found |= {kernel.key: kernel for kernel in listed(isa)}
    return found


def warm(
    isa: Isa, processes: int, modules: Sequence[str] | None = None
) -> tuple[int, Iterator[Warmed]]:
    """(how many kernels there are, each when it is in the cache), with `processes` compiling.

    `modules` limits it to some families.
    """
    chosen = families() if modules is None else tuple(modules)
    kernels = kernels_of(isa, chosen)
    return len(kernels), _warm(isa, chosen, kernels, processes)


def _warm(
    isa: Isa, modules: tuple[str, ...], kernels: Mapping[str, Kernel], processes: int
) -> Iterator[Warmed]:
    missing: list[str] = []
    for key, kernel in kernels.items():
        if cache.is_cached(kernel):
            yield Warmed(key, 0.0)
        else:
            missing.append(key)
    if not missing:
        return
    # Spawned, not forked: LLVM has threads and locks of its own in this process. They compile and
    # end: collecting garbage costs a tenth of their time.
    context = multiprocessing.get_context("spawn")
    count = min(processes, len(missing))
    with ProcessPoolExecutor(count, context, initializer=gc.disable) as pool:
        jobs = [pool.submit(_compile, isa.name, modules, key) for key in missing]
        for job in as_completed(jobs):
            yield job.result()


_tables: dict[tuple[str, tuple[str, ...]], dict[str, Kernel]] = {}


def _compile(isa: str, modules: tuple[str, ...], key: str) -> Warmed:
    """In a process of the pool: kernels do not travel, so each process lists them once."""
    if (isa, modules) not in _tables:
        _tables[isa, modules] = kernels_of(isa_named(isa), modules)
    kernel = _tables[isa, modules][key]
    start = time.process_time()
    cache.ensure_cached(kernel)
    return Warmed(key, time.process_time() - start)

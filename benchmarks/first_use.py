"""What the first use of a kernel costs that is not in the cache: seconds, per family.

    python benchmarks/first_use.py                     three kernels of each maker
    python benchmarks/first_use.py --every             all of them
    python benchmarks/first_use.py softmax attention   only kernels whose name contains a word
    python benchmarks/first_use.py --repeat 5          the least of five first uses of each
    python benchmarks/first_use.py --json first_use.json

A kernel's first use compiles it, stores it in the cache and links it into the process. What comes
before the first kernel of a process, whichever it is, is measured apart: numba's import, and the
use of a kernel that does nothing, which makes LLVM ready. Every kernel is then used in a fork of
that process, so that nothing of another kernel is compiled there, with an empty cache of its own.

Seconds are of processor time (the user's and the system's), which other work on the machine
disturbs less than the time that passes; that is told too. The last family, `loops`, is what
`fuse-loops` generates for the chains of loops.py.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track
from rich.table import Table

if TYPE_CHECKING:
    from runtime.kernels.abi import Kernel

LIMIT = 0.2
"""Seconds that a first use should take at most."""
_SAMPLES = 3


@dataclass(frozen=True)
class Seconds:
    """Processor time, and the time that passed."""

    cpu: float
    wall: float


@dataclass(frozen=True)
class FirstUse:
    """One kernel's first use."""

    family: str
    kernel: str
    seconds: Seconds


def timed(action: Callable[[], object]) -> Seconds:
    """What a call takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    action()
    return Seconds(time.process_time() - cpu, time.perf_counter() - wall)


def start() -> dict[str, Seconds]:
    """What comes before the first kernel of a process; it happens here."""

    def imported() -> None:
        import numba.core.compiler
        import numba.extending

        assert numba.core.compiler

    def used() -> None:
        from runtime.kernels.abi import kernel

        @kernel
        def nothing(row: int, thread: int, threads: int) -> None:
            pass

        with tempfile.TemporaryDirectory() as folder:
            os.environ["OCTET_CACHE_DIR"] = folder
            _ = nothing.address

    return {"import of numba": timed(imported), "kernel that does nothing": timed(used)}


def family_of(key: str) -> str:
    """The module that defines a kernel."""
    return key.removeprefix("runtime.").removeprefix("kernels.").partition(".")[0]


def chosen_kernels(words: Sequence[str], every: bool) -> dict[str, Kernel]:
    """The kernels to use, by key: of each maker those in the middle of equal parts, or all."""
    from runtime.kernels.isa import best_isa
    from runtime.kernels.warming import families, kernels_of

    kernels = kernels_of(best_isa(), families()) | loop_kernels()
    members: dict[str, list[str]] = defaultdict(list)
    for key in kernels:
        members[key.partition("(")[0]].append(key)
    chosen = {}
    for keys in members.values():
        step = 1 if every else max(1, len(keys) // _SAMPLES)
        for key in keys[step // 2 :: step]:
            if not words or any(word in key for word in words):
                chosen[key] = kernels[key]
    return chosen


def loop_kernels() -> dict[str, Kernel]:
    """The generated loops of loops.py."""
    from loops import CHAINS, SINGLES, Chain

    from runtime.emission.loops import loop_sources
    from runtime.kernels.loops import loop_kernel

    found = {}
    for shapes, body in {**CHAINS, **SINGLES}.values():
        chain = Chain(*shapes)
        results = body(chain)
        module = chain.module(results if isinstance(results, tuple) else (results,))
        lowered = chain.lowered(module, fuse=True, single=True)
        found |= {kernel.key: kernel for kernel in map(loop_kernel, loop_sources(lowered))}
    return found


def first_use(key: str, kernel: Kernel, repeat: int) -> FirstUse:
    """The least of some first uses of a kernel."""
    seconds = [_in_fork(kernel) for _ in range(repeat)]
    return FirstUse(family_of(key), key, min(seconds, key=lambda of: of.cpu))


def _in_fork(kernel: Kernel) -> Seconds:
    """Uses a kernel in a fork of this process."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_use, args=(kernel, theirs))
    child.start()
    theirs.close()
    cpu, wall = ours.recv()
    child.join()
    return Seconds(cpu, wall)


def _use(kernel: Kernel, answer: Connection) -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["OCTET_CACHE_DIR"] = folder
        seconds = timed(lambda: kernel.address)
        answer.send((seconds.cpu, seconds.wall))


def print_tables(before: Mapping[str, Seconds], uses: Sequence[FirstUse]) -> None:
    """What a process's start takes, and each family's first uses, the longest first."""
    console = Console()
    table = Table("before the first kernel", "processor [s]", "passed [s]")
    for name, seconds in before.items():
        table.add_row(name, f"{seconds.cpu:.3f}", f"{seconds.wall:.3f}")
    console.print(table)
    families: dict[str, list[FirstUse]] = defaultdict(list)
    for use in uses:
        families[use.family].append(use)
    columns = ("family", "kernels", "median [s]", "slowest [s]", "passed [s]", "which")
    table = Table(*columns, title="first use, processor time")
    rows = []
    for family, of in families.items():
        slowest = max(of, key=lambda use: use.seconds.cpu)
        rows.append((slowest.seconds.cpu, family, of, slowest))
    for seconds, family, of, slowest in sorted(rows, key=lambda row: -row[0]):
        median = statistics.median(use.seconds.cpu for use in of)
        color = "red" if seconds > LIMIT else "default"
        name = slowest.kernel.partition(f"{family}.")[2][:50]
        cells = f"{median:.3f}", f"[{color}]{seconds:.3f}", f"{slowest.seconds.wall:.3f}", name
        table.add_row(family, str(len(of)), *cells)
    console.print(table)
    above = sum(use.seconds.cpu > LIMIT for use in uses)
    middle = statistics.median(use.seconds.cpu for use in uses)
    console.print(f"{len(uses)} kernels, median {middle:.3f} s; {above} above {LIMIT} s")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="only kernels whose name contains one of them")
    parser.add_argument("--every", action="store_true", help="every kernel that there is")
    parser.add_argument("--repeat", type=int, default=1, help="first uses of each kernel")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()

    before = start()
    kernels = chosen_kernels(args.words, args.every)
    if not kernels:
        parser.error(f"no kernel's name contains {' or '.join(args.words)}")
    gc.freeze()  # the children would copy every page that the collector touches
    uses = [
        first_use(key, kernel, args.repeat)
        for key, kernel in track(
            kernels.items(), "compiling", console=Console(stderr=True), transient=True
        )
    ]
    print_tables(before, uses)
    if args.json:
        figures = {
            "before": {name: asdict(seconds) for name, seconds in before.items()},
            "first_use": [asdict(use) for use in uses],
        }
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Latency of a program while another process keeps a core busy.

    python benchmarks/contention.py model.octet --threads 1 2

Prints the median latency alone and beside a busy loop that is pinned to one core, and their
ratio.  A runtime whose threads wait for one another without giving up their cores slows down by
far more than the core it has lost.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np

from runtime.program import Program


def busy_loop(core: int) -> None:
    """Keeps one core busy until it is terminated."""
    os.sched_setaffinity(0, {core})
    while True:
        pass


def feeds_of(program: Program) -> dict[str, np.ndarray]:
    """Zeros: valid as images, as indices and as masks."""
    return {spec.name: np.zeros(spec.shape, spec.dtype) for spec in program.inputs}


def median_latency(program: Program, threads: int, seconds: float) -> float:
    """Median seconds of one run."""
    times = program.benchmark(feeds_of(program), threads=threads, seconds=seconds)
    return float(np.median(times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=Path)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seconds", type=float, default=2.0, help="per figure")
    args = parser.parse_args()
    program = Program.load(args.program)
    core = max(os.sched_getaffinity(0))
    print("threads    alone    beside a busy loop    ratio")
    for threads in args.threads:
        alone = median_latency(program, threads, args.seconds)
        disturber = multiprocessing.get_context("spawn").Process(target=busy_loop, args=(core,))
        disturber.start()
        try:
            time.sleep(1.0)
            beside = median_latency(program, threads, args.seconds)
        finally:
            disturber.terminate()
            disturber.join()
        print(f"{threads:7}  {1e3 * alone:7.2f} ms  {1e3 * beside:15.2f} ms  {beside / alone:7.2f}")


if __name__ == "__main__":
    main()

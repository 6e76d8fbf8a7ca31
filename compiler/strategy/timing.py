"""Measured latencies of a few programs, for reporting: paired and interleaved.

They decide nothing: a search that depended on them would give another result each time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from compiler.quantized_io import stored_feeds
from dialects.context import Feed
from runtime.program import Program

ROUNDS = 15
ROUND_SECONDS = 0.02


def measure_latencies(programs: Mapping[str, Program], feed: Feed) -> dict[str, float]:
    """Seconds of one run on one thread: the median over rounds of each round's fastest run.

    All programs run in each round, so that changes of clock and load meet all of them.
    """
    calls = {name: _calls(program, feed) for name, program in programs.items()}
    fastest: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(ROUNDS):
        for name, program in programs.items():
            fastest[name].append(min(_run(program, feed) for _ in range(calls[name])))
    return {name: float(np.median(values)) for name, values in fastest.items()}


def _calls(program: Program, feed: Feed) -> int:
    _run(program, feed)
    return int(np.clip(ROUND_SECONDS / max(_run(program, feed), 1e-7), 2, 200))


def _run(program: Program, feed: Feed) -> float:
    feed = stored_feeds(program.module, feed)
    start = time.perf_counter()
    program.run(feed)
    return time.perf_counter() - start

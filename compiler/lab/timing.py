"""Measured latencies of the programs that nothing beats: interleaved, repeated, kept raw.

They decide nothing; everything that an experiment concludes follows from deterministic metrics.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from compiler.lab.engine import Evaluation
from compiler.lab.lab import Lab
from compiler.lab.lines import identity, now
from compiler.lab.metrics import METRICS
from dialects.context import Feed
from runtime.program import Program

ROUNDS = 15
ROUND_SECONDS = 0.02
AXES = ("latency_ns", "sqnr_db")
"""What a program is judged by: modelled time, and noise."""


def front(evaluations: Mapping[str, Evaluation], axes: Sequence[str] = AXES) -> list[str]:
    """The final programs that no other one is as good as in all of `axes` and better in one."""
    values = {
        ir: tuple(_worth(name, found.metrics.get(name)) for name in axes)
        for ir, found in evaluations.items()
        if found.status == "ok"
    }
    return [
        ir
        for ir, worth in values.items()
        if not any(_beats(other, worth) for other in values.values())
    ]


def _worth(name: str, value: float | None) -> float:
    if value is None:  # no noise at all
        return float("inf")
    return value if METRICS[name].better == "more" else -value


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))


def measure(lab: Lab, finals: Iterable[str], *, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Seconds of one run on one thread, for each final program the fastest of each round.

    In every round all programs run, so that changes of clock and load meet all of them. Each is
    recorded, all its rounds in `time`.
    """
    feed = lab.subject.samples.feeds[0]
    programs = {
        ir: lab.subject.program(cast(ModuleOp, lab.engine.module_at(lab.paths[ir]).clone()))
        for ir in finals
    }
    calls = {ir: _calls(program, feed) for ir, program in programs.items()}
    seconds: dict[str, list[float]] = {ir: [] for ir in programs}
    for _ in range(rounds):
        for ir, program in programs.items():
            seconds[ir].append(min(_run(program, feed) for _ in range(calls[ir])))
    for ir, measured in seconds.items():
        lab.record.add(
            {
                "kind": "timing",
                "id": identity("timing", lab.run_id, *lab.paths[ir]),
                "run_id": lab.run_id,
                "model": lab.request.name,
                "path": list(lab.paths[ir]),
                "final": ir,
                "rounds": rounds,
                "time": {"seconds": measured, "at": now()},
            }
        )
    return seconds


def _calls(program: Program, feed: Feed) -> int:
    _run(program, feed)
    return int(np.clip(ROUND_SECONDS / max(_run(program, feed), 1e-7), 2, 200))


def _run(program: Program, feed: Feed) -> float:
    start = time.perf_counter()
    program.run(feed)
    return time.perf_counter() - start

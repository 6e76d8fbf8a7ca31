"""The time of every op, measured by profiling the compiled program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.ir import Operation

from compiler.report.document import Timing
from dialects.kernel.loops import Launch
from dialects.origin import indices_of
from dialects.program import body_of, main_function
from runtime.profiling.profile import OpProfile
from runtime.program import Program

RUNS = 30


@dataclass(frozen=True)
class Times:
    """Microseconds by kernel op and by op of the placed program; `between` of the kernels that
    compute none of them.

    What several ops share counts with the one whose index `shared` gives: the one that multiplies.
    """

    timing: Timing
    kernels: Mapping[Operation, float]
    ops: Mapping[int, float]
    between: float
    shared: Mapping[int, int]
    peak_shares: Mapping[int, float]
    """By op, of its slowest kernel; where the machine's peak is known."""


def measure_times(program: Program, feeds: Mapping[str, np.ndarray], macs: Sequence[int]) -> Times:
    """Profiles `program` on one thread. `macs` are the multiplications of the placed ops."""
    profile = program.profile(feeds, threads=1, runs=RUNS)
    launches = [op for op in body_of(main_function(program.module)).ops if isinstance(op, Launch)]
    kernels: dict[Operation, float] = {}
    ops: dict[int, float] = {}
    shared: dict[int, int] = {}
    slowest: dict[int, OpProfile] = {}
    for op, measured in zip(launches, profile.ops, strict=True):
        kernels[op] = 1e6 * measured.seconds
        indices = indices_of(op)
        if indices:
            main = max(indices, key=macs.__getitem__)
            ops[main] = ops.get(main, 0.0) + kernels[op]
            slowest[main] = max(slowest.get(main, measured), measured, key=_seconds)
            shared.update((index, main) for index in indices if index != main)
    return Times(
        timing=Timing(
            threads=profile.threads,
            runs=profile.runs,
            isa=profile.machine.isa,
            total_us=1e6 * profile.seconds,
            run_us=1e6 * profile.run_seconds,
            peaks=dict(profile.machine.macs_per_second),
        ),
        kernels=kernels,
        ops=ops,
        between=sum(time for op, time in kernels.items() if not indices_of(op)),
        shared={index: owner for index, owner in shared.items() if index not in ops},
        peak_shares={
            index: kernel.peak_share
            for index, kernel in slowest.items()
            if kernel.peak_share is not None
        },
    )


def _seconds(measured: OpProfile) -> float:
    return measured.seconds

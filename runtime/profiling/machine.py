"""What this machine can do on one core, measured: multiplications, memory traffic, its clock."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from runtime.executor import Table
from runtime.kernels.abi import Call, View, aligned
from runtime.kernels.copy import copy_calls
from runtime.kernels.isa import Isa
from runtime.kernels.peak import (
    CHAIN_CYCLES,
    KINDS,
    MEMORY_BYTES,
    clock_kernel,
    macs_per_iteration,
    peak_kernel,
    tile_memory,
)

_PRECISIONS = {"u8": "int8", "bf16": "bf16", "f32": "f32"}
_ITERATIONS = 4000
_REPEATS = 25
_COPIED_BYTES = 1 << 19
"""With its copy it fits the second-level cache, where most activations are."""


@dataclass(frozen=True)
class Machine:
    """Peaks of one core."""

    isa: str
    hertz: float
    macs_per_second: dict[str, float]
    """By precision; those that plain loops serve have none."""
    bytes_per_second: float
    """Read and written by a copy in the second-level cache."""


def _shortest(call: Call) -> float:
    """The least seconds of many runs: the one that nothing interrupted."""
    table = Table([call])
    times: list[float] = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        table.run()
        times.append(time.perf_counter() - start)
    return min(times)


def measure_machine(isa: Isa) -> Machine:
    """Takes some milliseconds."""
    memory = aligned(np.zeros(MEMORY_BYTES, np.uint8))
    memory[: len(tile_memory())] = np.frombuffer(tile_memory(), np.uint8)
    arguments = (_ITERATIONS, memory.ctypes.data)
    peaks = {
        _PRECISIONS[kind]: macs * _ITERATIONS / _shortest(Call(peak_kernel(isa, kind), arguments))
        for kind in KINDS
        if (macs := macs_per_iteration(isa, kind))
    }
    source = aligned(np.zeros(_COPIED_BYTES, np.uint8))
    target = aligned(source)
    (copy,) = copy_calls(View.of(source), View.of(target))
    return Machine(
        isa=isa.name,
        hertz=CHAIN_CYCLES * _ITERATIONS / _shortest(Call(clock_kernel, arguments)),
        macs_per_second=peaks,
        bytes_per_second=2 * _COPIED_BYTES / _shortest(copy),
    )

"""Measures the rates of the cost model on this machine, with the kernels as they are."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from compiler.rates.probes import CALL, LAYER, LAYERS, LOOPS, STREAMS, Probe, conversion_probe
from dialects.cost import Work
from dialects.kernel.loops import Launch
from dialects.rates import LEVELS, PRECISIONS, RATES_OF_ISA, TABLES, Rates
from runtime.kernels.isa import Isa
from runtime.program import Program
from runtime.work import call_work

_RUNS = 30
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")

Progress = Callable[[str], None]


def measure_rates(isa: Isa, progress: Progress = lambda _: None) -> Rates:
    """The rates of one core with the kernels of `isa`; takes about half a minute.

    Every rate that no probe could tell apart from noise stays that of the instruction set's class.
    """
    class_rates = RATES_OF_ISA[isa.name]
    lanes = max(1, isa.vector_bytes // 4)
    progress("calls")
    _, call = measure(CALL, "f32", isa, lanes)
    rates = dataclasses.replace(class_rates, lanes=lanes, call_ns=call, capacity=_capacity(isa))
    progress("loops")
    loops = [measure(probe, "f32", isa, lanes) for probe in LOOPS]
    rates = dataclasses.replace(rates, instructions=solve(loops, rates)["instructions"])
    tables = {name: dict(getattr(rates, name)) for name in TABLES}
    for precision in PRECISIONS:
        progress(precision)
        solved = solve([measure(probe, precision, isa, lanes) for probe in LAYERS], rates)
        solved |= solve([_conversion(precision, isa, lanes)], rates)
        for kind in solved.keys() & tables.keys():
            tables[kind][precision] = solved[kind]
    progress("bandwidth")
    return dataclasses.replace(rates, **tables, bandwidth=_bandwidth(isa, rates))


def measure(probe: Probe, precision: str, isa: Isa, lanes: float) -> tuple[Work, float]:
    """What a probe's step asks for, and how many ns it takes: the least of its medians."""
    import compiler

    generator = np.random.default_rng(0)
    feeds = {"x": generator.standard_normal(probe.shape).astype(np.float32)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "probe.mlir"
        path.write_text(probe.text, encoding="utf-8")
        data = feeds if precision == "int8" else None
        made = compiler.compile(path, data, precision=precision)
    program = Program(made.module, made.weights, made.manifest, isa=isa.name)
    profiles = [program.profile(feeds, runs=_RUNS) for _ in range(3)]
    index = next(i for i, op in enumerate(profiles[0].ops) if _is_probed(op.op, probe))
    work = call_work(profiles[0].ops[index].op, lanes)
    return work, 1e9 * min(profile.ops[index].seconds for profile in profiles)


def _is_probed(op: Launch, probe: Probe) -> bool:
    if probe.kernel is not None:
        return op.kernel_name == probe.kernel
    return op.layer is not None and op.layer.data == LAYER


def _conversion(precision: str, isa: Isa, lanes: float) -> tuple[Work, float]:
    kernel = {"int8": "quantize", "bf16": "cast", "f16": "cast"}.get(precision)
    if kernel is None:  # float32 to float32: pixels into another order
        return measure(dataclasses.replace(LAYERS[0], kernel="copy"), precision, isa, lanes)
    return measure(conversion_probe(kernel), precision, isa, lanes)


def solve(measured: list[tuple[Work, float]], rates: Rates) -> dict[str, float]:
    """Rates by kind such that counts / rates add up to the times: least squares of relative
    errors. A kind whose time is not positive is left out."""
    kinds = list(dict.fromkeys(kind for work, _ in measured for kind in work.counts))
    times = np.array([max(ns - rates.call_ns, 1.0) for _, ns in measured])
    counts = np.array([[work.counts.get(kind, 0.0) for kind in kinds] for work, _ in measured])
    each, *_ = np.linalg.lstsq(counts / times[:, None], np.ones(len(times)), rcond=None)
    return {kind: 1 / ns for kind, ns in zip(kinds, each, strict=True) if ns > 0}


def _bandwidth(isa: Isa, rates: Rates) -> Mapping[str, float]:
    """Bytes per ns of weights that are read once; no level is slower than the one behind it."""
    found: dict[str, float] = {}
    for level, probe in STREAMS.items():
        work, ns = measure(probe, "f32", isa, rates.lanes)
        found[level] = work.bytes / max(ns - rates.call_ns, 1.0)
    found["L1"] = max(rates.bandwidth["L1"], found["L2"])
    fastest = 0.0
    for level in reversed(LEVELS):
        fastest = found[level] = max(fastest, found[level])
    return {level: found[level] for level in LEVELS}


def _capacity(isa: Isa) -> Mapping[str, float]:
    """Bytes of the caches as Linux tells them; where it does not, those of the class."""
    sizes = dict(RATES_OF_ISA[isa.name].capacity)
    for folder in sorted(_CACHES.glob("index*")):
        try:
            kind, level, size = (
                (folder / name).read_text().strip() for name in ("type", "level", "size")
            )
        except OSError:
            continue
        if kind in ("Data", "Unified") and size.endswith("K") and f"L{level}" in sizes:
            sizes[f"L{level}"] = 1024.0 * int(size[:-1])
    return sizes

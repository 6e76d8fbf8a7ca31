"""Single layers: Octet's kernels beside ONNX Runtime's, and beside what the instructions can do.

    python benchmarks/kernels.py                                 int8, all layers
    python benchmarks/kernels.py --only conv --precision f32
    python benchmarks/kernels.py --isa avx512_vnni --output kernels.json

Each layer is a network of its own (kernel_cases.py), on one thread. Both runtimes report the times
of their ops; conversions of layout at the ends of the network are left out on both sides.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from kernel_cases import CASES, Case, LayerBuilder
from peak import measure_peaks
from peers import cores_for
from report import console_for_tables, interval
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rounds import Estimate, median_estimate, ratio_estimate
from worker import pin

from dialects.errors import OctetError
from runtime.kernels.isa import ISAS, best_isa

OCTET_EDGES = {"copy", "storage_cast"}
ONNXRUNTIME_EDGES = {"Transpose", "ReorderInput", "ReorderOutput", "Reshape"}
"""Ops that only convert layouts or shapes at the ends of a network of one layer."""

MOST_CALLS = 300


@dataclass(frozen=True)
class Measured:
    """What one layer took: seconds of each runtime, and Octet's rate."""

    name: str
    octet: Estimate
    onnxruntime: Estimate
    ratio: Estimate
    kernels: list[str]
    macs_per_cycle: float
    share_of_limit: float
    same: float
    """Percent of the outputs that are equal in both (int8), or their greatest difference."""


class OctetLayer:
    """The layer compiled by Octet."""

    def __init__(self, path: Path, precision: str, isa: str | None, feeds: dict[str, np.ndarray]):
        import compiler
        from runtime.program import Program

        # A QDQ model says itself what is int8.
        options = {} if precision == "int8" else {"precision": precision}
        program = compiler.compile(path, **options)
        self.program = Program(program.module, program.weights, program.manifest, isa=isa)
        self.feeds = feeds
        self.kernels: list[str] = []

    def outputs(self) -> np.ndarray:
        return next(iter(self.program.run(self.feeds).values()))

    def round(self, calls: int) -> float:
        """Seconds of the layer's kernels: the sum of their medians over `calls`."""
        ops = self.program.profile(self.feeds, runs=calls).ops
        ops = [op for op in ops if op.kernel not in OCTET_EDGES]
        self.kernels = [op.kernel for op in ops]
        return sum(op.seconds for op in ops)


class OnnxRuntimeLayer:
    """The layer in ONNX Runtime, whose profiler writes a file when the session ends."""

    def __init__(self, path: Path, feeds: dict[str, np.ndarray], folder: Path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_profiling = True
        options.profile_file_prefix = str(folder / "profile")
        self.session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        self.feeds = feeds

    def outputs(self) -> np.ndarray:
        """Of the first call, which the profile counts."""
        return self.session.run(None, self.feeds)[0]

    def round(self, calls: int) -> None:
        for _ in range(calls):
            self.session.run(None, self.feeds)

    def seconds(self, calls: int, rounds: int) -> list[float]:
        """Seconds of the layer in each of the last `rounds`."""
        path = Path(self.session.end_profiling())
        by_op = defaultdict[str, list[float]](list)
        for event in json.loads(path.read_text()):
            if event.get("cat") != "Node" or not event["name"].endswith("_kernel_time"):
                continue
            if event["args"]["op_name"] not in ONNXRUNTIME_EDGES:
                by_op[event["name"]].append(event["dur"] / 1e6)
        times = np.array(list(by_op.values()))[:, -rounds * calls :].reshape(-1, rounds, calls)
        return [float(sum(map(typical, times[:, index]))) for index in range(rounds)]


def typical(times: np.ndarray) -> float:
    """The mean of the lower half: the profiler's clock counts whole microseconds, which a median
    would round to."""
    return float(np.sort(times)[: len(times) // 2 + 1].mean())


def measure(case: Case, precision: str, isa: str | None, rounds: int, seconds: float) -> Measured:
    """One layer in interleaved rounds of about `seconds` for each runtime."""
    layer = LayerBuilder(int8=precision == "int8")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "layer.onnx"
        onnx.save(case.build(layer), path)
        octet = OctetLayer(path, precision, isa, layer.feeds)
        peer = OnnxRuntimeLayer(path, layer.feeds, folder)
        same = _agreement(octet.outputs(), peer.outputs(), precision)
        calls = int(np.clip(seconds / max(octet.round(3), 1e-7), 5, MOST_CALLS))
        own, peaks = [], defaultdict[str, list[float]](list)
        for _ in range(rounds):
            for kind, rate in measure_peaks().items():
                peaks[kind].append(rate)
            own.append(octet.round(calls))
            peer.round(calls)
        theirs = peer.seconds(calls, rounds)
    rates = case.macs / np.array(own)
    return Measured(
        case.name,
        median_estimate(own),
        median_estimate(theirs),
        ratio_estimate(theirs, own),
        octet.kernels,
        _share(rates, peaks.get("clock")),
        100 * _share(rates, peaks.get(limit_of(precision, octet.program.isa.lineage, peaks))),
        same,
    )


def limit_of(precision: str, lineage: Sequence[Any], peaks: dict[str, list[float]]) -> str:
    """The peak that a layer is compared with: that of tiles where Octet may use them."""
    tiles = any(isa.name == "amx" for isa in lineage) and f"{precision} amx" in peaks
    return f"{precision} {'amx' if tiles else 'vector'}"


def _share(rates: np.ndarray, limits: list[float] | None) -> float:
    return float(np.median(rates / np.array(limits))) if limits else 0.0


def _agreement(octet: np.ndarray, peer: np.ndarray, precision: str) -> float:
    if precision == "int8":
        return 100 * float(np.mean(octet == peer))
    return float(np.abs(octet - peer).max())


def print_table(measured: list[Measured], precision: str, isa: str, console: Console) -> None:
    table = Table(title=f"{precision}, {isa}, one thread", title_justify="left")
    table.add_column("layer", no_wrap=True)
    same = "equal %" if precision == "int8" else "difference"
    for column in ("Octet us", "MAC/cycle", "% of limit", "ORT us", "ORT / Octet", same, "kernels"):
        table.add_column(column, justify="right")
    for found in measured:
        counted = found.macs_per_cycle > 0
        table.add_row(
            found.name,
            f"{1e6 * found.octet.value:.1f}",
            f"{found.macs_per_cycle:.1f}" if counted else "",
            f"{found.share_of_limit:.0f}" if counted else "",
            f"{1e6 * found.onnxruntime.value:.1f}",
            interval(found.ratio),
            f"{found.same:.2f}" if precision == "int8" else f"{found.same:.1e}",
            ", ".join(found.kernels),
        )
    console.print(table)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--precision", choices=("int8", "bf16", "f32"), default="int8")
    isas = [isa.name for isa in ISAS]
    parser.add_argument("--isa", choices=isas, help="Octet's instruction set; default: the best")
    parser.add_argument("--only", default="", help="layers whose name contains this")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.02, help="of a turn in a round")
    parser.add_argument("--output", type=Path, help="results as JSON")
    args = parser.parse_args(arguments)
    pin(cores_for(1), "onnxruntime", args.isa)
    chosen = [c for c in CASES if args.only in c.name and args.precision in c.precisions]
    if not chosen:
        parser.error(f"--only {args.only}: no layer has that in its name")
    err = Console(stderr=True)
    measured = []
    for case in track(chosen, "layers", console=err, transient=True):
        try:
            measured.append(measure(case, args.precision, args.isa, args.rounds, args.seconds))
        except OctetError as error:
            err.print(f"skipped {case.name}: {error}", markup=False)
    isa = args.isa or best_isa().name
    print_table(measured, args.precision, isa, console_for_tables())
    if args.output is not None:
        result = {"precision": args.precision, "isa": isa, "layers": [asdict(m) for m in measured]}
        args.output.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Octet beside ONNX Runtime, OpenVINO and PyTorch, each at its best settings.

    python benchmarks/peers.py                    all models: hours
    python benchmarks/peers.py --quick            four models, batch 1, one thread: minutes
    python benchmarks/peers.py --models resnet50 --precisions int8 --isa avx512_vnni
    python benchmarks/peers.py --from results.json --markdown

docs/benchmarks.md says what is measured and how. What runtimes are not installed is skipped, and
said so. Prepared models are kept in build/bench.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models import MODELS
from models.macs import count_macs
from report import Result, comparisons, console_for_tables, markdown, plot, print_tables
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rounds import STATISTICS
from runtimes import PRECISIONS, RUNTIMES, missing_packages, variants_of
from runtimes.variant import Variant, Workspace

from runtime.kernels.isa import ISAS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "bench"
WORKER = Path(__file__).with_name("worker.py")

QUICK = {
    "models": ["resnet50", "mobilenetv2", "resnet8", "minilm_l6"],
    "precisions": ["int8", "f32"],
    "batches": [1],
    "threads": [1],
    "runtimes": ["octet", "onnxruntime", "openvino"],
    "rounds": 9,
    "seconds": 0.06,
}
FULL = {
    "models": list(MODELS),
    "precisions": list(PRECISIONS),
    "batches": [1, 8],
    "threads": [1, 2],
    "runtimes": list(RUNTIMES),
    "rounds": 15,
    "seconds": 0.15,
}

ONEDNN_ISA = {
    "avx2": "AVX2",
    "avx_vnni": "AVX2_VNNI",
    "avx512bw": "AVX512_CORE",
    "avx512_vnni": "AVX512_CORE_VNNI",
    "avx512_bf16": "AVX512_CORE_BF16",
    "amx": "AVX512_CORE_AMX",
}
"""What ONEDNN_MAX_CPU_ISA calls Octet's instruction sets."""

TIMEOUT = 3600

err = Console(stderr=True)


class WorkerError(Exception):
    """A worker's last words."""


def in_worker(task: str, request: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    """Does a task in a process of its own (worker.py). Raises WorkerError if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder) / "request.json", Path(folder) / "result.json"
        question.write_text(json.dumps({"task": task, **request}))
        command = [sys.executable, str(WORKER), str(question), str(answer)]
        try:
            done = subprocess.run(
                command,
                env={**os.environ, **environment},
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
            )
        except subprocess.TimeoutExpired as error:
            raise WorkerError(f"longer than {TIMEOUT} s") from error
        if not answer.exists():
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise WorkerError(lines[-1][:300] if lines else f"ended with code {done.returncode}")
        return json.loads(answer.read_text())


def environment_of(threads: int, isa: str | None) -> dict[str, str]:
    """Settings that runtimes read when they are imported."""
    path = os.environ.get("PYTHONPATH")
    settings = {
        name: str(threads)
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    }
    settings["PYTHONPATH"] = f"{ROOT}{os.pathsep}{path}" if path else str(ROOT)
    if isa in ONEDNN_ISA:
        settings["ONEDNN_MAX_CPU_ISA"] = ONEDNN_ISA[isa]
    return settings


def cores_for(threads: int) -> list[int]:
    """The last cores this process may use: the first ones serve most interrupts."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))[-threads:]


class Benchmark:
    """The measurements of one call of this command."""

    def __init__(self, args: argparse.Namespace, progress: Progress):
        self.args = args
        self.progress = progress
        self.skipped: list[str] = []
        self.groups: list[dict[str, Any]] = []
        self.costs: dict[str, dict[str, Any]] = {}

    def run(self) -> Result:
        for runtime in self.args.runtimes:
            if missing := missing_packages(runtime):
                self.skipped.append(f"{runtime}: not installed: {', '.join(missing)}")
        for name in self.args.models:
            self._measure_model(name)
        settings = {
            key: getattr(self.args, key)
            for key in ("models", "precisions", "batches", "threads", "isa", "rounds", "statistic")
        }
        settings["onednn_isa"] = ONEDNN_ISA.get(self.args.isa or "")
        return {
            "settings": settings,
            "machine": machine(),
            "skipped": self.skipped,
            "groups": self.groups,
            "costs": self.costs,
        }

    def _measure_model(self, name: str) -> None:
        model = MODELS[name]
        variants = self._prepared(name, self._wanted(name))
        path = Workspace(self.args.folder, model).onnx
        settings = [(b, t) for b in self.args.batches for t in self.args.threads]
        task = self.progress.add_task(f"{name}: measure", total=len(settings))
        for batch, threads in settings:
            try:
                measured = self._work(
                    "measure",
                    name,
                    batch,
                    threads,
                    variants=list(variants),
                    rounds=self.args.rounds,
                    seconds=self.args.seconds,
                    statistic=self.args.statistic,
                )
            except WorkerError as error:
                self.skipped.append(f"{name}, batch {batch}, {threads} threads: {error}")
                continue
            finally:
                self.progress.advance(task)
            info = {
                v.name: {"runtime": v.runtime, "precision": v.precision} for v in variants.values()
            }
            self.groups.append(
                {
                    "model": name,
                    "batch": batch,
                    "threads": threads,
                    "macs": count_macs(path, batch),
                    "variants": info,
                    **measured,
                }
            )
        if not self.args.no_costs:
            self._measure_costs(name)

    def _wanted(self, model: str) -> dict[str, Variant]:
        return {
            name: variant
            for name, variant in variants_of(MODELS[model]).items()
            if variant.runtime in self.args.runtimes
            and variant.precision in self.args.precisions
            and not missing_packages(variant.runtime)
        }

    def _prepared(self, model: str, variants: dict[str, Variant]) -> dict[str, Variant]:
        """Those whose files could be prepared; others are noted."""
        ready = {}
        task = self.progress.add_task(f"{model}: prepare", total=len(variants))
        for name, variant in variants.items():
            self.progress.update(task, description=f"{model}: prepare {name}")
            try:
                self._work("prepare", model, 1, os.cpu_count() or 1, variant=name)
                ready[name] = variant
            except WorkerError as error:
                self.skipped.append(f"{model}, {name}: {error}")
            self.progress.advance(task)
        self.progress.update(task, description=f"{model}: prepare")
        return ready

    def _measure_costs(self, model: str) -> None:
        """Load time, first run and memory, each in a process of its own.

        Of all variants that ran; under --quick of Octet's and of those it is compared with.
        """
        groups = [group for group in self.groups if group["model"] == model]
        names = {name: None for group in groups for name in group["seconds"]}
        if self.args.quick:
            found = [(c.octet.name, c.peer.name) for c in comparisons({"groups": groups})]
            names = dict.fromkeys(name for pair in found for name in pair)
        batch, threads = min(self.args.batches), min(self.args.threads)
        task = self.progress.add_task(f"{model}: load and memory", total=len(names))
        for name in names:
            self.progress.advance(task)
            try:
                cost = self._work("cost", model, batch, threads, variant=name)
                self.costs.setdefault(model, {})[name] = cost
            except WorkerError as error:
                self.skipped.append(f"{model}, {name}, load and memory: {error}")

    def _work(self, task: str, model: str, batch: int, threads: int, **rest: Any) -> dict[str, Any]:
        request = {
            "model": model,
            "batch": batch,
            "threads": threads,
            "isa": self.args.isa,
            "folder": str(self.args.folder),
            "cores": [] if task == "prepare" else cores_for(threads),
            **rest,
        }
        return in_worker(task, request, environment_of(threads, self.args.isa))


def machine() -> dict[str, Any]:
    """The CPU and the versions of what is compared."""
    cpu, info = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].partition(":")[2].strip() if names else cpu
    versions = {}
    for package in ("numba", "onnxruntime", "openvino", "nncf", "torch", "torchao"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"cpu": cpu, "cores": os.cpu_count(), "versions": versions}


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few models and settings")
    parser.add_argument("--models", nargs="+", choices=MODELS, metavar="MODEL")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS)
    parser.add_argument("--batches", nargs="+", type=int)
    parser.add_argument("--threads", nargs="+", type=int)
    parser.add_argument("--runtimes", nargs="+", choices=RUNTIMES)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of a variant's turn in a round")
    parser.add_argument(
        "--statistic",
        choices=STATISTICS,
        default="median",
        help="of the calls of a turn; minimum for a machine that others use as well",
    )
    isas = [isa.name for isa in ISAS]
    parser.add_argument(
        "--isa", choices=isas, help="hold Octet to this instruction set, and others if possible"
    )
    parser.add_argument("--no-costs", action="store_true", help="no load time and memory")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="prepared models")
    parser.add_argument("--from", dest="source", type=Path, help="show these results: no measuring")
    parser.add_argument("--output", type=Path, help="results as JSON")
    parser.add_argument("--plot", type=Path, help="bars of best peer / Octet, .png or .svg")
    parser.add_argument("--markdown", action="store_true", help="print markdown tables")
    args = parser.parse_args(arguments)
    for key, value in (QUICK if args.quick else FULL).items():
        if getattr(args, key) is None:
            setattr(args, key, value)
    if args.runtimes and "octet" not in args.runtimes:
        args.runtimes = ["octet", *args.runtimes]
    available = len(cores_for(os.cpu_count() or 1)) or os.cpu_count() or 1
    if max(args.threads) > available:
        parser.error(f"--threads {max(args.threads)}: this process may use {available} cores")
    if args.plot is not None and find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: pip install '.[bench]'")
    for path in (args.output, args.plot):
        if path is not None and not path.parent.is_dir():
            parser.error(f"{path}: there is no folder {path.parent}")
    if args.rounds < 1:
        parser.error("--rounds should be at least 1")
    return args


def main(arguments: list[str] | None = None) -> int:
    args = parse_arguments(arguments)
    if args.source is not None:
        result = json.loads(args.source.read_text())
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=err) as progress:
            result = Benchmark(args, progress).run()
    if args.output is not None:
        args.output.write_text(json.dumps(result, indent=1) + "\n")
    if args.markdown:
        print(markdown(result), end="")
    else:
        print_tables(result, console_for_tables())
    if args.plot is not None:
        plot(result, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())

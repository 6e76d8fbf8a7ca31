"""Placements found by `--strategy auto` on public models, reported on samples it never saw.

    python benchmarks/auto_placement.py MODELS                   ResNet-8, DS-CNN, SqueezeNet
    python benchmarks/auto_placement.py MODELS resnet8 --budgets 0.5

MODELS is the folder that workloads.py describes. Every second labelled sample is for the search,
the others for the report; calibration data is apart from both, except for DS-CNN, which is
calibrated on search samples.

Columns: budget in points of top-1; ops per precision and share of multiplications in int8; drop on
the samples of the search and on those held out, each with the standard error of a difference of
paired proportions; us = one sample on one thread: median over interleaved rounds of each round's
fastest run; search = seconds of the whole search.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rounds import time_rounds
from workloads import WORKLOADS, Workload

import compiler
from compiler.driver import Compilation, CompileRequest
from compiler.strategy.apply import apply_strategy
from compiler.strategy.request import strategy_of
from runtime.program import Program

MODELS = ("resnet8", "dscnn", "squeezenet")
BUDGETS = (0.1, 0.5, 1.0)
DSCNN = "DS-CNN"
err = Console(stderr=True)


@dataclass(frozen=True)
class Split:
    """Samples and labels for the search, and others for the report."""

    search: dict[str, np.ndarray]
    x: np.ndarray
    y: np.ndarray
    calibration: np.ndarray


def split(work: Workload) -> Split:
    search, report = slice(0, None, 2), slice(1, None, 2)
    evaluation = {work.input: work.x[search], "labels": work.y[search].astype(np.int64)}
    calibration = work.calibration
    if work.name == DSCNN:  # its calibration samples are its first test samples
        calibration = work.x[search][: len(work.calibration)]
    return Split(evaluation, work.x[report], work.y[report], calibration)


def compiled(work: Workload, data: Split, budget: float, args: argparse.Namespace) -> Compilation:
    """The program that the search found."""
    options = {
        "max_drop": budget,
        "evaluation_data": data.search,
        "seed": args.seed,
        "jobs": args.jobs,
    }
    request = CompileRequest(work.model, calibration_data={work.input: data.calibration})
    applied = apply_strategy(request, strategy_of("auto", options), show=False)
    compilation = Compilation(applied.request)
    compilation.run()
    return compilation


def correct(program: Program, name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which samples are classified right."""
    output = program.outputs[0].name
    found = [program.run({name: x[i : i + 1]})[output].argmax() for i in range(len(x))]
    return np.array(found) == y


def drop_text(reference: np.ndarray, actual: np.ndarray) -> str:
    """Points lost; the standard error of a difference of paired proportions (McNemar, 1947)."""
    difference = reference.astype(int) - actual.astype(int)
    return f"{100 * difference.mean():.2f} ± {100 * difference.std() / len(actual) ** 0.5:.2f}"


def placement_text(compilation: Compilation) -> tuple[str, str]:
    """Ops by precision, and the share of the multiplications in int8."""
    rows = compilation.explanation().ops
    ops = Counter(row.precision for row in rows)
    macs = sum(row.macs for row in rows)
    int8 = sum(row.macs for row in rows if row.precision == "int8")
    return ", ".join(f"{ops[p]} {p}" for p in sorted(ops)), f"{int8 / macs:.0%}"


def report(work: Workload, table: Table, args: argparse.Namespace) -> None:
    data = split(work)
    calibration = {work.input: data.calibration}
    programs = {
        "float": compiler.compile(work.model, precision="f32"),
        "int8": compiler.compile(work.model, calibration),
    }
    rows: list[tuple[str, str, str, float]] = [("float", "", "0%", 0), ("int8", "", "", 0)]
    for budget in args.budgets:
        start = time.perf_counter()
        compilation = compiled(work, data, budget, args)
        seconds = time.perf_counter() - start
        name = f"{budget:g}"
        programs[name] = compilation.program()
        rows.append((name, *placement_text(compilation), seconds))
    feed = {work.input: work.x[:1]}
    times = time_rounds(
        {name: lambda program=program: program.run(feed) for name, program in programs.items()},
        args.rounds,
        0.02,
        statistic="minimum",
    )
    x, y = data.search[work.input], data.search["labels"]
    on_search = {name: correct(p, work.input, x, y) for name, p in programs.items()}
    held_out = {name: correct(p, work.input, data.x, data.y) for name, p in programs.items()}
    for name, ops, share, seconds in rows:
        table.add_row(
            work.name,
            name,
            ops,
            share,
            drop_text(on_search["float"], on_search[name]),
            f"{100 * held_out[name].mean():.2f}",
            drop_text(held_out["float"], held_out[name]),
            f"{1e6 * float(np.median(times[name])):.1f}",
            f"{float(np.median(np.divide(times['int8'], times[name]))):.2f}",
            f"{float(np.median(np.divide(times['float'], times[name]))):.2f}",
            f"{seconds:.0f} s" if seconds else "",
        )
    table.add_section()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, help="folder with the models and data")
    parser.add_argument("only", nargs="*", choices=[*MODELS, []], help="models to run")
    parser.add_argument("--budgets", type=float, nargs="+", default=BUDGETS, metavar="POINTS")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    table = Table(
        *("model", "budget", "ops", "MACs int8", "drop, search", "top-1, held out"),
        *("drop, held out", "us", "x int8", "x float", "search"),
    )
    for name in args.only or MODELS:
        try:
            work = WORKLOADS[name](args.models)
        except FileNotFoundError as error:
            err.print(f"skipped {name}: {error.filename} is missing")
            continue
        report(work, table, args)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

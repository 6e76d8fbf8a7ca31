"""Accuracy of int8 beside other quantizers, on the same calibration data and held-out samples.

    python benchmarks/accuracy_peers.py MODELS                     all tasks
    python benchmarks/accuracy_peers.py MODELS minilm --only octet
    python benchmarks/accuracy_peers.py MODELS --json results.json

Columns: score = top-1 in percent, or Spearman correlation for MiniLM; agreement = same top-1 as the
float model in onnxruntime; SQNR = 10 log10(sum f^2 / sum (f - q)^2) of all final outputs, which
tells methods apart far better than top-1 on this much data. See accuracy_tasks.py for the data.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from accuracy_tasks import TASKS, Task
from quantizers import Method, nncf_, octet_, onnxruntime_
from rich.console import Console
from rich.table import Table
from workloads import sqnr

QUANTIZERS = {
    "octet": octet_.methods,
    "onnxruntime": onnxruntime_.methods,
    "nncf": nncf_.methods,
}
err = Console(stderr=True)


@dataclass(frozen=True)
class Row:
    """One way to run one model; `failed` says why there are no figures."""

    model: str
    method: str
    metric: str
    score: float | None = None
    agreement: float | None = None
    sqnr: float | None = None
    seconds: float | None = None
    failed: str = ""


def measure(task: Task, name: str, method: Method, reference: np.ndarray) -> Row:
    start = time.perf_counter()
    try:
        run = method()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return Row(task.name, name, task.metric, failed=reason[:100])
    seconds = time.perf_counter() - start
    outputs = task.outputs(run)
    agreeing = None
    if task.metric.startswith("top-1"):
        agreeing = 100 * float(np.mean(outputs.argmax(1) == reference.argmax(1)))
    return Row(
        task.name,
        name,
        task.metric,
        task.score(outputs),
        agreeing,
        sqnr(reference, outputs),
        seconds,
    )


def rows_of(task: Task, only: list[str], folder: Path) -> list[Row]:
    reference = task.outputs(onnxruntime_.session(task.model))
    rows = [Row(task.name, "onnxruntime f32", task.metric, task.score(reference), 100.0)]
    for quantizer in only:
        for name, method in QUANTIZERS[quantizer](task, folder).items():
            err.print(f"{task.name}: {name}")
            rows.append(measure(task, name, method, reference))
    return rows


def table_of(rows: list[Row]) -> Table:
    table = Table("model", "method", "score", "agreement", "SQNR dB", "to quantize")
    for row in rows:
        digits = 4 if row.metric == "Spearman" else 2
        table.add_row(
            row.model,
            row.method,
            row.failed if row.score is None else f"{row.score:.{digits}f}",
            "" if row.agreement is None else f"{row.agreement:.1f} %",
            "" if row.sqnr is None else f"{row.sqnr:.1f}",
            "" if row.seconds is None else f"{row.seconds:.1f} s",
            end_section=row is rows[-1] or rows[rows.index(row) + 1].model != row.model,
        )
    return table


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, help="folder with the models and data")
    parser.add_argument("tasks", nargs="*", choices=[*TASKS, []], help="tasks to run")
    parser.add_argument("--only", action="append", choices=[*QUANTIZERS], help="quantizers to run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as well")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in args.tasks or TASKS:
            try:
                task = TASKS[name](args.models)
            except FileNotFoundError as error:
                err.print(f"skipped {name}: {error.filename} is missing")
                continue
            rows += rows_of(task, args.only or list(QUANTIZERS), Path(folder))
    Console(width=None if sys.stdout.isatty() else 140).print(table_of(rows))
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

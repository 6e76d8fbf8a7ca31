"""The exported QDQ models in other runtimes, beside Octet's own programs.

    python benchmarks/onnx_export.py MODELS            all workloads (see workloads.py), MiniLM
    python benchmarks/onnx_export.py MODELS resnet8    one of them

Each model is compiled to int8 and exported with the same options; the columns compare outputs of
the file with those of the program: the share of samples with the same top-1 in percent, and the
SQNR in dB with the program as the signal. "ORT" is onnxruntime with its graph optimizations off
(every node as the file says), "ORT all" with all of them on (int8 kernels where it has patterns).
MiniLM is compared on the hidden states of unmasked tokens. "round trip" says whether the file, read
by Octet again, gives the same program at stage `integer`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnxruntime
from rich.console import Console
from rich.progress import track
from rich.table import Table
from workloads import MINILM, WORKLOADS, minilm_feeds, sqnr

from compiler.backends.onnx import export_onnx
from compiler.bare_text import bare_text
from compiler.driver import Compilation, CompileRequest
from runtime.program import Program

Feed = dict[str, np.ndarray]
Run = Callable[[Feed], np.ndarray]
BATCH = 50
err = Console(stderr=True)


@dataclass
class Case:
    """A model, what it is calibrated on, batches to compare on, and which outputs count."""

    name: str
    model: Path
    calibration: object
    feeds: list[Feed]
    select: Callable[[np.ndarray, Feed], np.ndarray]
    classifies: bool = True
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)


def cases(models: Path, only: list[str]) -> Iterator[Case]:
    for name, load in WORKLOADS.items():
        if only and name not in only:
            continue
        try:
            work = load(models)
        except FileNotFoundError as error:
            err.print(f"skipped {name}: {error.filename} is missing")
            continue
        starts = range(0, len(work.x), BATCH)
        feeds = [{work.input: work.x[start : start + BATCH]} for start in starts]
        yield Case(
            work.name, work.model, {work.input: work.calibration}, feeds,
            lambda outputs, feed: outputs.reshape(len(outputs), -1),
        )  # fmt: skip
    if (models / MINILM).exists() and (not only or "minilm" in only):
        batches = [minilm_feeds(seed=seed) for seed in range(9)]
        yield Case(
            "MiniLM", models / MINILM, batches[1:], batches[:1],
            lambda outputs, feed: outputs[feed["attention_mask"] == 1],
            classifies=False,
            shapes={name: (1, *array.shape[1:]) for name, array in batches[0].items()},
        )  # fmt: skip


def in_octet(program: Program) -> Run:
    name = program.outputs[0].name
    return lambda feed: program.run(feed)[name]


def in_onnxruntime(path: Path, optimize: bool) -> Run:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimize else level.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return lambda feed: session.run(None, feed)[0]


def in_openvino(path: Path) -> Run:
    import openvino

    core = openvino.Core()
    model = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda feed: model(feed)[0].copy()


def compiled(case: Case, stop_after: str) -> Compilation:
    return finished(
        CompileRequest(
            case.model,
            calibration_data=case.calibration,
            stop_after=stop_after,
            shapes=case.shapes,
        )
    )


def finished(request: CompileRequest) -> Compilation:
    compilation = Compilation(request)
    compilation.run()
    return compilation


def outputs_of(run: Run, case: Case, label: str) -> np.ndarray:
    batches = track(case.feeds, f"{case.name} in {label}", console=err, transient=True)
    return np.concatenate([case.select(run(feed), feed) for feed in batches])


def comparison(expected: np.ndarray, actual: np.ndarray, case: Case) -> list[str]:
    """Agreement and SQNR."""
    agreement = "" if not case.classifies else f"{same_top1(expected, actual):.2f}"
    return [agreement, f"{sqnr(expected, actual):.1f}"]


def same_top1(expected: np.ndarray, actual: np.ndarray) -> float:
    return 100 * float(np.mean(expected.argmax(1) == actual.argmax(1)))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, help="folder with the models and data")
    parser.add_argument("only", nargs="*", help=f"of {', '.join(WORKLOADS)}, minilm")
    args = parser.parse_args()
    table = Table("model", "n", "round trip", "ORT", "dB", "ORT all", "dB", "OpenVINO", "dB")
    with tempfile.TemporaryDirectory() as folder:
        for case in cases(args.models, args.only):
            path = Path(folder) / "exported.onnx"
            placed = compiled(case, "quantize")
            export_onnx(placed.module, placed.ctx.weights).write(path)
            program = compiled(case, "kernel").program()
            expected = outputs_of(in_octet(program), case, "Octet")
            again = finished(CompileRequest(path, stop_after="integer")).module
            first = compiled(case, "integer").module
            same = bare_text(first) == bare_text(again)
            columns: list[str] = []
            for label, run in (
                ("onnxruntime", in_onnxruntime(path, False)),
                ("onnxruntime, optimized", in_onnxruntime(path, True)),
                ("OpenVINO", in_openvino(path)),
            ):
                columns += comparison(expected, outputs_of(run, case, label), case)
            table.add_row(case.name, str(len(expected)), "same" if same else "DIFFERENT", *columns)
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

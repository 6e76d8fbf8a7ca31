"""Accuracy of float and int8 programs beside float onnxruntime.

    python benchmarks/accuracy.py MODELS            all workloads (see workloads.py)
    python benchmarks/accuracy.py MODELS resnet8    one of them
    python benchmarks/accuracy.py MODELS --bits     also check int8 bits against the reference

Columns: top-1 accuracy in percent; float error = greatest difference to onnxruntime relative to
the greatest output; agreement = same top-1 as float onnxruntime; SQNR of the int8 outputs against
float; us = latency of one image on one thread. Rows "QDQ" run the given quantized model, beside
onnxruntime on the same file; "same" is the share of its outputs that are bit-identical.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from rich.console import Console
from rich.progress import track
from rich.table import Table
from workloads import MINILM, WORKLOADS, Workload, minilm_feeds, sqnr

import compiler
from compiler.driver import Compilation, CompileRequest
from runtime.kernels.isa import host_isas
from runtime.program import Program
from runtime.reference.evaluate import evaluate

BATCH = 50
err = Console(stderr=True)


def in_batches(run, x: np.ndarray, label: str) -> np.ndarray:
    starts = range(0, len(x), BATCH)
    return np.concatenate(
        [run(x[s : s + BATCH]) for s in track(starts, label, console=err, transient=True)]
    )


def onnxruntime_outputs(model: Path, name: str, x: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, ["CPUExecutionProvider"])
    fixed = session.get_inputs()[0].shape[0] == 1

    def run(batch: np.ndarray) -> np.ndarray:
        if not fixed:
            return session.run(None, {name: batch})[0]
        return np.concatenate([session.run(None, {name: one[None]})[0] for one in batch])

    return in_batches(run, x, f"onnxruntime {model.name}")


def octet_outputs(program: Program, name: str, x: np.ndarray, label: str) -> np.ndarray:
    output = program.outputs[0].name
    return in_batches(lambda batch: program.run({name: batch})[output], x, label)


def top1(outputs: np.ndarray, y: np.ndarray) -> float:
    return 100 * float(np.mean(outputs.reshape(len(y), -1).argmax(1) == y))


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    return 100 * float(np.mean(a.reshape(len(a), -1).argmax(1) == b.reshape(len(b), -1).argmax(1)))


def bits(work: Workload, program: Program, samples: int = 4) -> str:
    """Whether every ISA gives the bits of the numpy reference at the integer stage."""
    calibration = {work.input: work.calibration}
    compilation = Compilation(
        CompileRequest(work.model, calibration_data=calibration, stop_after="integer")
    )
    compilation.run()
    feed = {work.input: work.x[:samples]}
    expected = evaluate(compilation.module, feed, compilation.ctx.weights)
    verdicts = []
    for isa in host_isas():
        actual = Program(program.module, program.weights, program.manifest, isa=isa.name).run(feed)
        same = all(np.array_equal(expected[name], actual[name]) for name in expected)
        verdicts.append(f"{isa.name} {'equal' if same else 'DIFFERENT'}")
    return ", ".join(verdicts)


def latency(program: Program, work: Workload) -> str:
    """Median microseconds of one image on one thread."""
    return f"{1e6 * float(np.median(program.benchmark({work.input: work.x[:1]}))):.0f}"


def minilm_error(model: Path) -> float:
    """Greatest difference of float outputs to onnxruntime, relative to the greatest output."""
    feeds = minilm_feeds()
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, feeds)
    shapes = {name: (1, *feed.shape[1:]) for name, feed in feeds.items()}
    (actual,) = compiler.compile(model, shapes=shapes).run(feeds).values()
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def strength(text: str) -> float | str:
    """The argument of --smooth-activations."""
    return text if text in ("auto", "off") else float(text)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, help="folder with the models and data")
    parser.add_argument("only", nargs="*", choices=[*WORKLOADS, []], help="workloads to run")
    parser.add_argument("--bits", action="store_true", help="compare int8 bits with the reference")
    parser.add_argument("--calibration-method", default="sqnr")
    parser.add_argument(
        "--equalize-channels", choices=["weights", "activations", "off"], default="off"
    )
    parser.add_argument("--smooth-activations", type=strength, default="off", metavar="ALPHA")
    parser.add_argument("--clip-outliers", type=int, default=0, metavar="SAMPLES")
    parser.add_argument("--correct-bias", type=int, default=0, metavar="SAMPLES")
    parser.add_argument("--round-adaptively", type=int, default=0, metavar="SAMPLES")
    args = parser.parse_args()
    table = Table(
        "model",
        "n",
        "float ORT",
        "float",
        "float error",
        "int8",
        "agreement",
        "SQNR dB",
        "float us",
        "int8 us",
    )
    quantized = Table("QDQ model", "n", "ORT", "Octet", "agreement", "same")
    for name in args.only or WORKLOADS:
        try:
            work = WORKLOADS[name](args.models)
        except FileNotFoundError as error:
            err.print(f"skipped {name}: {error.filename} is missing")
            continue
        reference = onnxruntime_outputs(work.model, work.input, work.x)
        float_program = compiler.compile(work.model)
        float_outputs = octet_outputs(float_program, work.input, work.x, f"{work.name} float")
        int8_program = compiler.compile(
            work.model,
            calibration_data={work.input: work.calibration},
            calibration_method=args.calibration_method,
            equalize_channels=args.equalize_channels,
            smooth_activations=args.smooth_activations,
            clip_outliers=args.clip_outliers,
            correct_bias=args.correct_bias,
            round_adaptively=args.round_adaptively,
        )
        int8_outputs = octet_outputs(int8_program, work.input, work.x, f"{work.name} int8")
        error = np.abs(float_outputs - reference).max() / np.abs(reference).max()
        table.add_row(
            work.name,
            str(len(work.y)),
            f"{top1(reference, work.y):.2f}",
            f"{top1(float_outputs, work.y):.2f}",
            f"{error:.1e}",
            f"{top1(int8_outputs, work.y):.2f}",
            f"{agreement(reference, int8_outputs):.1f}",
            f"{sqnr(reference, int8_outputs):.1f}",
            latency(float_program, work),
            latency(int8_program, work),
        )
        if args.bits:
            err.print(f"{work.name}: {bits(work, int8_program)}")
        if work.quantized_model is not None and work.quantized_x is not None:
            expected = onnxruntime_outputs(
                work.quantized_model, work.quantized_input, work.quantized_x
            )
            program = compiler.compile(work.quantized_model)
            actual = octet_outputs(
                program, work.quantized_input, work.quantized_x, f"{work.name} QDQ"
            )
            quantized.add_row(
                work.name,
                str(len(work.y)),
                f"{top1(expected, work.y):.2f}",
                f"{top1(actual, work.y):.2f}",
                f"{agreement(expected, actual):.1f}",
                f"{100 * np.mean(expected == actual):.2f} %",
            )
    if not args.only and (args.models / MINILM).exists():
        error = minilm_error(args.models / MINILM)
        table.add_row("MiniLM", "4", "", "", f"{error:.1e}", "", "", "", "", "")
    console = Console()
    console.print(table)
    if quantized.row_count:
        console.print(quantized)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""int8 + bf16 + f32 in one program, beside int8 + f32, all bf16 and all f32, in one paired run.

    python benchmarks/mixed_precision.py mobilenetv2 minilm_l6

Some layers are kept out of int8, as one does with those that lose accuracy: in convolutional
networks the first ones, in encoders the products behind GELU, whose operands have outliers. The mix
computes them in bf16, "int8+f32" in f32; everything else is placed by default in both. Columns:
time; SQNR against float onnxruntime; SQNR against the numpy reference of the same program; time as
a multiple of the mix's, the median over interleaved rounds with its 95 % interval.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from models import MODELS
from rounds import ratio_estimate, time_rounds
from runtimes.onnxruntime_ import session
from runtimes.variant import Workspace
from workloads import sqnr

from compiler.driver import Compilation, CompileRequest
from runtime.program import Program
from runtime.reference.evaluate import evaluate

MIX = "int8+bf16+f32"
SENSITIVE = {"mobilenetv2": "first(9)", "resnet50": "first(11)", "resnet20": "first(7)"}
"""Selectors of the layers that stay out of int8."""
BEHIND_GELU = "pattern(gelu->matmul)[:, 1]"


def variants(name: str, calibration: Any) -> dict[str, dict[str, Any]]:
    """Variant to its calibration data and compile options."""
    sensitive = SENSITIVE.get(name, BEHIND_GELU)
    return {
        MIX: {"data": calibration, "options": {"bf16": (sensitive,)}},
        "int8+f32": {"data": calibration, "options": {"exclude": (sensitive,)}},
        "bf16": {"data": None, "options": {"precision": "bf16"}},
        "f32": {"data": None, "options": {"precision": "f32"}},
    }


def compiled(model: Path, data: Any, options: dict[str, Any], feed: Any) -> tuple[Program, float]:
    """A program, and how near its outputs are to the reference's, in dB."""
    stages: dict[str, Any] = {}

    def keep(stage: str, compilation: Compilation) -> None:
        if stage == "integer":
            stages[stage] = compilation.module.clone()

    compilation = Compilation(
        CompileRequest(model, calibration_data=data, options=options), after_stage=keep
    )
    compilation.run()
    program = compilation.program()
    (name, expected), *_ = evaluate(stages["integer"], feed, compilation.ctx.weights).items()
    return program, min(sqnr(expected, program.run(feed, 1)[name]), 400.0)


def measure(name: str, folder: Path, rounds: int, seconds: float) -> None:
    """Prints the four variants of one model."""
    workspace = Workspace(folder, MODELS[name])
    feeds = workspace.model.feeds(4, 1, seed=2)
    reference = session(workspace.onnx, 1, 1)
    expected = np.stack([reference.run(None, feed)[0] for feed in feeds])
    del reference
    candidates, accuracy, exactness = {}, {}, {}
    for variant, how in variants(name, workspace.calibration()).items():
        program, exactness[variant] = compiled(
            workspace.onnx, how["data"], how["options"], feeds[0]
        )
        output, turn = program.outputs[0].name, itertools.cycle(feeds)
        outputs = np.stack([program.run(feed, 1)[output] for feed in feeds])
        accuracy[variant] = sqnr(expected, outputs)
        candidates[variant] = lambda program=program, turn=turn: program.run(next(turn), 1)
    times = time_rounds(candidates, rounds, seconds, statistic="minimum")
    print(f"{name}, one thread, batch 1")
    for variant, found in times.items():
        ratio = ratio_estimate(found, times[MIX])
        print(
            f"  {variant:14} {1e3 * np.median(found):8.3f} ms  {accuracy[variant]:5.1f} dB  "
            f"{exactness[variant]:5.1f} dB  "
            f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["mobilenetv2", "minilm_l6"])
    parser.add_argument("--folder", type=Path, default=Path("build/bench"))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3)
    args = parser.parse_args()
    for name in args.models:
        measure(name, args.folder, args.rounds, args.seconds)


if __name__ == "__main__":
    main()

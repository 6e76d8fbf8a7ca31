"""int8 + bf16 + f32 in one program, beside int8 + f32, all bf16 and all f32, in one paired run.

    python benchmarks/mixed_precision.py minilm_l6 mobilenetv2

The mix is a rule on op types: what has no int8 kernel but one on 16-bit floats becomes bf16. SQNR
is against float onnxruntime. Ratios are medians over interleaved rounds of the fastest call in a
turn, with 95 % intervals: how many times as long as the mix.
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

import compiler
from passes.placement import capabilities, halves

MIX = "int8+bf16+f32"
TABLES = {"relu", "leaky_relu", "elu", "hard_swish", "hard_sigmoid", "sigmoid", "silu", "tanh"} | {
    *("erf", "gelu", "neg", "abs", "clip")
}
"""Unary ops, which are tables in int8."""


def variants(calibration: Any) -> dict[str, dict[str, Any]]:
    """Name to the options of `compiler.compile`."""
    without_int8 = sorted(halves.BUILT_IN - capabilities.BUILT_IN.keys() - TABLES)
    rules = tuple(f"type:{name}" for name in without_int8)
    int8 = {"calibration_data": calibration}
    return {
        MIX: {**int8, "bf16": rules, "allow_unmatched": True},
        "int8+f32": int8,
        "bf16": {"precision": "bf16"},
        "f32": {"precision": "f32"},
    }


def measure(name: str, folder: Path, rounds: int, seconds: float) -> None:
    """Prints the four variants of one model."""
    workspace = Workspace(folder, MODELS[name])
    feeds = workspace.model.feeds(4, 1, seed=2)
    reference = session(workspace.onnx, 1, 1)
    expected = np.stack([reference.run(None, feed)[0] for feed in feeds])
    del reference
    candidates, accuracy = {}, {}
    for variant, options in variants(workspace.calibration()).items():
        program = compiler.compile(workspace.onnx, **options)
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

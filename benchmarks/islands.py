"""What `prune-islands` undoes, and what that gains.

    python benchmarks/islands.py                     chains of small convolutions and exponentials
    python benchmarks/islands.py resnet8 squeezenet  models of benchmarks/models

Times are the least of interleaved measurements on one thread, batch 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from models import MODELS, Feeds, write_model
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table

from compiler.driver import Compilation, CompileRequest
from passes.placement.prune_islands import PruneIslandsPass
from runtime.program import Program

CHAINS = ((4, 64, 1), (8, 64, 1), (16, 32, 1), (32, 32, 1), (32, 32, 3))
"""(channels, pixels in a row, window) of convolutions, each followed by an exponential."""
ROUNDS = 40


def chain(channels: int, size: int, window: int) -> onnx.ModelProto:
    random = np.random.default_rng(0)
    shape = (channels, channels, window, window)
    nodes, weights, value = [], [], "x"
    for index in range(4):
        weight = random.standard_normal(shape) / (30 * channels * window**2)
        weights.append(numpy_helper.from_array(weight.astype(np.float32), f"w{index}"))
        inputs, pads = [value, f"w{index}"], [window // 2] * 4
        nodes.append(helper.make_node("Conv", inputs, [f"c{index}"], f"conv{index}", pads=pads))
        nodes.append(helper.make_node("Exp", [f"c{index}"], [f"e{index}"], f"exp{index}"))
        value = f"e{index}"
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, size, size])
        for name in ("x", value)
    )
    graph = helper.make_graph(nodes, "chain", [x], [y], initializer=weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def compiled(path: Path, data: Feeds | None, precision: str, prune: bool) -> tuple[Program, int]:
    """The program, and how many ops were pruned."""

    def after_stage(stage: str, compilation: Compilation) -> None:
        if prune and stage == "place":
            PruneIslandsPass().apply(compilation.ctx, compilation.module)

    request = CompileRequest(path, calibration_data=data, options={"precision": precision})
    compilation = Compilation(request, after_stage=after_stage)
    compilation.run()
    return compilation.program(), compilation.ctx.statistics["prune-islands", "ops"]


def fastest(programs: list[Program], feeds: Feeds) -> list[float]:
    """Seconds of each program."""
    best = [float("inf")] * len(programs)
    for _ in range(ROUNDS):
        for index, program in enumerate(programs):
            start = time.perf_counter()
            program.run(feeds)
            best[index] = min(best[index], time.perf_counter() - start)
    return best


def add_rows(table: Table, name: str, path: Path, data: Feeds, feeds: Feeds) -> None:
    for precision in ("int8", "bf16"):
        calibration = data if precision == "int8" else None
        kept, _ = compiled(path, calibration, precision, prune=False)
        pruned, ops = compiled(path, calibration, precision, prune=True)
        before, after = fastest([kept, pruned], feeds)
        gained = f"{1e6 * after:.1f}" if ops else "the same program"
        table.add_row(name, precision, str(ops), f"{1e6 * before:.1f}", gained)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", choices=[*MODELS, []], help="default: chains")
    args = parser.parse_args()
    table = Table("program", "precision", "ops undone", "us before", "us after")
    with tempfile.TemporaryDirectory() as folder:
        for name in args.models:
            path = write_model(name, Path(__file__).parents[1] / "build" / "bench")
            samples = MODELS[name].feeds(4)
            data = {key: np.concatenate([feed[key] for feed in samples]) for key in samples[0]}
            add_rows(table, name, path, data, samples[0])
        for channels, size, window in () if args.models else CHAINS:
            path = Path(folder) / "chain.onnx"
            onnx.save(chain(channels, size, window), path)
            x = np.random.default_rng(1).standard_normal((4, channels, size, size))
            x = x.astype(np.float32)
            name = f"{channels} channels, {size} x {size}, {window} x {window}"
            add_rows(table, name, path, {"x": x}, {"x": x[:1]})
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

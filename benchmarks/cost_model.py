"""Predicted against measured time per op: how well the cost model orders and sums.

    python benchmarks/cost_model.py                        ResNet-50 and MobileNetV2
    python benchmarks/cost_model.py --models minilm_l6 --precisions int8 f32
    python benchmarks/cost_model.py --target OUT.toml      with rates that `compile
                                                           --calibrate-target OUT.toml` measured
    python benchmarks/cost_model.py --ops 12               also the ops that are furthest off

One thread, batch 1. An op's time is the least of its medians in several profiles. Columns:
Spearman's rank correlation over all ops, predicted through measured time of the whole program, and
the median over ops of |predicted / measured - 1|. Programs are kept in build/bench.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
from models import MODELS, write_model
from rich.console import Console
from rich.table import Table
from runtimes.octet_ import SOURCES
from runtimes.variant import source_digest

import compiler
from compiler.targets import load_target
from dialects.rates import RATES_OF_ISA, Rates
from runtime.profiling.comparison import Comparison, compare
from runtime.program import Program

ROOT = Path(__file__).parents[1]
PROFILES = 5
err = Console(stderr=True)


def program_of(name: str, precision: str, folder: Path) -> Program:
    """Compiled anew whenever Octet's sources have changed."""
    digest = source_digest(*(ROOT / source for source in SOURCES))
    path = folder / f"cost-{name}-{precision}-{digest}.octet"
    if not path.exists():
        for old in folder.glob(f"cost-{name}-{precision}-*"):
            old.unlink()
        data = None
        if precision == "int8":
            feeds = MODELS[name].feeds(8)
            data = {key: np.concatenate([feed[key] for feed in feeds]) for key in feeds[0]}
        source = write_model(name, folder)
        compiler.compile(source, data, precision=precision).save(path)
    return Program.load(path)


def measured(program: Program, name: str, rates: Rates) -> Comparison:
    """The profile whose ops have their least times, beside the model."""
    feeds = MODELS[name].feeds(1)[0]
    profiles = [program.profile(feeds) for _ in range(PROFILES)]
    ops = [
        dataclasses.replace(op, seconds=min(profile.ops[index].seconds for profile in profiles))
        for index, op in enumerate(profiles[0].ops)
    ]
    seconds = sum(op.seconds for op in ops)
    return compare(dataclasses.replace(profiles[0], ops=ops, seconds=seconds), rates)


def furthest_off(comparison: Comparison, count: int) -> Table:
    """The ops that add most to the difference of the whole."""
    table = Table("op", "kernel", "precision", "us", "model us", "model / time")
    pairs = zip(comparison.profile.ops, comparison.predicted, strict=True)
    for op, predicted in sorted(pairs, key=lambda pair: -abs(pair[1] - pair[0].seconds))[:count]:
        table.add_row(
            op.layer,
            op.kernel,
            op.precision,
            f"{1e6 * op.seconds:.1f}",
            f"{1e6 * predicted:.1f}",
            f"{predicted / max(op.seconds, 1e-9):.2f}",
        )
    return table


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--models", nargs="+", default=["resnet50", "mobilenetv2"], choices=list(MODELS)
    )
    parser.add_argument(
        "--precisions", nargs="+", default=["int8", "bf16", "f32"],
        choices=["int8", "bf16", "f16", "f32"],
    )  # fmt: skip
    parser.add_argument("--target", help="a target file with rates (default: the class's)")
    parser.add_argument("--ops", type=int, default=0, metavar="N")
    args = parser.parse_args()
    folder = ROOT / "build" / "bench"
    console = Console(width=None if sys.stdout.isatty() else 120)
    table = Table(
        "model", "precision", "ops", "rank correlation", "model ms", "ms", "ratio", "median"
    )
    for name in args.models:
        for precision in args.precisions:
            err.print(f"{name} {precision}")
            program = program_of(name, precision, folder)
            rates = load_target(args.target).rates if args.target else None
            found = measured(program, name, rates or RATES_OF_ISA[program.isa.name])
            times = np.array([op.seconds for op in found.profile.ops])
            off = np.abs(np.array(found.predicted) / np.maximum(times, 1e-9) - 1)
            table.add_row(
                name,
                precision,
                str(len(times)),
                f"{found.rank_correlation:.3f}",
                f"{1e3 * sum(found.predicted):.2f}",
                f"{1e3 * times.sum():.2f}",
                f"{sum(found.predicted) / times.sum():.2f}",
                f"{np.median(off):.1%}",
            )
            if args.ops:
                console.print(furthest_off(found, args.ops))
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Regenerates every figure of the pass-ordering lab with one command.

    python examples/pass_ordering/run.py --output-dir out            # a few minutes
    python examples/pass_ordering/run.py --quick --output-dir out    # under a minute
    python examples/pass_ordering/run.py --model net.onnx calib.npz labelled.npz --output-dir out

The digits example comes with its data; every --model needs calibration data and evaluation data
(`-` for none of it). A run that was interrupted goes on where it ended.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from compiler.cli.lab import main as octet_lab

DIGITS = Path(__file__).resolve().parents[1] / "digits"

PASSES = ",".join(
    (
        "clip-outliers{samples=16}",
        "unify-scales",
        "round-adaptively{samples=16}",
        "correct-bias{samples=16}",
        "propagate-qdq",
        "squash-qdq",
        "quantize-ops",
    )
)
"""Seven passes that are reordered freely, 5,040 orders: the corrections and what they meet."""
METHODS = "random,greedy,beam,genetic,optuna-tpe,optuna-nsgaii"
CONDITION = ["--require", "int8_macs>=0.9"]
"""Programs in which nothing is quantized have no noise, and win nothing."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="five passes, three seeds")
    parser.add_argument(
        "--model",
        dest="models",
        metavar=("MODEL", "CALIBRATION", "EVALUATION"),
        nargs=3,
        action="append",
        default=[],
        help="one more model, with its data; may be given several times",
    )
    parser.add_argument("--workers", default="1")
    args = parser.parse_args()
    args.output_dir.mkdir(parents=True, exist_ok=True)
    record = args.output_dir / "runs.jsonl"
    models = [_digits(args.output_dir), *args.models]
    passes = ",".join(PASSES.split(",")[:5]) if args.quick else PASSES
    run = [
        *(model for model, _, _ in models),
        *(word for _, data, _ in models for word in ("--calibration-data", data)),
        *(word for _, _, data in models for word in ("--evaluation-data", data)),
        "--output", str(record),
        "--workers", args.workers,
    ]  # fmt: skip
    space = ["--passes", passes, "--ignore-contracts", *CONDITION]
    searches = ["--method", METHODS, "--runs", "3" if args.quick else "10", "--from-scratch"]
    budget = ["--budget", "60" if args.quick else "200"]
    commands = [
        ["pairs", *run, "--contexts", "2" if args.quick else "4"],
        ["search", *run, *space, "--time"],
        ["search", *run, *space, *searches, *budget],
        ["figures", str(record), "--output-dir", str(args.output_dir), *CONDITION],
        *(
            [name, "--records", str(record), *CONDITION]
            for name in ("stats", "pareto", "coreset", *(["transfer"] if args.models else []))
        ),
    ]
    for command in commands:
        print(f"\n$ octet-lab {' '.join(command)}", flush=True)
        if code := octet_lab(command):
            return code
    return 0


def _digits(folder: Path) -> tuple[str, str, str]:
    """The digits network; its held-out images with their labels under the name the lab expects."""
    held_out = np.load(DIGITS / "held_out.npz")
    labelled = folder / "digits_labelled.npz"
    np.savez(labelled, image=held_out["image"], labels=held_out["label"])
    return str(DIGITS / "digits.onnx"), str(DIGITS / "calibration.npz"), str(labelled)


if __name__ == "__main__":
    raise SystemExit(main())

"""`octet-run --compare-float`: every layer of an artifact beside the same layer in float."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("accuracy")
    group.add_argument(
        "--compare-float",
        nargs="?",
        const="table",
        choices=("table", "json"),
        help="print the error of each layer on --inputs, as deployed and alone, with the likely "
        "cause and the rule of a recipe that would mend it; the program has to be compiled with "
        "--debug-info",
    )
    group.add_argument(
        "--samples",
        type=int,
        metavar="N",
        default=16,
        help="with --compare-float: compare on the first N samples (default 16; 0: all)",
    )


def run_comparison(args: argparse.Namespace) -> None:
    """Prints the comparison; exceptions are the caller's."""
    from itertools import islice

    from rich.console import Console
    from rich.progress import Progress

    from compiler.accuracy.debug_info import load_debug_info
    from compiler.accuracy.measure import single_samples
    from compiler.calibration.data import open_calibration_data
    from dialects.errors import OctetError

    path: Path = args.program
    if args.inputs is None:
        raise OctetError("--compare-float needs --inputs X.npz: what to run both programs on")
    if args.samples < 0:
        raise OctetError(f"--samples {args.samples}: expected at least 1, or 0 for all")
    info = load_debug_info(path)
    batches = open_calibration_data(args.inputs, info.placed)()
    samples = islice(single_samples(batches, info.placed), args.samples or None)
    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("samples", total=args.samples or None)
        comparison = info.compare(samples, lambda: progress.advance(task))
    if args.compare_float == "json":
        print(comparison.as_json())
        return
    output = Console(width=None if sys.stdout.isatty() else 160)
    output.print(comparison.as_table())
    if rules := comparison.rules_text():
        print("\n# What would mend the worst layers, for compile --recipe:\n" + rules)

"""`compile --bisect-accuracy`: prints after which op and which pass accuracy drops."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.driver import CompileRequest

SAMPLES = 64
"""At most so many calibration samples are run for each op; one batch for each pass."""


def add_bisect_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("accuracy")
    group.add_argument(
        "--bisect-accuracy",
        choices=("table", "json"),
        help="print the op, and the pass, after which the outputs lose accuracy; nothing is "
        "written",
    )
    group.add_argument(
        "--bisect-limit",
        metavar="DB",
        type=float,
        help="the signal-to-noise ratio that counts as lost (default: where half of the final "
        "noise is there)",
    )


def check_bisect_arguments(args: argparse.Namespace) -> None:
    """Raises OctetError for options that contradict the bisection."""
    from dialects.errors import OctetError

    if not args.bisect_accuracy:
        if args.bisect_limit is not None:
            raise OctetError("--bisect-limit goes with --bisect-accuracy")
        return
    if args.calibration_data is None:
        raise OctetError("--bisect-accuracy needs --calibration-data: the samples it is judged on")
    for flag, given in (
        ("-o", args.output is not None),
        ("--pass-pipeline", args.pass_pipeline is not None),
        ("--strategy auto", args.strategy == "auto"),
    ):
        if given:
            raise OctetError(f"--bisect-accuracy compiles for itself: leave out {flag}")


def run_bisection(args: argparse.Namespace, request: CompileRequest) -> None:
    """Prints both results; exceptions are the caller's."""
    from dataclasses import replace

    from rich.console import Console
    from rich.progress import Progress

    from compiler.accuracy.bisect import AccuracyTrace, bisect_ops
    from compiler.calibration.data import open_calibration_data
    from compiler.driver import Compilation
    from compiler.instrumentation.reproducer import CrashReproducer
    from compiler.instrumentation.timing import Timing
    from compiler.strategy.builder import CALIBRATED, Builder, check_stage
    from compiler.strategy.evaluation_data import Samples

    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("ops", total=None)
        calibrated = Compilation(replace(request, stop_after=CALIBRATED))
        calibrated.run()
        check_stage(calibrated)
        feeds = tuple(open_calibration_data(args.calibration_data, calibrated.module)())
        by_op = bisect_ops(
            Builder.of(calibrated),
            Samples(feeds).subset(SAMPLES),
            args.bisect_limit,
            lambda: progress.advance(task),
        )
        progress.update(task, description="passes")
        trace, timing = AccuracyTrace(), Timing(report=False)
        Compilation(request, instruments=[CrashReproducer(), trace, timing], timing=timing).run()
        by_pass = trace.drop(args.bisect_limit)
    if args.bisect_accuracy == "json":
        print(json.dumps({"op": by_op.as_dict(), "pass": by_pass.as_dict()}, indent=2))
        return
    output = Console(width=None if sys.stdout.isatty() else 160)
    output.print(by_op.as_table(), by_pass.as_table())

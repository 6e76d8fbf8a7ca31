"""The flags of instrumentation, spelled the same in `compile` and `octet-opt`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from compiler.instrumentation.numeric import VerifyNumerics
from compiler.instrumentation.printing import PrintIr
from compiler.instrumentation.reproducer import CrashReproducer
from compiler.instrumentation.statistics import PassStatistics
from compiler.instrumentation.structure import VerifyStructure
from compiler.instrumentation.timing import Timing
from compiler.pipeline import Instrument, available_passes, did_you_mean
from dialects.errors import OctetError

BARE_VALUES = {
    "--verify-each": "structure",
    "--explain": "table",
    "--calibration-report": "table",
    "--dynamic-quantization": "type:matmul",
    "--bisect-accuracy": "table",
}
"""What a flag with an optional value means without one."""


def with_bare_values(arguments: list[str]) -> list[str]:
    """`--verify-each model.onnx` as `--verify-each=structure model.onnx`.

    argparse would take the next argument for the value.
    """
    return [f"{a}={BARE_VALUES[a]}" if a in BARE_VALUES else a for a in arguments]


def add_instrumentation_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that `instruments_of` reads."""
    group = parser.add_argument_group("looking inside")
    group.add_argument(
        "--print-ir-after-all", action="store_true", help="print the IR after every pass (stderr)"
    )
    group.add_argument(
        "--print-ir-after-change",
        action="store_true",
        help="print the IR after every pass that changed it (stderr)",
    )
    group.add_argument(
        "--print-ir-after",
        metavar="PASS",
        action="append",
        default=[],
        help="print the IR after this pass (stderr); may be given several times",
    )
    group.add_argument("--timing", action="store_true", help="time per pass, as a table (stderr)")
    group.add_argument(
        "--pass-statistics",
        action="store_true",
        help="how often each rewrite happened, as a table (stderr)",
    )
    group.add_argument(
        "--verify-each",
        choices=("structure", "numeric"),
        help="check the IR after every pass; =numeric also runs the reference before and after "
        "and names the first pass that changes results beyond what it promises",
    )
    group.add_argument(
        "--crash-reproducer",
        metavar="FILE.mlir",
        type=Path,
        help="where to write the IR and the pass to replay when a pass fails "
        "(default for internal errors: a folder for temporary files)",
    )


def instruments_of(args: argparse.Namespace, timing: Timing) -> list[Instrument]:
    """The instruments the flags ask for, outermost first."""
    return list(_instruments(args, timing))


def _instruments(args: argparse.Namespace, timing: Timing) -> Iterator[Instrument]:
    flags = [f"--verify-each={args.verify_each}"] if args.verify_each else []
    if getattr(args, "hardware", None):  # octet-opt's; `compile` writes it into the module
        flags.append(f"--hardware={args.hardware}")
    yield CrashReproducer(args.crash_reproducer, tuple(flags))
    if args.verify_each == "numeric":
        yield VerifyNumerics()
    if args.verify_each is not None:
        yield VerifyStructure()
    for name in args.print_ir_after:
        if name not in available_passes():
            raise OctetError(
                f"--print-ir-after={name}: there is no such pass"
                f"{did_you_mean(name, available_passes())}"
            )
    if args.print_ir_after_all:
        yield PrintIr()
    elif args.print_ir_after_change:
        yield PrintIr(changed=True)
    elif args.print_ir_after:
        yield PrintIr(only=frozenset(args.print_ir_after))
    if args.pass_statistics:
        yield PassStatistics()
    timing.report = args.timing
    yield timing

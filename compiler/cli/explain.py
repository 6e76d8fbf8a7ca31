"""What `compile` says about placement: `--explain`, `--require`, and `compile diff`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.explain.difference import Side


def add_explain_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("explaining")
    group.add_argument(
        "--explain",
        choices=("table", "json"),
        help="print the precision of each op and why; without -o, nothing is written",
    )
    group.add_argument(
        "--require",
        metavar="PRECISION=SELECTOR",
        action="append",
        default=[],
        help="fail if an op that the selector names does not end at that precision (int8, bf16, "
        "f16, f32) in the final program; may be given several times",
    )


def requirements_of(texts: Sequence[str]) -> dict[str, list[str]]:
    """`--require int8=name:a`: selectors by precision."""
    from dialects.errors import OctetError
    from dialects.nn.attributes import Precision

    found: dict[str, list[str]] = {}
    known = [precision.value for precision in Precision]
    for text in texts:
        precision, equals, selector = text.partition("=")
        if precision not in known or not equals or not selector:
            raise OctetError(
                f"--require {text}: expected PRECISION=SELECTOR, such as int8=type:conv, with one "
                f"of {', '.join(known)}"
            )
        found.setdefault(precision, []).append(selector)
    return found


# --- compile diff ---------------------------------------------------------------------------

DIFF = "diff"
"""`compile diff a b`; a model in a file of that name is `./diff`."""


def run_diff(arguments: list[str]) -> None:
    """Prints what differs between two programs; exceptions are the caller's.

    Raises SystemExit(1) if something does and `--exit-code` was given.
    """
    from rich.console import Console

    from compiler.explain.difference import compare
    from compiler.explain.table import comparison_table

    args = _diff_parser().parse_args(arguments)
    a, b = _side(args.a), _side(args.b)
    if a.explanation.stage != b.explanation.stage:
        print(
            f"compile diff: note: {a.path} is at stage '{a.explanation.stage}' and {b.path} at "
            f"'{b.explanation.stage}': kernels, types and movement ops are not compared",
            file=sys.stderr,
        )
    comparison = compare(a, b)
    if args.json:
        print(comparison.as_json())
    elif comparison.differences:
        width = None if sys.stdout.isatty() else 160
        Console(width=width).print(comparison_table(comparison))
    if args.exit_code and comparison.differences:
        raise SystemExit(1)


def _diff_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="compile diff",
        description="Compares the placement of two programs: ops whose precision, reason, kernels "
        "or types differ, or that only one has. Prints nothing if there are none.",
    )
    what = "a .octet file, or .mlir text at stage place or later"
    parser.add_argument("a", metavar="A", help=what)
    parser.add_argument("b", metavar="B", help=what)
    parser.add_argument("--json", action="store_true", help="print JSON (docs/explain.md)")
    parser.add_argument(
        "--exit-code", action="store_true", help="end with code 1 if something differs, else 0"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _side(name: str) -> Side:
    from compiler.explain.difference import Side
    from compiler.explain.reading import read_placed

    return Side.of(name, read_placed(Path(name)))

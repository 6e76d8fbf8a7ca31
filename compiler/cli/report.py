"""The flags of `compile` that write an HTML report (docs/report.md)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.driver import Compilation
    from compiler.report import Recorder


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("report")
    group.add_argument(
        "--report",
        metavar="OUT.html",
        type=Path,
        help="write a page that shows the program op by op: precision and why, ranges, errors, "
        "times; without -o, nothing else is written",
    )
    group.add_argument(
        "--report-samples",
        metavar="N",
        type=int,
        default=8,
        help="calibration samples to measure each op's error on (default 8; 0: none)",
    )


def recorder_of(args: argparse.Namespace, compilation: Compilation) -> Recorder | None:
    """Watches the compilation if a report was asked for. Raises OctetError for bad options."""
    from dialects.errors import OctetError

    path: Path | None = args.report
    if path is None:
        return None
    if path.suffix not in (".html", ".htm"):
        raise OctetError(f"--report {path}: a report ends in .html")
    if not path.parent.is_dir():
        raise OctetError(f"--report {path}: there is no folder {path.parent}")
    if path.is_dir():
        raise OctetError(f"--report {path} is a folder")
    if args.report_samples < 0:
        raise OctetError(f"--report-samples {args.report_samples}: expected 0 or more")
    from compiler.report import Recorder

    return Recorder(compilation)


def write_report(args: argparse.Namespace, recorder: Recorder) -> None:
    """Writes the page of the compilation that `recorder` watched."""
    from compiler.report import gather, render
    from runtime.artifact import replacing

    page = render(gather(recorder, args.report_samples))
    with replacing(args.report) as temporary:
        temporary.write_text(page, encoding="utf-8")

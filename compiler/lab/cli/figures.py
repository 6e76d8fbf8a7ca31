"""`octet-lab figures`"""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.lab.cli.arguments import add_objective_arguments, note, objective_of
from compiler.lab.experiments.coreset import EPSILON
from compiler.lab.figures import FIGURES, Source, rows_for, write
from compiler.lab.record import read_record
from dialects.errors import OctetError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("records", metavar="RUNS.jsonl", nargs="+", type=Path)
    parser.add_argument("--output-dir", metavar="FOLDER", type=Path, required=True)
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        default=[],
        help=f"one of {', '.join(FIGURES)}; may be given several times (default: all)",
    )
    parser.add_argument(
        "--epsilon", type=float, default=EPSILON, help="of the coreset (default %(default)g)"
    )
    add_objective_arguments(parser)


def run(args: argparse.Namespace) -> None:
    for name in args.only:
        if name not in FIGURES:
            raise OctetError(f"--only {name}: expected one of {', '.join(FIGURES)}")
    objective = objective_of(args)
    lines = {line["id"]: line for path in args.records for line in read_record(path)}
    source = Source(list(lines.values()), objective, args.epsilon)
    try:
        args.output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OctetError(f"--output-dir {args.output_dir}: {error.strerror}") from error
    written = 0
    for name in args.only or FIGURES:
        rows = rows_for(name, source)
        if not rows:
            note(f"{name}: the records have nothing for it")
            continue
        for path in write(name, rows, args.output_dir):
            print(path)
        written += 1
    if not written:
        raise OctetError("the records have nothing to draw: run `octet-lab pairs` or `search`")

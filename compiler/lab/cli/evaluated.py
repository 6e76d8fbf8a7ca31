"""What commands over evaluated orders share: records to read, or models to run, and results."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from compiler.lab.cli.arguments import (
    add_objective_arguments,
    add_pass_arguments,
    add_run_arguments,
    add_space_arguments,
    labs,
    note,
    space_options,
)
from compiler.lab.experiments.orders import run_orders
from compiler.lab.record import Line, read_record
from compiler.lab.results import Table, tables_of, write_results
from compiler.lab.space import Order
from dialects.errors import OctetError

BUDGET = 200


def add_evaluated_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, output=False, models="*")
    parser.add_argument(
        "--records",
        metavar="RUNS.jsonl",
        nargs="+",
        type=Path,
        default=[],
        help="take orders that were evaluated from these records",
    )
    parser.add_argument(
        "--budget",
        metavar="N",
        type=int,
        default=BUDGET,
        help="orders to evaluate on each MODEL, the same on all: every one if there are no more, "
        "else by chance from --seed (default %(default)s)",
    )
    parser.add_argument(
        "--results",
        metavar="STEM",
        type=Path,
        help="write the results to STEM.jsonl and STEM.csv (default: beside --output, or beside "
        "the first record)",
    )
    add_pass_arguments(parser)
    add_space_arguments(parser)
    add_objective_arguments(parser)


def evaluated_lines(args: argparse.Namespace) -> list[Line]:
    """The lines of the records given, and of the models given after running what is missing.

    Raises OctetError if neither is given.
    """
    if not args.models and not args.records:
        raise OctetError("nothing to look at: give models with --output, or --records")
    if args.models and args.output is None:
        raise OctetError("--output is missing: evaluated orders of models go to a record")
    if args.budget < 1:
        raise OctetError(f"--budget {args.budget}: at least 1")
    lines = {line["id"]: line for path in args.records for line in read_record(path)}
    if args.models:
        with labs(args) as made:
            for lab in made:
                run_orders(lab, lab.space(**space_options(args)), args.budget, args.seed)
                lines.update((line["id"], line) for line in lab.record)
    return list(lines.values())


def evaluated_tables(args: argparse.Namespace) -> dict[str, Table]:
    return tables_of(evaluated_lines(args))


def several(tables: Mapping[str, Table], command: str) -> None:
    """Raises OctetError unless there are at least two models."""
    if len(tables) < 2:
        raise OctetError(
            f"{command} compares models, and there is only {next(iter(tables))}: give more models, "
            "or more --records"
        )


def defaults_of(tables: Mapping[str, Table]) -> dict[str, Order]:
    return {m: table.default.order for m, table in tables.items() if table.default is not None}


def save(args: argparse.Namespace, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the results of the command `name`, and says where."""
    beside = args.output or args.records[0]
    stem = args.results or beside.with_name(f"{beside.stem}.{name}")
    paths = write_results(rows, stem)
    note(f"wrote {', '.join(map(str, paths))}")


def shortened(order: Sequence[str] | str) -> str:
    """The names of an order's passes."""
    texts = order.split(",") if isinstance(order, str) else order
    return " ".join(text.split("{")[0] for text in texts)

"""`octet-lab coreset`"""

from __future__ import annotations

import argparse

from compiler.lab.cli.arguments import objective_of
from compiler.lab.cli.evaluated import add_evaluated_arguments, evaluated_tables, save, shortened
from compiler.lab.cli.tables import print_table
from compiler.lab.experiments.coreset import EPSILON, coreset_rows
from compiler.lab.results import common_scores
from dialects.errors import OctetError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_evaluated_arguments(parser)
    parser.add_argument(
        "--epsilon",
        type=float,
        default=EPSILON,
        help="how much worse than the best order an order may be that covers a model, as a share "
        "of the best (default %(default)g)",
    )


def run(args: argparse.Namespace) -> None:
    if args.epsilon < 0:
        raise OctetError(f"--epsilon {args.epsilon:g}: at least 0")
    objective = objective_of(args)
    tables = evaluated_tables(args)
    rows = [
        {**row, "metric": objective.metric, "objective": str(objective)}
        for row in coreset_rows(common_scores(tables, objective), args.epsilon)
    ]
    print_table(
        ("covered", "adds", "order"),
        [
            (f"{r['covered']} of {r['models']}", " ".join(r["adds"]), shortened(r["order"]))
            for r in rows
        ],
    )
    save(args, "coreset", rows)

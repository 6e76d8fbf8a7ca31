"""`octet-lab pareto`"""

from __future__ import annotations

import argparse

from compiler.lab.cli.arguments import objective_of
from compiler.lab.cli.evaluated import add_evaluated_arguments, evaluated_tables, save, shortened
from compiler.lab.cli.tables import figure, print_table
from compiler.lab.experiments.pareto import LATENCY, pareto_rows


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_evaluated_arguments(parser)


def run(args: argparse.Namespace) -> None:
    objective = objective_of(args)
    metric = objective.metric
    rows = [
        row
        for table in evaluated_tables(args).values()
        for row in pareto_rows(table, metric, objective)
    ]
    print_table(
        ("model", "front", "default", "orders", "modelled us", metric, "an order"),
        [
            (
                row["model"],
                "*" if row["front"] else "",
                "*" if row["default"] else "",
                row["orders"],
                figure(row[LATENCY] / 1e3),
                figure(row[metric], 3),
                shortened(row["order"]),
            )
            for row in rows
        ],
    )
    save(args, "pareto", rows)

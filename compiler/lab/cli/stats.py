"""`octet-lab stats`"""

from __future__ import annotations

import argparse
from typing import Any

from compiler.lab.cli.arguments import objective_of
from compiler.lab.cli.evaluated import add_evaluated_arguments, evaluated_lines, save
from compiler.lab.cli.tables import figure, print_table
from compiler.lab.experiments.stats import method_rows, order_rows, timing_rows
from compiler.lab.results import rows_of, tables_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_evaluated_arguments(parser)


def run(args: argparse.Namespace) -> None:
    objective = objective_of(args)
    lines = evaluated_lines(args)
    orders = order_rows(tables_of(lines), objective)
    methods = method_rows(rows_of(lines), objective)
    times = timing_rows(lines)
    print(f"orders, {objective} (mean over distinct orders, 95 % bootstrap interval)")
    _print(orders, "model", "orders", "meet", "programs", "default", "best", "mean", "low", "high")
    if methods:
        print(
            f"\nsearches against {methods[0]['reference']} (best found, paired by model and seed)"
        )
        _print(methods, "method", "pairs", "difference", "low", "high", "p", "p_holm")
    if times:
        print("\ntiming against the fastest (paired by round; noise floor by A/A)")
        _print(times, "model", "program", "median_us", "low_us", "high_us", "slower",
               "noise_floor", "p_holm", "above_noise")  # fmt: skip
    save(args, "stats", [*orders, *methods, *times])


def _print(rows: list[dict[str, Any]], *names: str) -> None:
    cells = [[_cell(name, row.get(name)) for name in names] for row in rows]
    print_table(names, cells)


def _cell(name: str, value: Any) -> str:
    return value[:12] if name == "program" else figure(value, 4)

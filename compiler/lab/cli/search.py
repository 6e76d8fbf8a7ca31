"""`octet-lab search`"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np

from compiler.lab.cli.arguments import (
    add_pass_arguments,
    add_run_arguments,
    add_space_arguments,
    labs,
    space_options,
)
from compiler.lab.cli.tables import figure, print_table
from compiler.lab.experiments.search import Found, run_search
from compiler.lab.lab import Lab, Outcome
from compiler.lab.metrics import METRICS
from compiler.lab.search import SEARCHES, Objective, search_named
from compiler.lab.timing import front, measure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    add_pass_arguments(parser)
    add_space_arguments(parser)
    group = parser.add_argument_group("search")
    group.add_argument(
        "--method", default="exhaustive", help=f"one of {', '.join(SEARCHES)} (default %(default)s)"
    )
    group.add_argument(
        "--budget", metavar="N", type=int, help="orders to evaluate (default: as many as there are)"
    )
    group.add_argument(
        "--objective",
        metavar="METRIC",
        default="sqnr_db",
        help=f"one of {', '.join(m.name for m in METRICS.values() if m.better)} "
        "(default %(default)s)",
    )
    group.add_argument(
        "--time",
        action="store_true",
        help="also measure the latency of the programs that none beats in modelled latency and "
        "SQNR",
    )


def run(args: argparse.Namespace) -> None:
    search, objective = search_named(args.method), Objective(args.objective)
    with labs(args) as made:
        for lab in made:
            space = lab.space(**space_options(args))
            start = time.perf_counter()
            found = run_search(lab, space, search, objective, budget=args.budget, seed=args.seed)
            lab.watcher.end()
            _report(lab, found, time.perf_counter() - start)
            if args.time:
                _print_times(measure(lab, front(lab.evaluations)))


def _report(lab: Lab, found: Found, seconds: float) -> None:
    outcomes, counts = found.outcomes, lab.counts
    statuses = Counter(outcome.status for outcome in outcomes)
    finals = {outcome.final for outcome in outcomes if outcome.final}
    results = {outcome.semantic for outcome in outcomes if outcome.semantic}
    shared = 1 - counts.taken / counts.steps if counts.steps else 0.0
    print(f"{lab.request.name}")
    print(f"  orders          {len(outcomes)}", end="")
    print(f" ({', '.join(f'{n} {status}' for status, n in statuses.items())})")
    print(f"  distinct IRs    {len({o.ir for o in outcomes if o.ir})} after the order, "
          f"{len(finals)} final")  # fmt: skip
    print(f"  distinct bits   {len(results)}")
    print(f"  steps           {counts.taken} taken of {counts.steps}: {shared:.2%} shared")
    print(f"  evaluations     {counts.evaluated}")
    print(f"  seconds         {seconds:.1f}")
    _print_programs(outcomes, found.default)


def _print_times(seconds: dict[str, list[float]]) -> None:
    rows = [
        (ir[:12], f"{np.median(measured) * 1e6:.1f}", f"{min(measured) * 1e6:.1f}", len(measured))
        for ir, measured in seconds.items()
    ]
    print_table(("program", "median us", "least us", "rounds"), rows)


def _print_programs(outcomes: list[Outcome], default: Outcome) -> None:
    """One row per distinct final program, with an order that gives it."""
    first: dict[str, Outcome] = {}
    orders: Counter[str] = Counter()
    for outcome in (*outcomes, default):
        if outcome.final is not None:
            first.setdefault(outcome.final, outcome)
    orders.update(outcome.final for outcome in outcomes if outcome.final is not None)
    names = ("sqnr_db", "agreement", "accuracy", "int8_macs", "latency_ns", "bytes_moved")
    rows = [
        (
            "*" if final == default.final else "",
            final[:12],
            orders[final],
            outcome.status,
            *(figure(outcome.metrics.get(name), 4 if name == "agreement" else 2) for name in names),
            " ".join(text.split("{")[0] for text in outcome.order),
        )
        for final, outcome in first.items()
    ]
    print_table(("default", "program", "orders", "status", *names, "an order"), rows)

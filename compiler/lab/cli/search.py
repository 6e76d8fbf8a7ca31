"""`octet-lab search`"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import Counter

import numpy as np

from compiler.lab.cli.arguments import (
    add_objective_arguments,
    add_pass_arguments,
    add_run_arguments,
    add_space_arguments,
    labs,
    objective_of,
    space_options,
)
from compiler.lab.cli.tables import figure, print_table
from compiler.lab.experiments.search import Found, run_search
from compiler.lab.lab import Lab, Outcome
from compiler.lab.objective import Objective
from compiler.lab.search import SEARCHES, search_named
from compiler.lab.timing import front, measure
from dialects.errors import OctetError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    add_pass_arguments(parser)
    add_space_arguments(parser)
    add_objective_arguments(parser)
    group = parser.add_argument_group("search")
    group.add_argument(
        "--method",
        metavar="NAME,..",
        default="exhaustive",
        help=f"one or more of {', '.join(SEARCHES)}, each with the whole budget "
        "(default %(default)s)",
    )
    group.add_argument(
        "--runs",
        metavar="N",
        type=int,
        default=1,
        help="repeat each with the seeds --seed, --seed + 1, .. (default 1)",
    )
    group.add_argument(
        "--budget", metavar="N", type=int, help="orders to evaluate (default: as many as there are)"
    )
    group.add_argument(
        "--from-scratch",
        action="store_true",
        help="do not begin with the default order: how good are the searches themselves",
    )
    group.add_argument(
        "--time",
        action="store_true",
        help="also measure the latency of the programs that none beats in modelled latency and "
        "SQNR",
    )


def run(args: argparse.Namespace) -> None:
    searches = [search_named(name.strip()) for name in args.method.split(",")]
    objective = objective_of(args)
    if args.runs < 1:
        raise OctetError(f"--runs {args.runs}: at least 1")
    several = len(searches) * args.runs > 1
    with labs(args) as made:
        for lab in made:
            space = lab.space(**space_options(args))
            for search, seed in itertools.product(searches, range(args.runs)):
                start = time.perf_counter()
                found = run_search(
                    lab, space, search, objective, budget=args.budget, seed=args.seed + seed,
                    from_scratch=args.from_scratch,
                )  # fmt: skip
                seconds = time.perf_counter() - start
                if several:
                    _print_run(search.name, args.seed + seed, found, objective, seconds)
                else:
                    _report(lab, found, seconds)
            if args.time:
                _print_times(measure(lab, front(lab.evaluations)))


def _print_run(method: str, seed: int, found: Found, objective: Objective, seconds: float) -> None:
    best = found.best.metrics.get(objective.metric) if found.best else None
    tried = len(found.outcomes)
    print(f"{method} (seed {seed}): best {figure(best, 4)} of {tried} orders, {seconds:.1f} s")


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

"""`octet-lab pairs`"""

from __future__ import annotations

import argparse
import time

from compiler.lab.cli.arguments import add_pass_arguments, add_run_arguments, labs
from compiler.lab.cli.tables import print_table
from compiler.lab.experiments.comparison import EPSILON, VERDICTS
from compiler.lab.experiments.pairs import PairResult, PairsResult, run_pairs
from compiler.lab.lab import Lab
from compiler.lab.sections import name_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    add_pass_arguments(parser)
    group = parser.add_argument_group("pairs")
    group.add_argument(
        "--contexts",
        metavar="N",
        type=int,
        default=4,
        help="orders of the other passes in which each pair is exchanged (default %(default)s)",
    )
    group.add_argument(
        "--epsilon",
        type=float,
        default=EPSILON,
        help="largest difference of outputs, relative to the greatest, that counts as none "
        "(default %(default)g)",
    )


def run(args: argparse.Namespace) -> None:
    with labs(args) as made:
        for lab in made:
            start = time.perf_counter()
            found = run_pairs(lab, contexts=args.contexts, seed=args.seed, epsilon=args.epsilon)
            lab.watcher.end()
            _report(lab, found, time.perf_counter() - start)


def _report(lab: Lab, found: PairsResult, seconds: float) -> None:
    print(f"{lab.request.name}: {len(found.pairs)} pairs in {seconds:.1f} s")
    print_table(
        ("a", "b", "verdict", *VERDICTS, "influence"),
        [
            (
                name_of(pair.a),
                name_of(pair.b),
                pair.verdict,
                *(pair.verdicts[verdict] or "" for verdict in VERDICTS),
                _influence(pair),
            )
            for pair in found.pairs
        ],
    )
    for text, (same, contexts) in found.idempotent.items():
        if same < contexts:
            print(f"{name_of(text)} changes its own output in {contexts - same} of {contexts}")


def _influence(pair: PairResult) -> str:
    a, b = name_of(pair.a), name_of(pair.b)
    said = (
        (pair.enables, f"{a} enables {b}"),
        (pair.disables, f"{a} disables {b}"),
        (pair.enabled_by, f"{b} enables {a}"),
        (pair.disabled_by, f"{b} disables {a}"),
    )
    return ", ".join(f"{text} ({count})" for count, text in said if count)

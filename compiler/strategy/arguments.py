"""The options of `compile` about strategies."""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.strategy.request import OPTIONS, STRATEGIES, Strategy, strategy_of


def add_strategy_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "strategy",
        "how precisions are chosen; --strategy auto measures placements and exits with code 3 if "
        "none is within the budget",
    )
    group.add_argument(
        "--strategy",
        metavar="|".join(STRATEGIES),
        help="rules: only what rules ask for leaves float; all: everything the target can do in "
        "int8 (default); auto: the fastest placement within a budget",
    )
    group.add_argument(
        "--max-drop",
        metavar="POINTS",
        type=float,
        help="auto: top-1 on the evaluation data falls by at most so many points",
    )
    group.add_argument(
        "--min-sqnr",
        metavar="DB",
        type=float,
        help="auto: signal to quantization noise of every output is at least so many dB",
    )
    group.add_argument(
        "--min-agreement",
        metavar="SHARE",
        type=float,
        help="auto: at least this share of samples, 0 to 1, keeps the float program's top-1",
    )
    group.add_argument(
        "--evaluation-data",
        metavar="DATA.npz",
        help="auto: one array per input and, for --max-drop, 'labels'; by default samples are "
        "held out of the calibration data",
    )
    group.add_argument("--seed", type=int, metavar="N", help="auto: of the search (default 0)")
    group.add_argument(
        "--max-evaluations",
        type=int,
        metavar="N",
        help="auto: placements measured at most (default 400)",
    )
    group.add_argument(
        "--time-limit",
        type=float,
        metavar="SECONDS",
        help="auto: try nothing new after so long; the result then depends on the machine's speed",
    )
    group.add_argument(
        "--strategy-state",
        metavar="FOLDER",
        help="auto: log and results; a search that was stopped goes on from it (default: the "
        "output's name with .search)",
    )
    group.add_argument(
        "--jobs", type=int, metavar="N", help="auto: placements measured at a time (default 1)"
    )


def strategy_from(args: argparse.Namespace, output: str | None) -> Strategy:
    """The strategy the command line asks for. `output` is where the program goes, which names
    the folder of a search."""
    options = {name: getattr(args, name) for name in OPTIONS}
    if args.strategy == "auto" and options["strategy_state"] is None:
        base = Path(Path(args.model).name) if output in (None, "-") else Path(output)
        options["strategy_state"] = base.with_suffix(".search")
    return strategy_of(args.strategy, options)

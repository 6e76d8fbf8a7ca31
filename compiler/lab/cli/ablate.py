"""`octet-lab ablate`"""

from __future__ import annotations

import argparse

from compiler.lab.cli.arguments import (
    add_objective_arguments,
    add_pass_arguments,
    add_run_arguments,
    labs,
    objective_of,
)
from compiler.lab.cli.evaluated import shortened
from compiler.lab.cli.tables import figure, print_table
from compiler.lab.experiments.ablate import SHARE, Ablation, run_ablation
from compiler.lab.lab import Lab
from compiler.lab.objective import Objective
from compiler.lab.record import Line, write_csv
from compiler.lab.results import tables_of
from compiler.lab.sections import name_of
from compiler.lab.space import Order
from compiler.lab.variants import split_passes, variants_of
from dialects.errors import OctetError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    add_pass_arguments(parser)
    add_objective_arguments(parser)
    group = parser.add_argument_group("ablate")
    group.add_argument(
        "--order",
        metavar="A,B,..",
        help="the order to explain (default: the best in the record, by a search before)",
    )
    group.add_argument(
        "--base", metavar="A,B,..", help="what it is compared with (default: the default order)"
    )
    group.add_argument(
        "--share",
        type=float,
        default=SHARE,
        help="part of the difference that the pairs have to account for (default %(default)g)",
    )
    group.add_argument(
        "--ignore-contracts", action="store_true", help="illegal orders may be tried too"
    )


def run(args: argparse.Namespace) -> None:
    if not 0 < args.share <= 1:
        raise OctetError(f"--share {args.share:g}: above 0 and at most 1")
    objective = objective_of(args)
    lines: list[Line] = []
    with labs(args) as made:
        for lab in made:
            default = lab.subject.sections.default
            other = _order(args.order, default) if args.order else _best(lab, objective)
            base = _order(args.base, default) if args.base else default
            _report(lab, run_ablation(lab, base, other, objective, share=args.share), objective)
            lines = [line for line in lab.record if line["kind"] == "ablation"]
    write_csv(lines, args.output.with_name(f"{args.output.stem}.ablate.csv"))


def _order(text: str, default: Order) -> Order:
    """An order from the command line; passes without options have those of the default order."""
    known = {name_of(one): one for one in default}
    return tuple(known.get(one.strip()) or variants_of(one).texts[0] for one in split_passes(text))


def _best(lab: Lab, objective: Objective) -> Order:
    """The best recorded order of the passes of the default. Raises OctetError without one."""
    passes = sorted(lab.subject.sections.default)
    lines = [
        line for line in lab.record if line["kind"] == "order" and line["run_id"] == lab.run_id
    ]
    rows = tables_of(lines)[lab.request.name].rows if lines else ()
    rows = [row for row in rows if sorted(row.order) == passes and objective.meets(row)]
    if not rows:
        raise OctetError(
            f"{lab.request.name}: the record has no evaluated order of these passes; run "
            "`octet-lab search` with the same options first, or give --order"
        )
    return max(rows, key=objective.score).order


def _report(lab: Lab, found: Ablation, objective: Objective) -> None:
    metric = objective.metric
    print(f"{lab.request.name}: {len(found.critical)} of {len(found.differing)} pairs account for "
          f"{found.share:.0%} of the difference, {found.tried} orders tried")  # fmt: skip
    rows = [
        (what, figure(one.metrics.get(metric), 4), shortened(one.order))
        for what, one in (
            ("base", found.base),
            ("order", found.other),
            ("minimal", found.minimal),
            *(
                (f"{name_of(a)} before {name_of(b)}", one)
                for (a, b), one in zip(found.critical, found.alone, strict=True)
            ),
        )
    ]
    print_table(("", metric, "passes"), rows)

"""`octet-lab passes`"""

from __future__ import annotations

import argparse
import json

from compiler.lab.cli.tables import print_table
from compiler.lab.contracts import contracts, names_of
from passes.facts import FACTS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--facts", action="store_true", help="what the facts mean, instead")


def run(args: argparse.Namespace) -> None:
    if args.facts:
        _print_facts(args.json)
        return
    rows = {
        name: {
            "requires": names_of(contract.requires),
            "establishes": names_of(contract.establishes),
            "invalidates": names_of(contract.invalidates),
            "numerics": contract.numerics.value,
            "reads_data": contract.reads_data,
        }
        for name, contract in contracts().items()
    }
    if args.json:
        print(json.dumps(rows, indent=2))
        return
    print_table(
        ("pass", "requires", "establishes", "invalidates", "changes results"),
        [
            (
                name,
                *(" ".join(map(str, row[what])) or "-" for what in  # pyright: ignore[reportArgumentType]
                  ("requires", "establishes", "invalidates")),
                f"{row['numerics']}{', by data' if row['reads_data'] else ''}",
            )
            for name, row in rows.items()
        ],
    )  # fmt: skip


def _print_facts(as_json: bool) -> None:
    if as_json:
        print(json.dumps({fact.name: fact.meaning for fact in FACTS}, indent=2))
    else:
        print_table(("fact", "what holds"), [(fact.name, fact.meaning) for fact in FACTS])

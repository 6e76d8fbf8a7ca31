"""`octet-lab export`"""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.lab.record import read_record, write_csv
from dialects.errors import OctetError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("record", metavar="RUNS.jsonl", type=Path)
    parser.add_argument("--kind", help="only lines of this kind: run, step, evaluation, order, ...")
    parser.add_argument("-o", "--output", metavar="OUT.csv", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    lines = read_record(args.record)
    kinds = list(dict.fromkeys(line["kind"] for line in lines))
    if args.kind is not None and args.kind not in kinds:
        raise OctetError(f"{args.record}: no line of kind '{args.kind}'; it has {', '.join(kinds)}")
    chosen = [line for line in lines if args.kind in (None, line["kind"])]
    write_csv(chosen, args.output)
    print(f"{args.output}: {len(chosen)} lines")

"""`octet-lab replay`"""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.lab.cli.arguments import note
from compiler.lab.difference import line_at
from compiler.lab.record import read_record
from compiler.lab.replay import Replayer, sampled
from dialects.errors import OctetError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("record", metavar="RUNS.jsonl", type=Path)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--line", metavar="N", help="this line, by number or id (default: all)")
    which.add_argument("--sample", metavar="N", type=int, help="so many lines by chance")
    parser.add_argument("--seed", type=int, default=0, help="of --sample (default 0)")


def run(args: argparse.Namespace) -> None:
    lines = read_record(args.record)
    if args.line is not None:
        line = line_at(lines, args.line)
        chosen = [(lines.index(line) + 1, line)]
    elif args.sample is not None:
        chosen = sampled(lines, args.sample, args.seed)
    else:
        chosen = list(enumerate(lines, 1))
    replayer = Replayer(lines)
    failed = 0
    for number, line in chosen:
        mismatches = replayer.replay(line)
        failed += bool(mismatches)
        for mismatch in mismatches:
            print(f"{args.record}:{number}: {mismatch}")
    for text in replayer.notes():
        note(text)
    print(f"{len(chosen) - failed} of {len(chosen)} lines replayed to the same")
    if failed:
        raise OctetError(f"{args.record}: {failed} of {len(chosen)} lines do not hold")

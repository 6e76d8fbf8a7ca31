"""`octet-lab diff`"""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.lab.difference import ir_difference, line_at, program_of
from compiler.lab.record import read_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("record", metavar="RUNS.jsonl", type=Path)
    parser.add_argument("a", metavar="A", help="a line, by number or by the beginning of its id")
    parser.add_argument("b", metavar="B", help="another one")
    parser.add_argument(
        "--context", metavar="N", type=int, default=1, help="equal lines around (default 1)"
    )


def run(args: argparse.Namespace) -> int:
    lines = read_record(args.record)
    chosen = [line_at(lines, where) for where in (args.a, args.b)]
    texts = [program_of(lines, line) for line in chosen]
    names = (chosen[0]["pipeline"], chosen[1]["pipeline"])
    text = ir_difference(texts[0], texts[1], names, args.context)
    if text:
        print(text)
    return 1 if text else 0

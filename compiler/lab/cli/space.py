"""`octet-lab space`"""

from __future__ import annotations

import argparse
import itertools
import random

from compiler.lab.cli.arguments import add_pass_arguments, add_space_arguments, space_options
from compiler.lab.contracts import names_of
from compiler.lab.sections import sections
from compiler.lab.space import Space


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_pass_arguments(parser)
    add_space_arguments(parser)
    parser.add_argument("--list", action="store_true", help="the orders, one a line")
    parser.add_argument(
        "--limit", metavar="N", type=int, help="with --list: only the first N of them"
    )
    parser.add_argument("--sample", metavar="N", type=int, help="N orders by chance, one a line")
    parser.add_argument("--seed", type=int, default=0, help="of --sample (default 0)")


def run(args: argparse.Namespace) -> None:
    cut = sections(args.passes, args.anchors, args.start, args.until)
    options = {"start": cut.facts(), **space_options(args)}
    space = Space.of(cut.passes, anchors=args.anchors, tail=cut.tail, **options)
    if args.list:
        for order in itertools.islice(space.orders(), args.limit):
            print(",".join(order))
    elif args.sample is not None:
        source = random.Random(args.seed)
        for _ in range(args.sample):
            print(",".join(space.random_order(source)))
    else:
        _print_counts(space, cut.passes)


def _print_counts(space: Space, passes: tuple[str, ...]) -> None:
    every = Space(
        space.items, space.anchors, repeat=space.repeat, subsets=space.subsets, tail=space.tail
    )
    print(f"passes       {', '.join(passes)}")
    if space.anchors:
        print(f"anchors      {', '.join(item.name for item in space.anchors)}")
    if space.start is not None:
        print(f"facts        {', '.join(names_of(space.start))}")
    print(f"orders       {every.count()}")
    print(f"legal        {space.count()}")

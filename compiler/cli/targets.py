"""The options of `compile` about targets: --list-targets, --print-target."""

from __future__ import annotations

import argparse
import sys


def add_target_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--target", metavar="T", help="a target's name, or a .toml file (default host)"
    )
    parser.add_argument(
        "--list-targets", action="store_true", help="print the targets, what each is for; end"
    )
    parser.add_argument(
        "--print-target",
        metavar="T",
        help="print a target as a whole .toml file, to save, edit and give to --target; end",
    )


def run_target_command(args: argparse.Namespace) -> bool:
    """Prints what was asked for; False if nothing was."""
    from compiler.targets import load_target, resolved_table, target_names
    from compiler.targets.printing import as_list, as_toml

    if args.list_targets:
        sys.stdout.write(as_list([load_target(name) for name in target_names()]))
        return True
    if args.print_target is not None:
        sys.stdout.write(as_toml(resolved_table(args.print_target)))
        return True
    return False

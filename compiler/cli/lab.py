"""`octet-lab`: in which order should passes run, does it matter, and why."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

from compiler.cli.errors import run_tool
from compiler.lab.cli import COMMANDS
from compiler.version import __version__

EXAMPLES = """\
examples:
  octet-lab passes
  octet-lab space --passes insert-qdq,unify-scales,propagate-qdq --subsets
  octet-lab pairs model.onnx --calibration-data inputs.npz --output runs.jsonl --workers 2
  octet-lab search model.onnx --method random --budget 200 --output runs.jsonl
  octet-lab replay runs.jsonl --sample 50
"""


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser; only the arguments of the chosen command are filled in."""
    parser = argparse.ArgumentParser(
        prog="octet-lab",
        description="A laboratory for the order of compiler passes.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"octet {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
        )
        if name == chosen:
            module = import_module(f"compiler.lab.cli.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def run(arguments: list[str]) -> int | None:
    """Runs the tool; exceptions are the caller's."""
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    args = build_parser(chosen).parse_args(arguments)
    return args.run(args)


def main(arguments: list[str] | None = None) -> int:
    """The console command: `run` with errors as one line; returns the exit code."""
    return run_tool("octet-lab", run, arguments)


if __name__ == "__main__":
    sys.exit(main())

"""Arguments that several commands share, and the labs they describe."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from compiler.lab.engine import Rules
from compiler.lab.failures import Failures
from compiler.lab.lab import Lab
from compiler.lab.progress import bars
from compiler.lab.record import opened
from compiler.lab.sections import START, UNTIL
from compiler.lab.subject import SubjectRequest
from compiler.lab.variants import split_passes
from compiler.lab.workers import workers_of
from compiler.targets import HOST
from dialects.errors import OctetError


def add_pass_arguments(parser: argparse.ArgumentParser) -> None:
    """What is reordered."""
    group = parser.add_argument_group("passes")
    group.add_argument(
        "--passes",
        metavar="A,B,..",
        type=split_passes,
        default=[],
        help="the passes to reorder, options in braces, alternatives with |: "
        "insert-qdq,correct-bias{samples=0|64} (default: those of the stages --from to --until)",
    )
    group.add_argument(
        "--anchors",
        metavar="A,B,..",
        type=split_passes,
        default=[],
        help="passes that all occur in this order, others between them",
    )
    group.add_argument(
        "--from",
        dest="start",
        metavar="STAGE",
        default=START,
        help="the stage in which reordering begins (default %(default)s)",
    )
    group.add_argument(
        "--until",
        metavar="STAGE",
        default=UNTIL,
        help="the last stage whose passes are reordered if none are named (default %(default)s)",
    )


def add_space_arguments(parser: argparse.ArgumentParser) -> None:
    """Which orders are legal."""
    group = parser.add_argument_group("space")
    group.add_argument(
        "--after",
        metavar="A:B",
        action="append",
        default=[],
        help="A stands after B; may be given several times",
    )
    group.add_argument(
        "--repeat", metavar="K", type=int, default=1, help="passes may occur up to K times"
    )
    group.add_argument("--subsets", action="store_true", help="passes may be left out")
    group.add_argument(
        "--ignore-contracts",
        action="store_true",
        help="also orders in which a pass runs where something it requires does not hold",
    )


def add_run_arguments(parser: argparse.ArgumentParser, *, output: bool = True) -> None:
    """Models, data, and how to run."""
    parser.add_argument(
        "models", metavar="MODEL", nargs="+", type=Path, help="a .onnx model or .mlir text"
    )
    parser.add_argument(
        "--output",
        metavar="RUNS.jsonl",
        type=Path,
        required=output,
        help="the record; a run that was interrupted goes on where it ended",
    )
    parser.add_argument(
        "--calibration-data",
        metavar="DATA",
        action="append",
        default=[],
        help="representative inputs, a .npz or a folder: once per model in order, - for none "
        "(default: random inputs)",
    )
    parser.add_argument(
        "--evaluation-data",
        metavar="DATA.npz",
        action="append",
        default=[],
        help="inputs to measure on, with 'labels' or without, likewise (default: the calibration "
        "data)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of all chance (default 0)")
    parser.add_argument(
        "--workers", metavar="N", type=int, default=1, help="processes (default 1: this one)"
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run on this Dask cluster instead")
    parser.add_argument("--target", default=HOST, help="what to compile for (default %(default)s)")
    parser.add_argument("--recipe", metavar="FILE", help="rules and settings, as for compile")
    parser.add_argument(
        "--step-timeout",
        metavar="SECONDS",
        type=float,
        default=120.0,
        help="a pass or an evaluation that takes longer has failed (default %(default)g)",
    )
    parser.add_argument(
        "--verify-each",
        choices=("structure", "numeric"),
        default="structure",
        help="numeric: after each pass also that it keeps its promise about results",
    )


def requests_of(args: argparse.Namespace) -> list[SubjectRequest]:
    """The subjects that the command line names. Raises OctetError for data that match none."""
    calibration = _per_model(args.calibration_data, args.models, "--calibration-data")
    evaluation = _per_model(args.evaluation_data, args.models, "--evaluation-data")
    options = (("recipe", args.recipe),) if args.recipe else ()
    return [
        SubjectRequest(
            model,
            data,
            labelled,
            args.seed,
            tuple(getattr(args, "passes", ())),
            tuple(getattr(args, "anchors", ())),
            getattr(args, "start", START),
            getattr(args, "until", UNTIL),
            args.target,
            options,
        )
        for model, data, labelled in zip(args.models, calibration, evaluation, strict=True)
    ]


def _per_model(given: list[str], models: list[Path], flag: str) -> list[str | None]:
    if given and len(given) != len(models):
        raise OctetError(
            f"{flag}: given {len(given)} times for {len(models)} models; give it once per model, "
            "in their order, - for none"
        )
    return [None if text == "-" else text for text in given] or [None] * len(models)


def rules_of(args: argparse.Namespace) -> Rules:
    ignored = getattr(args, "ignore_contracts", False)
    return Rules("ignore" if ignored else "check", args.verify_each == "numeric", args.step_timeout)


@contextmanager
def labs(args: argparse.Namespace) -> Iterator[Iterator[Lab]]:
    """A lab for each model, one after another, writing to one record."""
    requests = requests_of(args)
    with ExitStack() as stack:
        record = stack.enter_context(opened(args.output))
        workers = workers_of(args.workers, args.scheduler)
        stack.callback(workers.close)
        watcher = stack.enter_context(bars())
        failures = None if args.output is None else Failures(failures_folder(args.output))

        def made() -> Iterator[Lab]:
            for request in requests:
                if request.calibration is None:
                    note(
                        f"{request.model}: no calibration data: random inputs from seed "
                        f"{request.seed}; figures about accuracy say little"
                    )
                watcher.title(request.name)
                yield Lab(
                    request,
                    rules_of(args),
                    workers=workers,
                    record=record,
                    failures=failures,
                    watcher=watcher,
                )

        yield made()


def failures_folder(output: Path) -> Path:
    """Where the reproducers of a record's failures are."""
    return output.with_suffix(".failures")


def space_options(args: argparse.Namespace) -> dict[str, Any]:
    """`Lab.space` options that the command line gives."""
    options: dict[str, Any] = {
        "after": tuple(_constraint(text) for text in args.after),
        "repeat": args.repeat,
        "subsets": args.subsets,
    }
    if args.ignore_contracts:
        options["start"] = None
    return options


def _constraint(text: str) -> tuple[str, str]:
    left, colon, right = text.partition(":")
    if not colon or not left or not right:
        raise OctetError(f"--after {text}: expected A:B, two names of passes")
    return left, right


def note(text: str) -> None:
    print(f"octet-lab: note: {text}", file=sys.stderr)

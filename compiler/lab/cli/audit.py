"""`octet-lab audit`"""

from __future__ import annotations

import argparse
import json

from compiler.lab.audit import MEANINGS, Report, run_audit
from compiler.lab.cli.arguments import add_pass_arguments, add_run_arguments, note, requests_of
from compiler.lab.contracts import contracts
from compiler.lab.subject import Subject
from dialects.errors import OctetError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser, output=False)
    add_pass_arguments(parser)
    group = parser.add_argument_group("audit")
    group.add_argument(
        "--orders", metavar="N", type=int, default=8, help="legal orders by chance (default 8)"
    )
    group.add_argument(
        "--walks", metavar="N", type=int, default=8,
        help="walks by chance through all passes (default 8)",
    )  # fmt: skip
    group.add_argument(
        "--no-numerics", action="store_true", help="leave promises about results unchecked"
    )
    group.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> None:
    reports: dict[str, Report] = {}
    for request in requests_of(args):
        subject = Subject.open(request)
        reports[request.name] = run_audit(
            subject,
            orders=args.orders,
            walks=args.walks,
            seed=args.seed,
            numeric=not args.no_numerics,
        )
    if args.json:
        _print_json(reports)
    else:
        _print_text(reports)
    found = sum(len(report.disagreements) for report in reports.values())
    if found:
        raise OctetError(f"{found} declarations do not agree with what passes do")


def _print_json(reports: dict[str, Report]) -> None:
    entries = {
        model: {
            "steps": report.steps,
            "disagreements": [vars(one) for one in report.disagreements],
        }
        for model, report in reports.items()
    }
    print(json.dumps(entries, indent=2))


def _print_text(reports: dict[str, Report]) -> None:
    for model, report in reports.items():
        print(f"{model}: {report.steps} steps, {len(report.disagreements)} disagreements")
        for one in report.disagreements:
            print(f"\n{one.name}: {MEANINGS[one.kind]}")
            print(f"  {one.fact}: {one.detail}" if one.fact else f"  {one.detail}")
            print(f"  after: {', '.join(text.split('{')[0] for text in one.path) or '(nothing)'}")
            print(f"  pass: {one.text}")
            print("".join(f"    {line}\n" for line in one.ir.splitlines()), end="")
    _note_unobserved(list(reports.values()))


def _note_unobserved(reports: list[Report]) -> None:
    """Says which declared invalidations none of these models showed."""
    seen = {key for report in reports for key in report.invalidated}
    for name, contract in contracts().items():
        unseen = sorted(f.name for f in contract.invalidates if (name, f.name) not in seen)
        if unseen:
            note(f"{name} was not seen to invalidate {', '.join(unseen)}")

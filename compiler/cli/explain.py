"""What `compile` says about placement: `--explain`, `--require`, and `compile diff`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def add_explain_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("explaining")
    group.add_argument(
        "--explain",
        choices=("table", "json"),
        help="print the precision of each op and why; without -o, nothing is written",
    )
    group.add_argument(
        "--require",
        metavar="PRECISION=SELECTOR",
        action="append",
        default=[],
        help="fail if an op that the selector names does not end at that precision (int8, bf16, "
        "f16, f32) in the final program; may be given several times",
    )


def requirement_settings(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """`--require int8=name:a` as settings of the pass `require-precision`, for `pass_options`."""
    from dialects.errors import OctetError
    from dialects.nn.attributes import Precision

    settings: dict[str, tuple[str, ...]] = {}
    known = [precision.value for precision in Precision]
    for text in texts:
        precision, equals, selector = text.partition("=")
        if precision not in known or not equals or not selector:
            raise OctetError(
                f"--require {text}: expected PRECISION=SELECTOR, such as int8=type:conv, with one "
                f"of {', '.join(known)}"
            )
        key = f"require-precision.{precision}"
        settings[key] = (*settings.get(key, ()), selector)
    return settings

"""The options of `compile` that set options of passes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

QUANTIZATION = "quantization"
CORRECTIONS = "corrections"
GROUPS = {
    "calibrate": "calibration",
    "place-precision": "placement",
    "equalize-channels": CORRECTIONS,
    "smooth-activations": CORRECTIONS,
    "clip-outliers": CORRECTIONS,
    "correct-bias": CORRECTIONS,
    "round-adaptively": CORRECTIONS,
}
"""Under which heading of the help the settings of a pass stand, if not under `QUANTIZATION`."""


def add_setting_arguments(
    parser: argparse.ArgumentParser, groups: Mapping[str, argparse._ArgumentGroup]
) -> None:
    """Adds them to the groups that are there, by heading, and to two of their own."""
    from compiler.options import PASS_OPTIONS

    groups = {
        **groups,
        QUANTIZATION: parser.add_argument_group(QUANTIZATION),
        CORRECTIONS: parser.add_argument_group(
            CORRECTIONS, "What int8 loses, made less with calibration data: docs/accuracy.md."
        ),
    }
    for option in PASS_OPTIONS:
        group = groups[GROUPS.get(option.pass_name, QUANTIZATION)]
        if option.boolean:
            group.add_argument(
                option.flag,
                action=argparse.BooleanOptionalAction,
                default=None,
                help=option.help,
            )
        elif option.many:
            group.add_argument(
                option.flag,
                metavar="A,B",
                action="append",
                default=None,
                help=option.help + "; may be given several times",
            )
        else:
            group.add_argument(
                option.flag,
                metavar="|".join((*option.choices, "N") if option.number else option.choices)
                or "N",
                default=None,
                help=option.help.replace("%", "%%"),
            )
    groups[QUANTIZATION].add_argument(
        "--pass-option",
        metavar="PASS.OPTION=VALUE",
        action="append",
        default=[],
        help="set any option of any pass of the stages, such as calibrate.bins=512; may be given "
        "several times",
    )


def setting_options(args: argparse.Namespace) -> dict[str, Any]:
    """The compile options of these flags that were given."""
    from compiler.options import PASS_OPTIONS, values_from_text
    from dialects.errors import OctetError

    options: dict[str, Any] = {}
    for option in PASS_OPTIONS:
        given = getattr(args, option.name)
        if given is None:
            continue
        if option.many:
            options[option.name] = tuple(name for text in given for name in text.split(","))
        elif option.number:
            values = values_from_text(given)
            options[option.name] = values[0] if len(values) == 1 else given
        else:
            options[option.name] = given
    settings: dict[str, Any] = {}
    for text in args.pass_option:
        key, equals, value = text.partition("=")
        if not equals:
            raise OctetError(f"--pass-option {text}: expected PASS.OPTION=VALUE")
        settings[key] = values_from_text(value)
    if settings:
        options["pass_options"] = settings
    return options

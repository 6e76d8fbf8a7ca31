"""The options of `compile` that say which ops compute in which precision, and how."""

from __future__ import annotations

import argparse
from typing import Any


def add_recipe_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds them as a group of their own, and returns it."""
    from compiler.recipes.flags import PRODUCTS, RULE_OPTIONS

    group = parser.add_argument_group(
        "placement",
        "Rules, of which the last that matches an op wins: those of files, then those of flags, in "
        "the order below.",
    )
    for flag, metavar, text in (
        ("--recipe", "R.toml", "rules and settings from a file: docs/recipes.md"),
        ("--tensor-quant-overrides", "T.json", "ONNX Runtime's TensorQuantOverrides"),
        ("--ignored-scope", "S.json", "NNCF's IgnoredScope"),
    ):
        group.add_argument(flag, metavar=metavar, default=None, help=text)
    for option in RULE_OPTIONS:
        bare: dict[str, Any] = (
            {"nargs": "?", "const": PRODUCTS} if option.format == "dynamic" else {}
        )
        group.add_argument(
            option.flag,
            metavar=option.metavar,
            **bare,
            action="append",
            default=None,
            help=option.help + "; may be given several times",
        )
    group.add_argument(
        "--print-recipe",
        action="store_true",
        help="print the effective recipe, files and flags together; without -o, that is all",
    )
    return group


def recipe_options(args: argparse.Namespace) -> dict[str, Any]:
    """The compile options of these flags that were given."""
    from compiler.recipes.flags import RULE_OPTIONS
    from compiler.recipes.sources import FILE_OPTIONS

    options = {name: given for name in FILE_OPTIONS if (given := getattr(args, name)) is not None}
    for option in RULE_OPTIONS:
        texts = getattr(args, option.name)
        if texts is not None:
            options[option.name] = tuple(item for text in texts for item in option.split(text))
    return options

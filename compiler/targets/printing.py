"""Targets as text: the table of `--list-targets`, the TOML of `--print-target`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from compiler.targets.layers import Table
from dialects.target import Target


def as_list(targets: Sequence[Target]) -> str:
    """A line for each: name, instruction set, description."""
    names = max(len(target.name) for target in targets)
    isas = max(len(target.isa) for target in targets)
    return "".join(
        f"{target.name:{names}}  {target.isa:{isas}}  {target.description}\n" for target in targets
    )


def as_toml(table: Table) -> str:
    """Strings, numbers, lists and tables as TOML; tables within tables stand on one line."""
    lines = [f"{key} = {_value(value)}" for key, value in table.items() if type(value) is not dict]
    for key, value in table.items():
        if type(value) is dict:
            inner = cast(Table, value)
            lines += ["", f"[{key}]", *(f"{name} = {_value(inner[name])}" for name in inner)]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        entries = cast(Table, value).items()
        return "{ " + ", ".join(f"{key} = {_value(each)}" for key, each in entries) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, cast(list[Any], value)))}]"
    return json.dumps(value, ensure_ascii=False)

"""How the programs of two recorded lines differ, as a diff of their IR."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from compiler.lab.hashing import normal_form
from compiler.lab.lab import Lab
from compiler.lab.provenance import request_of
from compiler.lab.record import Line
from compiler.lab.space import Order
from dialects.errors import OctetError
from runtime.artifact import program_text


def line_at(lines: Sequence[Line], where: str) -> Line:
    """A line by its number, from 1, or by the beginning of its id."""
    if where.isdecimal() and 1 <= int(where) <= len(lines):
        return lines[int(where) - 1]
    found = [line for line in lines if line["id"].startswith(where)]
    if len(found) != 1:
        raise OctetError(
            f"'{where}' is neither a number from 1 to {len(lines)} nor the beginning of "
            f"{'one id only' if found else 'an id'}"
        )
    return found[0]


def program_of(lines: Sequence[Line], line: Line) -> str:
    """The IR that a line of kind step, order or evaluation is about."""
    path = line.get("path")
    if not isinstance(path, list) or not path:
        raise OctetError(f"line {line['id']} of kind '{line['kind']}' is about no single program")
    run = next(
        (one["run"] for one in lines if one["kind"] == "run" and one["id"] == line["run_id"]), None
    )
    if run is None:
        raise OctetError(f"the record has no line of kind 'run' for {line['run_id']}")
    return text_at(Lab(*request_of(run)), tuple(path))


def text_at(lab: Lab, path: Order) -> str:
    """The IR behind `path`. Raises OctetError if a pass on the way fails."""
    ir, failed, step = lab.follow_or_walk(path)
    if ir is None:
        assert step is not None
        raise OctetError(f"{failed} fails: {step.status}, {step.error}")
    return program_text(normal_form(lab.engine.module_at(path)))


def ir_difference(left: str, right: str, names: tuple[str, str], context: int = 1) -> str:
    """A unified diff of two programs. Values are numbered by position, so one op more shifts the
    numbers behind it."""
    lines = difflib.unified_diff(
        left.splitlines(), right.splitlines(), *names, lineterm="", n=context
    )
    return "\n".join(lines)

"""A call of a function, while it is translated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from llvmlite import ir

from runtime.translation.source import Definition


class Place(NamedTuple):
    """A variable in memory."""

    kind: Any
    pointer: Any
    suite: int
    """Where it was first assigned: there it may become a variable of another type."""


class Loop(NamedTuple):
    again: ir.Block
    end: ir.Block


@dataclass
class Activation:
    """One call of a function, as it is translated."""

    definition: Definition
    free: dict[str, Any]
    globals: dict[str, Any]
    names: dict[str, Any] = field(default_factory=dict)
    returns: list[tuple[Any, ir.Block]] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)

"""What a selector is made of. Every part knows where in the text it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

Pick = int | slice
"""A subscript, as Python's: `[0]`, `[-1]`, `[1:]`, `[3:17]`, `[::2]`."""

EVERYTHING = slice(None)


_T = TypeVar("_T")


def picked(items: Sequence[_T], pick: Pick) -> Sequence[_T]:
    """What a subscript picks; nothing where an index is out of range."""
    if isinstance(pick, slice):
        return items[pick]
    return [items[pick]] if -len(items) <= pick < len(items) else []


@dataclass(frozen=True)
class Node:
    start: int
    end: int


@dataclass(frozen=True)
class Matching(Node):
    """`type:`, `name:`, `glob:`, `re:` and `pdl:`; the argument stands behind the colon."""

    kind: Literal["type", "name", "glob", "re", "pdl"]
    argument: str
    argument_start: int


@dataclass(frozen=True)
class Index(Node):
    """`index:[3:17]`, or `index:conv[0]`, which counts the ops of one type."""

    type: str | None
    pick: Pick


@dataclass(frozen=True)
class Ends(Node):
    """`first(2)` and `last(2)`; of an operand, or of all ops that compute."""

    name: Literal["first", "last"]
    count: int
    operand: Selector | None


@dataclass(frozen=True)
class Between(Node):
    source: Selector
    sink: Selector


@dataclass(frozen=True)
class Neighbours(Node):
    name: Literal["users", "producers"]
    operand: Selector


@dataclass(frozen=True)
class Step(Node):
    """One op of a pattern: any of these types, or any type at all if there are none."""

    types: tuple[str, ...]


@dataclass(frozen=True)
class Pattern(Node):
    """`pattern(conv->relu->conv)[matches, steps]`."""

    steps: tuple[Step, ...]
    matches: Pick
    picked_steps: Pick


@dataclass(frozen=True)
class Not(Node):
    operand: Selector


@dataclass(frozen=True)
class And(Node):
    operands: tuple[Selector, ...]


@dataclass(frozen=True)
class Or(Node):
    operands: tuple[Selector, ...]


Selector = Matching | Index | Ends | Between | Neighbours | Pattern | Not | And | Or

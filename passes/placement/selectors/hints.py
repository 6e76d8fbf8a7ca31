"""What the user may have meant: ends of error messages for selectors that match nothing."""

from __future__ import annotations

import difflib
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from dialects.nn.base import NnOp
from passes.placement.selectors.graph import part_types
from passes.placement.selectors.types import canonical_type, spellings

_COMPARED = 5_000
"""Names that a mistyped one is compared with; each comparison takes tens of microseconds."""
_LENGTH = 200
"""Characters of a name that are compared and shown."""


def near(wanted: str, known: Iterable[str]) -> str:
    """`; nearest: ...` with the names of `known` closest to `wanted`, or what there is."""
    distinct = dict.fromkeys(name[:_LENGTH] for name in known)
    names = list(itertools.islice(distinct, _COMPARED))
    close = difflib.get_close_matches(wanted[:_LENGTH], names, n=5, cutoff=0.4)
    if close:
        return f"; nearest: {', '.join(close)}"
    if not names:
        return "; no op of this program has a name"
    return f"; there are {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"


def near_type(wanted: str, ops: Sequence[NnOp]) -> str:
    """What to write in place of a type that no op has."""
    name = canonical_type(wanted)
    fused = Counter(op.mnemonic for op in ops if name in part_types(op)[1:])
    if fused:
        hosts = ", ".join(f"{count} in {host}" for host, count in fused.items())
        return f": it is fused into other ops ({hosts}), which pattern({name}) selects"
    present = dict.fromkeys(op.mnemonic for op in ops)
    if name in spellings():
        return f": the program has no {name}{_listed(present)}"
    # Spellings of types the program has, and no type under two of them.
    usual = [spelling for spelling, own in spellings().items() if own in present]
    close = difflib.get_close_matches(wanted[:_LENGTH], [*present, *usual], n=5, cutoff=0.4)
    nearest = dict.fromkeys(map(canonical_type, close))
    return f"; nearest: {', '.join(nearest)}" if nearest else _listed(present)


def _listed(types: Iterable[str]) -> str:
    listed = sorted(types)
    return f"; there are {', '.join(listed)}" if listed else "; the program has no ops"


def near_name(wanted: str, ops: Sequence[NnOp], globbed: int) -> str:
    """What to write in place of a name that no op has; as a shell pattern it has `globbed` ops."""
    if globbed:
        return f"; as a shell pattern, glob:{wanted}, it matches {globbed}"
    if any(op.mnemonic == canonical_type(wanted) for op in ops):
        return f"; type:{wanted} is a type{near(wanted, names_of(ops))}"
    return near(wanted, names_of(ops))


def near_regular(pattern: re.Pattern[str], ops: Sequence[NnOp]) -> str:
    """What to write in place of a regular expression that matches no name as a whole."""
    inside = sum(any(map(pattern.search, op.names)) for op in ops)
    if inside:
        return f": it has to match a whole name; {counted(inside)} have a name with it inside"
    return near(pattern.pattern, names_of(ops))


def names_of(ops: Iterable[NnOp]) -> Iterable[str]:
    return (name for op in ops for name in op.names)


def counted(count: int, what: str = "op") -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"

"""Selectors: how a user names layers.

    type:conv          every op of that type
    name:stem.conv     the op that came from that layer of the model, fused or not
    glob:block1.*      every op with a source name that matches the shell pattern
    index:conv[0]      the first conv in program order; index:conv[-2:] the last two
    index:[3:17]       ops 3 to 16 of the program

Selectors bind to source names, so fusing and renaming do not break them. Indices count the
`nn` ops of the program in order, constants left out.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence

from dialects.errors import OctetError
from dialects.nn.base import NnOp

_INDEX = re.compile(r"(?P<type>\w*)\[(?P<start>-?\d*)(?P<range>:(?P<end>-?\d*))?\]")


def select(selector: str, ops: Sequence[NnOp]) -> list[NnOp]:
    """The ops that `selector` names, in program order.

    Raises OctetError when the selector is malformed or names nothing; the message lists the
    nearest names.
    """
    kind, colon, argument = selector.partition(":")
    find = _KINDS.get(kind)
    if not colon or find is None or not argument:
        raise OctetError(
            f"selector '{selector}' is not understood; expected "
            + ", ".join(f"{known}:..." for known in _KINDS)
        )
    found = find(argument, ops)
    if not found:
        raise OctetError(f"selector '{selector}' matches no op{_hint(kind, argument, ops)}")
    return found


def _by_type(argument: str, ops: Sequence[NnOp]) -> list[NnOp]:
    return [op for op in ops if op.mnemonic == argument]


def _by_name(argument: str, ops: Sequence[NnOp]) -> list[NnOp]:
    return [op for op in ops if argument in op.names]


def _by_glob(argument: str, ops: Sequence[NnOp]) -> list[NnOp]:
    matches = re.compile(fnmatch.translate(argument)).match
    return [op for op in ops if any(matches(name) for name in op.names)]


def _by_index(argument: str, ops: Sequence[NnOp]) -> list[NnOp]:
    match = _INDEX.fullmatch(argument)
    if match is None or not (match["range"] or match["start"].strip("-")):
        raise OctetError(
            f"selector 'index:{argument}' is not understood; expected index:conv[0], "
            "index:conv[1:3] or index:[3:17]"
        )
    counted = _by_type(match["type"], ops) if match["type"] else list(ops)
    start = int(match["start"]) if match["start"] else None
    if match["range"]:
        return counted[start : int(match["end"]) if match["end"] else None]
    assert start is not None
    return [counted[start]] if -len(counted) <= start < len(counted) else []


_KINDS: dict[str, Callable[[str, Sequence[NnOp]], list[NnOp]]] = {
    "type": _by_type,
    "name": _by_name,
    "glob": _by_glob,
    "index": _by_index,
}


def _hint(kind: str, argument: str, ops: Sequence[NnOp]) -> str:
    """What the user may have meant."""
    if kind == "index":
        wanted = argument.split("[")[0]
        count = len(_by_type(wanted, ops)) if wanted else len(ops)
        return f": the program has {count} {wanted or 'op'}(s)"
    known = [op.mnemonic for op in ops] if kind == "type" else [n for op in ops for n in op.names]
    return near(argument, known)


def near(wanted: str, known: Iterable[str]) -> str:
    """`; nearest: ...` with the names of `known` closest to `wanted`, or what there is."""
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(wanted, names, n=5, cutoff=0.4)
    if close:
        return f"; nearest: {', '.join(close)}"
    if not names:
        return "; no op of this program has a name"
    return f"; there are {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"

"""Target files as read: tables built on one another by `extends`, with the lines of their keys."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

from dialects.errors import OctetError

FOLDER = Path(__file__).parent
EXTENDS = "extends"
Table = dict[str, Any]
Key = tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """One file: its text, for line numbers, and its table."""

    path: Path
    text: str
    table: Table


@dataclass(frozen=True)
class Layers:
    """A file and those it builds on, nearest first."""

    files: Sequence[Layer]

    @property
    def path(self) -> Path:
        return self.files[0].path

    def merged(self) -> Table:
        """One table: keys of nearer files win, tables merge key by key, `false` removes a key."""
        table: Table = {}
        for layer in reversed(self.files):
            table = _merge(table, layer.table)
        table.pop(EXTENDS, None)
        return table

    def where(self, key: Key) -> str:
        """`file:line` of the nearest file that says something of `key`."""
        for layer in self.files:
            if _holds(layer.table, key):
                return f"{layer.path}:{line_of(layer.text, key)}"
        return f"{self.path}:1"

    def fail(self, key: Key, message: str) -> NoReturn:
        raise OctetError(f"{self.where(key)}: {message}")


def read_layers(path: Path) -> Layers:
    """The file at `path` and those it extends.

    Raises OctetError for a file that cannot be read, is not TOML or extends itself.
    """
    files: list[Layer] = []
    following: Path | None = path
    while following is not None:
        if any(layer.path.resolve() == following.resolve() for layer in files):
            Layers(files[::-1]).fail((EXTENDS,), f"'{EXTENDS}' leads back to {following}")
        layer = _read(following)
        files.append(layer)
        following = _base(layer)
    return Layers(files)


def _read(path: Path) -> Layer:
    try:
        text = path.read_text(encoding="utf-8")
        return Layer(path, text, tomllib.loads(text))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OctetError(f"{path}: not a valid TOML file: {error}") from None


def _base(layer: Layer) -> Path | None:
    """The file a layer extends: a target that comes with Octet, or a path beside the file."""
    name = layer.table.get(EXTENDS)
    if name is None:
        return None
    path = FOLDER / f"{name}.toml"
    if isinstance(name, str) and name.endswith(".toml"):
        path = layer.path.parent / name
    if not isinstance(name, str) or not path.is_file():
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.toml")))
        Layers([layer]).fail(
            (EXTENDS,), f"'{EXTENDS}' should name a target ({known}) or a .toml file, got {name!r}"
        )
    return path


def _merge(base: Table, nearer: Table) -> Table:
    merged = dict(base)
    for key, value in nearer.items():
        known = merged.get(key)
        if value is False:
            merged.pop(key, None)
        elif isinstance(known, dict) and isinstance(value, dict):
            merged[key] = _merge(cast(Table, known), cast(Table, value))
        else:
            merged[key] = value
    return merged


def _holds(table: Table, key: Key) -> bool:
    found: Any = table
    for part in key:
        if not isinstance(found, dict) or part not in found:
            return False
        found = cast(Table, found)[part]
    return True


_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?$")
_ENTRY = re.compile(r"\s*([\w.\"'\s-]+?)\s*=")


def line_of(text: str, key: Key) -> int:
    """The line, from 1, on which `key` stands, or its table where that is written in one line.

    TOML's parser keeps no positions; headers and keys of files like these are one to a line.
    """
    best, length, table = 1, 0, ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            found = table = _parts(header[1])
        elif entry := _ENTRY.match(line):
            found = (*table, *_parts(entry[1]))
        else:
            continue
        if len(found) > length and key[: len(found)] == found:
            best, length = number, len(found)
    return best


def _parts(text: str) -> Key:
    return tuple(part.strip().strip("\"'") for part in text.split("."))

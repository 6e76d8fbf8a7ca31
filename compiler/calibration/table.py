"""Calibration tables: ranges in a file, to save, edit, merge and use again.

The format is described by `table.schema.json` beside this file and by docs/calibration.md.
`VERSION` grows when a field changes its meaning or goes; new fields do not change it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from compiler.calibration.keys import INPUT, LAYER, Key, Keys
from compiler.recipes.json_file import as_object, as_texts, read_json
from compiler.version import __version__
from dialects.calibrator import Method, Range
from dialects.errors import OctetError
from passes.placement.selectors import near
from runtime.artifact import replacing

SCHEMA = "octet-calibration-table"
VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("table.schema.json")

SECTIONS = {INPUT: "inputs", LAYER: "layers"}
LISTED = 8
"""Disagreements that a message lists; of more, their number."""

EDITED = "edited"
"""The method of an entry that names none: somebody wrote it."""


@dataclass(frozen=True)
class Entry:
    """The range of one value, how it was measured, and the file it is from."""

    range: Range
    method: str = EDITED
    source: str = ""


@dataclass(frozen=True)
class Table:
    """Ranges by key, the digest of the program they are of, and digests of the data they are from.

    Equal ranges of equal programs on equal data are equal bytes, however they were measured.
    """

    model: str = ""
    data: tuple[str, ...] = ()
    entries: Mapping[Key, Entry] = field(default_factory=dict[Key, Entry])
    source: str = ""
    """Where it was read."""

    # --- files ------------------------------------------------------------------------------

    def as_dict(self) -> dict[str, Any]:
        sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS.values()}
        for (kind, name), entry in self.entries.items():
            sections[SECTIONS[kind]][name] = {"range": list(entry.range), "method": entry.method}
        methods = sorted({entry.method for entry in self.entries.values()})
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "octet": __version__,
            "digests": {"model": self.model, "data": list(self.data)},
            "methods": methods,
            **sections,
        }

    def text(self) -> str:
        """The JSON document, an entry to a line."""
        document = self.as_dict()
        sections = {name: document.pop(name) for name in SECTIONS.values()}
        parts = [f"  {_json(key)}: {_json(value)}" for key, value in document.items()]
        for section, entries in sections.items():
            lines = [f"    {_json(name)}: {_json(entry)}" for name, entry in entries.items()]
            inner = ",\n".join(lines)
            parts.append(f"  {_json(section)}: {{\n{inner}\n  }}" if lines else
                         f"  {_json(section)}: {{}}")  # fmt: skip
        return "{\n" + ",\n".join(parts) + "\n}\n"

    def write(self, path: Path) -> None:
        with replacing(path) as temporary:
            temporary.write_text(self.text(), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Table:
        """Raises OctetError naming the file and the key at fault."""
        where = str(path)
        document = read_json(path)
        if document.get("schema") != SCHEMA:
            raise OctetError(f"{where}: no calibration table: its 'schema' is not '{SCHEMA}'")
        if document.get("version") != VERSION:
            raise OctetError(
                f"{where}: version {document.get('version')!r} of calibration tables is not known; "
                f"this Octet reads version {VERSION}: measure again with --calibration-data and "
                "--save-calibration-table"
            )
        known = {"schema", "version", "octet", "digests", "methods", *SECTIONS.values()}
        for key in document:
            if key not in known:
                raise OctetError(f"{where}: unknown key '{key}'{near(key, sorted(known))}")
        digests = as_object(document.get("digests"), f"{where}: digests")
        model = digests.get("model")
        if not isinstance(model, str):
            raise OctetError(f"{where}: digests: 'model' should be a text, got {model!r}")
        data = as_texts(digests.get("data", []), f"{where}: digests: data")
        entries = {
            (kind, name): _entry(entry, name, where)
            for kind, section in SECTIONS.items()
            for name, entry in as_object(document.get(section, {}), f"{where}: {section}").items()
        }
        return cls(model, tuple(data), entries, where)

    # --- agreement --------------------------------------------------------------------------

    def check_model(self, digest: str) -> None:
        """Raises OctetError for a table of another program."""
        if self.model != digest:
            raise OctetError(
                f"{self.source}: measured on another model, or on this one as another version of "
                "Octet or other options simplified it (outlier channels are split only with data: "
                "give --calibration-data beside the table, or measure it with --pass-option "
                "split-outlier-channels.samples=0): measure again with --calibration-data and "
                "--save-calibration-table; if you know that its ranges hold for this model, set "
                f"'model' in its 'digests' to \"{digest}\""
            )

    def check_keys(self, keys: Keys) -> None:
        """Raises OctetError for an entry of a value that the program does not have."""
        for key, entry in self.entries.items():
            if key not in keys.values:
                kind, name = key
                names = [other for kind_of_other, other in keys.values if kind_of_other == kind]
                raise OctetError(
                    f"{entry.source}: the program has no {kind} '{name}'{near(name, names)}"
                )

    def check_methods(self, asked: Mapping[Key, Method]) -> None:
        """Raises OctetError where a method was asked for and the table has another's range."""
        wrong = [
            f"'{key[1]}': {entry.source} says {_bounds(entry)} by {entry.method}, asked for is "
            f"{method}"
            for key, method in asked.items()
            if (entry := self.entries[key]).method not in (EDITED, str(method))
            and method != Method()
        ]
        if wrong:
            raise OctetError(
                f"the calibration table and the methods asked for disagree: {_listed(wrong)}; "
                "measure again without the table, or leave out the method"
            )

    def then(self, other: Table) -> Table:
        """Both together. Raises OctetError where they disagree, with both ranges."""
        if self.model != other.model:
            raise OctetError(
                f"{self.source} and {other.source} are calibration tables of different models "
                f"({self.model[:12]}... and {other.model[:12]}...)"
            )
        conflicts = [
            f"'{key[1]}': {_bounds(mine)} in {mine.source}, {_bounds(entry)} in {entry.source}"
            for key, entry in other.entries.items()
            if (mine := self.entries.get(key)) is not None and mine.range != entry.range
        ]
        if conflicts:
            raise OctetError(
                f"calibration tables disagree: {_listed(conflicts)}; delete one entry of each pair"
            )
        return replace(
            self,
            data=tuple(sorted({*self.data, *other.data})),
            entries={**other.entries, **self.entries},
            source=f"{self.source}, {other.source}",
        )


def read_tables(paths: Sequence[Path]) -> Table:
    """The tables of those files as one. Raises OctetError."""
    first, *others = map(Table.read, paths)
    for other in others:
        first = first.then(other)
    return first


def _entry(value: Any, name: str, where: str) -> Entry:
    entry = as_object(value, f"{where}: '{name}'")
    for key in entry:
        if key not in ("range", "method"):
            raise OctetError(f"{where}: '{name}': unknown key '{key}'; expected range, method")
    bounds, method = entry.get("range"), entry.get("method", EDITED)
    if not isinstance(bounds, list) or len(bounds) != 2 or not all(map(_is_finite, bounds)):
        raise OctetError(f"{where}: '{name}': 'range' should be two numbers, got {bounds!r}")
    low, high = map(float, bounds)
    if not low <= 0.0 <= high:
        raise OctetError(f"{where}: '{name}': 'range' should hold 0, got [{low}, {high}]")
    if not isinstance(method, str):
        raise OctetError(f"{where}: '{name}': 'method' should be a text, got {method!r}")
    return Entry((low, high), method, where)


def _is_finite(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def _bounds(entry: Entry) -> str:
    return "[{}, {}]".format(*entry.range)


def _listed(lines: Sequence[str]) -> str:
    more = f"; and {len(lines) - LISTED} more" if len(lines) > LISTED else ""
    return "; ".join(lines[:LISTED]) + more


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

"""The record of experiments: JSON lines that can be compared, resumed and replayed.

Every line has `kind`, `id` and `run_id`. What depends on the clock stands in `time`, so two records
are of the same results exactly if their sorted lines are equal without it. A line is written when
what it says is known; a killed run finds its lines again and goes on.
"""

from __future__ import annotations

import csv
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedRandom
from pathlib import Path
from typing import Any

from dialects.errors import OctetError
from runtime.artifact import replacing

Line = dict[str, Any]
TIME = "time"


@dataclass
class Record:
    """Lines by id, also in a file if there is one."""

    _file: BufferedRandom | None = None
    _lines: dict[str, Line] = field(default_factory=dict[str, Line])

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines.values())

    def get(self, identity: str) -> Line | None:
        return self._lines.get(identity)

    def add(self, line: Line) -> None:
        """Keeps a line, unless it is there. It is on its way to disk when this returns."""
        if line["id"] in self._lines:
            return
        self._lines[line["id"]] = line
        if self._file is not None:
            self._file.write(text_of(line).encode())
            self._file.flush()


def text_of(line: Mapping[str, Any]) -> str:
    return json.dumps(line, sort_keys=True, separators=(",", ":")) + "\n"


def without_time(line: Mapping[str, Any]) -> Line:
    """What a line says that is the same every time."""
    return {name: value for name, value in line.items() if name != TIME}


@contextmanager
def opened(path: Path | None) -> Iterator[Record]:
    """The record at `path`, to go on with; in memory without one.

    A last line that a killed process left unfinished is removed. Raises OctetError for a file that
    cannot be used, is in use, or is no record.
    """
    if path is None:
        yield Record()
        return
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OctetError(f"--output {path}: {error.strerror}") from error
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OctetError(
                f"--output {path}: another run is writing to it; wait for it, or name another file"
            ) from error
        yield Record(file, _read(file, path))


def _read(file: BufferedRandom, path: Path) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    for number, raw in enumerate(file, 1):
        if not raw.endswith(b"\n"):
            file.seek(-len(raw), os.SEEK_END)
            file.truncate()
            break
        line = _parsed(raw, path, number)
        lines[line["id"]] = line
    file.seek(0, os.SEEK_END)
    return lines


def read_record(path: Path) -> list[Line]:
    """The lines of a record in order. Raises OctetError for a file that is none."""
    try:
        with path.open("rb") as file:
            return [_parsed(raw, path, number) for number, raw in enumerate(file, 1)]
    except OSError as error:
        raise OctetError(f"{path}: {error.strerror}") from error


def _parsed(raw: bytes, path: Path, number: int) -> Line:
    try:
        line = json.loads(raw)
    except ValueError as error:
        raise OctetError(f"{path}:{number}: not a line of JSON ({error})") from None
    if not isinstance(line, dict) or not all(
        isinstance(line.get(name), str) for name in ("kind", "id", "run_id")
    ):
        raise OctetError(
            f"{path}:{number}: not a line of a record: it should have kind, id and run_id"
        )
    return line


def write_csv(lines: Iterable[Line], path: Path) -> None:
    """A table of a record: a row per line, a column per value, nested names joined by dots."""
    rows = [_flat(line) for line in lines]
    names = list(dict.fromkeys(name for row in rows for name in row))
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, entry in value.items():
        if isinstance(entry, Mapping):
            row.update(_flat(entry, f"{prefix}{name}."))
        else:
            row[f"{prefix}{name}"] = json.dumps(entry) if isinstance(entry, list) else entry
    return row

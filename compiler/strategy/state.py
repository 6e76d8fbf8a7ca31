"""The log of a search: one line of JSON for each placement that was measured.

    {"model": "sha256", "data": "sha256", "target": "sha256", "placement": "88bf",
     "latency_ns": 1234.5, "samples": 500, "noise": 0.001, "agreeing": 498, "correct": 440}

A search asks the log before it measures. So one that was killed goes through the same decisions
again, without the work, and ends where it would have ended. One folder may hold the logs of
several models, data and targets; each finds its own lines by their digests.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedRandom
from pathlib import Path
from typing import Any, NamedTuple

from compiler.strategy.metrics import Quality
from dialects.errors import OctetError

LOG = "evaluations.jsonl"


class Key(NamedTuple):
    """What a measurement depends on: digests, and the letters of the assignment."""

    model: str
    data: str
    target: str
    placement: str


@dataclass(frozen=True)
class Measured:
    """A placement, its modelled latency and its quality."""

    latency_ns: float
    quality: Quality


@dataclass
class Log:
    """Measurements by key, also in a file if there is one."""

    _file: BufferedRandom | None = None
    _known: dict[Key, Measured] = field(default_factory=dict[Key, Measured])

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: Key) -> Measured | None:
        return self._known.get(key)

    def add(self, key: Key, measured: Measured) -> None:
        """Keeps a measurement; it is on disk when this returns."""
        self._known[key] = measured
        if self._file is not None:
            self._file.write(_line(key, measured).encode())
            self._file.flush()


@contextmanager
def opened(folder: Path | None) -> Iterator[Log]:
    """The log in `folder`, which is made if it is not there; in memory without one.

    A last line that a killed process left unfinished is removed. Raises OctetError for a folder
    that cannot be used, is in use, or holds a damaged log.
    """
    if folder is None:
        yield Log()
        return
    path = folder / LOG
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OctetError(f"--strategy-state {folder}: {error.strerror}") from error
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OctetError(
                f"--strategy-state {folder}: another search is using it; wait for it, or name "
                "another folder"
            ) from error
        yield Log(file, _read(file, path))


def _read(file: BufferedRandom, path: Path) -> dict[Key, Measured]:
    known: dict[Key, Measured] = {}
    for number, line in enumerate(file, 1):
        if not line.endswith(b"\n"):
            file.seek(-len(line), os.SEEK_END)
            file.truncate()
            break
        try:
            entry = json.loads(line)
            known[_key(entry)] = _measured(entry)
        except (ValueError, KeyError, TypeError) as error:
            raise OctetError(
                f"{path}:{number}: not a line of a search's log ({type(error).__name__}: {error}); "
                "name another folder with --strategy-state, or delete this file"
            ) from None
    file.seek(0, os.SEEK_END)
    return known


def _line(key: Key, measured: Measured) -> str:
    quality = measured.quality
    entry: dict[str, Any] = {
        **key._asdict(),
        "latency_ns": measured.latency_ns,
        "samples": quality.samples,
        # JSON has no infinity.
        "noise": quality.noise if math.isfinite(quality.noise) else None,
        "agreeing": quality.agreeing,
        "correct": quality.correct,
    }
    return json.dumps(entry) + "\n"


def _key(entry: Any) -> Key:
    return Key(*(_text(entry[name]) for name in Key._fields))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    return value


def _measured(entry: Any) -> Measured:
    noise, correct = entry["noise"], entry["correct"]
    return Measured(
        latency_ns=float(entry["latency_ns"]),
        quality=Quality(
            samples=int(entry["samples"]),
            noise=math.inf if noise is None else float(noise),
            agreeing=int(entry["agreeing"]),
            correct=None if correct is None else int(correct),
        ),
    )

"""Batches of a source that can be read once, to be read again: they are kept in a file."""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

import numpy as np

from dialects.context import Feed


@dataclass
class Spool:
    """Gives the batches of `source` from the start, as often as it is called.

    Each batch is written to a temporary file, which has no name and goes with this object, when it
    is read for the first time: several passes may read the data, and memory stays that of a batch.
    """

    source: Iterator[Feed]
    _file: IO[bytes] = field(default_factory=tempfile.TemporaryFile, init=False)
    _places: list[tuple[int, tuple[str, ...]]] = field(default_factory=list, init=False)
    """Where each batch is in the file, and its inputs."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, self._file.close)

    def __call__(self) -> Iterator[Feed]:
        index = 0
        while (feed := self._batch(index)) is not None:
            yield feed
            index += 1

    def _batch(self, index: int) -> Feed | None:
        with self._lock:
            if index < len(self._places):
                place, names = self._places[index]
                self._file.seek(place)
                return {name: np.load(self._file, allow_pickle=False) for name in names}
            feed = next(self.source, None)
            if feed is not None:
                arrays = {name: np.asarray(array) for name, array in feed.items()}
                place = self._file.seek(0, 2)
                for array in arrays.values():
                    np.save(self._file, array, allow_pickle=False)
                self._places.append((place, tuple(arrays)))
            return feed

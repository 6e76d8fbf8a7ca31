"""The samples on which placements are measured: labelled, unlabelled, or held out of the
calibration data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from compiler.array_files import load_arrays
from compiler.calibration.data import CalibrationData, input_specs, open_calibration_data
from dialects.context import Feed
from dialects.errors import OctetError

LABELS = "labels"
"""The array of an evaluation set that holds the class of each sample."""

HELD_OUT = 4
"""Without evaluation data, one of so many calibration samples is kept from calibration."""


@dataclass(frozen=True)
class Samples:
    """Batches of inputs, and the class of each sample if it is known."""

    feeds: tuple[Feed, ...]
    labels: np.ndarray | None = None

    @cached_property
    def count(self) -> int:
        return sum(map(batch_of, self.feeds))

    @cached_property
    def digest(self) -> str:
        """Of the contents, in hex."""
        digest = hashlib.sha256()
        for feed in self.feeds:
            for name in sorted(feed):
                _add(digest, name, feed[name])
        if self.labels is not None:
            _add(digest, LABELS, self.labels)
        return digest.hexdigest()

    def subset(self, most: int) -> Samples:
        """About `most` samples without labels, evenly from all."""
        if self.count <= most:
            return Samples(self.feeds)
        wanted = max(1, most * len(self.feeds) // self.count)
        chosen = np.linspace(0, len(self.feeds) - 1, wanted).round().astype(int)
        return Samples(tuple(self.feeds[index] for index in dict.fromkeys(chosen.tolist())))


def _add(digest: hashlib._Hash, name: str, array: np.ndarray) -> None:
    digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
    digest.update(np.ascontiguousarray(array).tobytes())


def batch_of(feed: Feed) -> int:
    return len(next(iter(feed.values())))


def load_evaluation_data(
    source: str | Path | Mapping[str, np.ndarray], module: ModuleOp
) -> Samples:
    """Reads inputs by name, and `labels` if present.

    Raises OctetError for data that does not fit the program and for labels that do not fit the
    samples.
    """
    where = str(source) if isinstance(source, (str, Path)) else "evaluation data"
    loaded = load_arrays(Path(source)) if isinstance(source, (str, Path)) else source
    if not isinstance(loaded, Mapping):
        raise OctetError(f"{where}: expected a .npz with one array per input, got a single array")
    arrays = dict(loaded)
    inputs = [spec.name for spec in input_specs(module)]
    labels = None if LABELS in inputs else arrays.pop(LABELS, None)
    # The checks and the batches are those of calibration data.
    try:
        feeds = _split(open_calibration_data(arrays, module)(), module)
    except OctetError as error:
        raise OctetError(str(error).replace("calibration data", where)) from None
    samples = Samples(feeds, labels)
    if labels is not None:
        _check_labels(labels, samples.count, where)
    return samples


def _check_labels(labels: np.ndarray, count: int, where: str) -> None:
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise OctetError(
            f"{where}: '{LABELS}' should hold one integer per sample, {count} of them, got "
            f"{labels.dtype} of shape {list(labels.shape)}"
        )
    if labels.size and labels.min() < 0:
        raise OctetError(f"{where}: '{LABELS}' holds {labels.min()}; classes count from 0")


def hold_out(source: CalibrationData, module: ModuleOp) -> tuple[list[Feed], Samples]:
    """Calibration batches and held-out samples, every `HELD_OUT`-th sample held out.

    Raises OctetError when there are too few samples to divide.
    """
    feeds = _split(open_calibration_data(source, module)(), module)
    if len(feeds) < 2 * HELD_OUT:
        raise OctetError(
            f"--strategy auto: {len(feeds)} batches of calibration data are too few to hold some "
            f"out for measuring; give --evaluation-data, or at least {2 * HELD_OUT}"
        )
    held = feeds[HELD_OUT - 1 :: HELD_OUT]
    kept = [feed for index, feed in enumerate(feeds) if index % HELD_OUT != HELD_OUT - 1]
    return kept, Samples(held)


def _split(feeds: Iterable[Feed], module: ModuleOp) -> tuple[Feed, ...]:
    """Batches of the size that the program is compiled for, where its inputs share one: running
    them needs no second plan, and activations stay in the cache."""
    sizes = {spec.shape[0] if spec.shape else 0 for spec in input_specs(module)}
    size = sizes.pop() if len(sizes) == 1 else 0
    pieces: list[Feed] = []
    for feed in feeds:
        total = batch_of(feed)
        if size < 1 or any(len(array) != total for array in feed.values()):
            pieces.append(feed)
            continue
        pieces += [
            {name: array[start : start + size] for name, array in feed.items()}
            for start in range(0, total, size)
        ]
    return cast(tuple[Feed, ...], tuple(pieces))

"""How a range came about: what was seen of one value, in spans of batches that double."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from dialects.calibrator import Range
from passes.calibrate.measuring.observers import Observer

KEPT = 2
"""Spans kept apart: the last two."""


def span_of(batch: int) -> int:
    """0 for batch 0, 1 for 1, 2 for 2 and 3, 3 for 4 to 7, ...: each as long as all before."""
    return batch.bit_length()


@dataclass
class Trajectory:
    """Observers of one value by span; those older than the last two are merged into one.

    So the range can be told for all batches, and for those up to a point about halfway, in the
    memory of three observers, whatever the number of batches. `fresh` makes an observer.
    """

    fresh: Callable[[], Observer]
    spans: dict[int, Observer] = field(default_factory=dict[int, Observer])

    def add(self, array: np.ndarray, low: float, high: float, batch: int) -> None:
        """Takes a batch, by its number; batches may come in any order."""
        self._of(span_of(batch)).add(array, low, high, batch)
        self._fold()

    def merge(self, other: Trajectory) -> None:
        """Takes what another saw of other batches."""
        for span, observer in other.spans.items():
            self._of(span).merge(observer)
        self._fold()

    def _of(self, span: int) -> Observer:
        if span not in self.spans:
            self.spans[span] = self.fresh()
        return self.spans[span]

    def _fold(self) -> None:
        """Merges all spans but the last two into the oldest.

        No part of the data is ahead of the whole: what is old in a part is old in the end.
        """
        oldest = min(self.spans)
        for span in sorted(self.spans):
            if oldest < span <= max(self.spans) - KEPT:
                self.spans[oldest].merge(self.spans.pop(span))

    def range(self) -> Range:
        """Over all batches."""
        return self._merged(max(self.spans)).range()

    def range_before(self, batches: int) -> tuple[int, Range] | None:
        """(n, the range over the first n of `batches` batches), where n is the greatest power of
        two that leaves at least a quarter of them out; None where nothing was seen in those."""
        if batches < 2:
            return None
        span = span_of(batches - 1) - 1
        if 4 * (batches - 2**span) < batches:
            span -= 1
        if min(self.spans) > span:
            return None
        return 2**span, self._merged(span).range()

    def _merged(self, last: int) -> Observer:
        whole = self.fresh()
        for span, observer in self.spans.items():
            if span <= last:
                whole.merge(observer)
        return whole

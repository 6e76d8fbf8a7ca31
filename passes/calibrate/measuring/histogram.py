"""Histograms that rescale, and that merge exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

CHUNK = 1 << 15
"""Values counted at a time, so that what is computed on the way stays in the cache."""


@dataclass
class Histogram:
    """Counts in `bins` bins, of a width that doubles whenever the data outgrows them.

    Bin i counts the values in [(start + i) * width, (start + i + 1) * width). The width is a
    power of two and bins lie on its multiples, so doubling merges whole pairs of bins, and width,
    start and counts depend on the data alone: not on its order, on the size of the batches, or on
    which of them were counted elsewhere and merged. 0 always lies in the window.

    `zeros` of the values are exactly 0.
    """

    bins: int
    width: float = 0.0
    start: int = 0
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    zeros: int = 0

    def update(self, array: np.ndarray) -> None:
        """Counts finite values, at least one."""
        self.add(array, float(array.min()), float(array.max()))

    def add(self, array: np.ndarray, low: float, high: float) -> None:
        """Counts values that lie in [low, high]."""
        if not self.counts.size:
            self._begin(_initial_width(max(abs(low), abs(high)), self.bins))
        self._make_room(low, high)
        work = np.dtype(np.float32) if self._fits_single(array) else np.dtype(np.float64)
        scale = work.type(1.0 / self.width)
        values = np.ravel(array, order="K")  # their order does not matter, that in memory is faster
        for begin in range(0, values.size, CHUNK):
            chunk = values[begin : begin + CHUNK]
            self.zeros += int(np.count_nonzero(chunk == 0))
            index = np.floor(np.multiply(chunk, scale, dtype=work)).astype(np.int64)
            index -= self.start
            self.counts += np.bincount(index, minlength=self.bins)

    def _fits_single(self, array: np.ndarray) -> bool:
        """Whether bins can be told in float32. Multiplying by a power of two is exact there as in
        float64, but where widths are so great that values underflow, or so small that their
        reciprocals overflow."""
        return array.dtype == np.float32 and 2.0**-126 <= self.width <= 2.0

    def merge(self, other: Histogram) -> None:
        """Adds what `other`, of as many bins, counted."""
        if not other.counts.size:
            return
        if not self.counts.size:
            self._begin(other.width)
        while self.width < other.width:
            self._double()
        occupied = np.flatnonzero(other.counts)
        edges = (other.start + occupied) * other.width
        self._make_room(float(edges[0]), float(edges[-1]))
        self.zeros += other.zeros
        # The bins of `other` are now as wide as these, or whole parts of them.
        index = np.floor(edges / self.width).astype(np.int64) - self.start
        np.add.at(self.counts, index, other.counts[occupied])

    def _begin(self, width: float) -> None:
        self.width, self.start = width, 0
        self.counts = np.zeros(self.bins, np.int64)

    def _make_room(self, low: float, high: float) -> None:
        """Doubles the width, and shifts the window, until [low, high] and 0 lie in it."""
        # With 0 always in the window, no batch can start wider than the data needs in the end.
        low, high = min(low, 0.0), max(high, 0.0)
        while True:
            occupied = np.flatnonzero(self.counts)
            first, last = math.floor(low / self.width), math.floor(high / self.width)
            if occupied.size:
                first = min(first, self.start + int(occupied[0]))
                last = max(last, self.start + int(occupied[-1]))
            if last - first < self.bins:
                self._move(occupied, self.start, first, 1)
                return
            self._double()

    def _double(self) -> None:
        self._move(np.flatnonzero(self.counts), self.start, self.start // 2, 2)
        self.width *= 2

    def _move(self, occupied: np.ndarray, old: int, new: int, merge: int) -> None:
        """Renumbers bin `old + i` as `(old + i) // merge`, the window starting at `new`."""
        moved = np.zeros_like(self.counts)
        np.add.at(moved, (old + occupied) // merge - new, self.counts[occupied])
        self.counts, self.start = moved, new

    def quantile_bounds(self, tail: float) -> tuple[float, float]:
        """Edges of the bins beyond which at most a share `tail` of the values lies, per side."""
        cut = tail * float(self.counts.sum())
        cumulative = np.cumsum(self.counts)
        first = int(np.searchsorted(cumulative, cut, side="right"))
        last = int(np.searchsorted(cumulative, cumulative[-1] - cut, side="left"))
        return (self.start + first) * self.width, (self.start + last + 1) * self.width


def _initial_width(magnitude: float, bins: int) -> float:
    """A power of two, so fine that `bins` bins do not hold [0, magnitude]; 2^-149, the least
    float32, at least.

    Starting finer than the final width never changes the counts.
    """
    if magnitude == 0.0:
        return 2.0**-149
    return max(2.0 ** (math.frexp(magnitude)[1] - bins.bit_length() - 1), 2.0**-149)

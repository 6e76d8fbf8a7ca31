"""Range estimators. Each sees one value batch by batch and keeps a bounded amount of memory.

None of them stores activations, and none depends on anything but the data: the same batches
in the same order give the same range.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from passes.calibrate.thresholds import Distribution


class Observer(ABC):
    """Takes finite arrays, gives the range to quantize with."""

    @abstractmethod
    def update(self, array: np.ndarray) -> None:
        """Takes one batch: at least one element, all finite."""

    @abstractmethod
    def estimate(self) -> tuple[float, float]:
        """[low, high]; called after at least one update."""

    def range(self) -> tuple[float, float]:
        """[low, high] widened to hold 0, which must be exact in any quantized type."""
        low, high = self.estimate()
        # Adding 0.0 turns -0.0 into 0.0, so equal ranges print alike.
        return min(low, 0.0) + 0.0, max(high, 0.0) + 0.0


@dataclass
class MinMax(Observer):
    """The extremes of all batches."""

    low: float = math.inf
    high: float = -math.inf

    def update(self, array: np.ndarray) -> None:
        self.low = min(self.low, float(array.min()))
        self.high = max(self.high, float(array.max()))

    def estimate(self) -> tuple[float, float]:
        return self.low, self.high


@dataclass
class MovingAverage(Observer):
    """The extremes of each batch, averaged: `m = momentum * m + (1 - momentum) * batch`.

    The average depends on the order and the size of the batches (Jacob et al. 2018, 3.1).
    """

    momentum: float
    bounds: tuple[float, float] | None = None

    def update(self, array: np.ndarray) -> None:
        batch = float(array.min()), float(array.max())
        if self.bounds is None:
            self.bounds = batch
            return
        keep = self.momentum
        low, high = self.bounds
        self.bounds = keep * low + (1 - keep) * batch[0], keep * high + (1 - keep) * batch[1]

    def estimate(self) -> tuple[float, float]:
        assert self.bounds is not None
        return self.bounds


@dataclass
class Histogram:
    """Counts in `bins` bins, of a width that doubles whenever the data outgrows them.

    Bin i counts the values in [(start + i) * width, (start + i + 1) * width). The width is a
    power of two and bins lie on its multiples, so doubling merges whole pairs of bins and the
    counts depend on the data alone, not on its order or on the size of the batches.
    """

    bins: int
    width: float = 0.0
    start: int = 0
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    def update(self, array: np.ndarray) -> None:
        # Dividing by a power of two is exact in float64 for every float32.
        values = array.reshape(-1).astype(np.float64)
        # With 0 always in the window, no batch can start wider than the data needs in the end.
        low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
        if not self.counts.size:
            self.width = _initial_width(max(abs(low), abs(high)), self.bins)
            self.counts = np.zeros(self.bins, np.int64)
            self.start = math.floor(low / self.width)
        self._make_room(low, high)
        index = np.floor(values / self.width).astype(np.int64) - self.start
        self.counts += np.bincount(index, minlength=self.bins)

    def _make_room(self, low: float, high: float) -> None:
        """Doubles the width, and shifts the window, until [low, high] lies in it."""
        while True:
            occupied = np.flatnonzero(self.counts)
            first, last = math.floor(low / self.width), math.floor(high / self.width)
            if occupied.size:
                first = min(first, self.start + int(occupied[0]))
                last = max(last, self.start + int(occupied[-1]))
            if last - first < self.bins:
                self._move(occupied, self.start, first, 1)
                return
            self._move(occupied, self.start, self.start // 2, 2)
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
    """The finest power of two whose bins hold [-magnitude, magnitude] twice over, or less.

    Starting finer than the final width never changes the counts; 2^-149 is the least float32.
    """
    if magnitude == 0.0:
        return 2.0**-149
    return max(2.0 ** (math.frexp(magnitude)[1] - bins.bit_length() - 1), 2.0**-149)


@dataclass
class Percentile(Observer):
    """The range that holds `percentile` percent of all values, the rest cut evenly per side."""

    percentile: float
    bins: int
    extremes: MinMax = field(default_factory=MinMax)
    histogram: Histogram = field(init=False)

    def __post_init__(self) -> None:
        self.histogram = Histogram(self.bins)

    def update(self, array: np.ndarray) -> None:
        self.extremes.update(array)
        self.histogram.update(array)

    def estimate(self) -> tuple[float, float]:
        low, high = self.histogram.quantile_bounds((100.0 - self.percentile) / 200.0)
        return max(low, self.extremes.low), min(high, self.extremes.high)


@dataclass
class Optimal(Observer):
    """The range that `choose` takes from the distribution of all values, for a stated criterion."""

    choose: Callable[[Distribution], tuple[float, float]]
    bins: int
    extremes: MinMax = field(default_factory=MinMax)
    zeros: int = 0
    histogram: Histogram = field(init=False)

    def __post_init__(self) -> None:
        self.histogram = Histogram(self.bins)

    def update(self, array: np.ndarray) -> None:
        self.extremes.update(array)
        self.histogram.update(array)
        self.zeros += int(array.size - np.count_nonzero(array))

    def estimate(self) -> tuple[float, float]:
        low, high = self.extremes.range()
        histogram = self.histogram
        distribution = Distribution(
            histogram.width, histogram.start, histogram.counts, self.zeros, low, high
        )
        return self.choose(distribution)

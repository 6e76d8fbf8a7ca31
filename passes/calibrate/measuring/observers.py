"""Range estimators. Each sees one value batch by batch and keeps a bounded amount of memory.

None of them stores activations. What they keep of several parts of the data can be merged, and
the result does not depend on how the data was divided: extremes are associative, histograms count
in bins on one lattice of powers of two (see `histogram`), and the average, which depends on the
order, keeps the extremes of each batch with its number and is taken at the end.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from dialects.calibrator import Method, Range
from passes.calibrate.measuring.histogram import Histogram
from passes.calibrate.measuring.thresholds import (
    Distribution,
    greatest_sqnr_range,
    least_divergence_range,
    least_squares_range,
)


class Observer(ABC):
    """Takes finite values, gives the range to quantize with."""

    def update(self, array: np.ndarray, batch: int | None = None) -> None:
        """Takes one batch: at least one element, all finite. By default it is the next one."""
        self.add(array, float(array.min()), float(array.max()), batch)

    @abstractmethod
    def add(self, array: np.ndarray, low: float, high: float, batch: int | None) -> None:
        """`update` for an array whose extremes are known."""

    @abstractmethod
    def merge(self, other: Observer) -> None:
        """Takes what `other`, of the same kind and options, saw of other batches."""

    @abstractmethod
    def estimate(self) -> Range:
        """[low, high]; called after at least one update."""

    def range(self) -> Range:
        """[low, high] widened to hold 0, which must be exact in any quantized type."""
        low, high = self.estimate()
        # Adding 0.0 turns -0.0 into 0.0, so equal ranges print alike.
        return min(low, 0.0) + 0.0, max(high, 0.0) + 0.0


def observer_of(method: Method) -> Observer:
    """A fresh observer; options that the method has must be given."""
    if method.name == "moving-average":
        assert method.momentum is not None
        return MovingAverage(method.momentum)
    if method.name == "min-max":
        return MinMax()
    assert method.bins is not None
    if method.name == "percentile":
        assert method.percentile is not None
        return Percentile(method.percentile, method.bins)
    return Optimal(CRITERIA[method.name], method.bins)


CRITERIA: dict[str, Callable[[Distribution], Range]] = {
    "mse": least_squares_range,
    "sqnr": greatest_sqnr_range,
    "entropy": least_divergence_range,
}


@dataclass
class MinMax(Observer):
    """The extremes of all batches."""

    low: float = math.inf
    high: float = -math.inf

    def add(self, array: np.ndarray, low: float, high: float, batch: int | None) -> None:
        self.low = min(self.low, low)
        self.high = max(self.high, high)

    def merge(self, other: Observer) -> None:
        assert isinstance(other, MinMax)
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)

    def estimate(self) -> Range:
        return self.low, self.high


@dataclass
class MovingAverage(Observer):
    """The extremes of each batch, averaged: `m = momentum * m + (1 - momentum) * batch`.

    The average depends on the order and the size of the batches (Jacob et al. 2018, 3.1). Two
    numbers are kept of each batch, so that parts of the data may be seen in any order.
    """

    momentum: float
    extremes: dict[int, Range] = field(default_factory=dict[int, Range])

    def add(self, array: np.ndarray, low: float, high: float, batch: int | None) -> None:
        self.extremes[len(self.extremes) if batch is None else batch] = low, high

    def merge(self, other: Observer) -> None:
        assert isinstance(other, MovingAverage)
        self.extremes |= other.extremes

    def estimate(self) -> Range:
        keep = self.momentum
        first, *others = (self.extremes[batch] for batch in sorted(self.extremes))
        low, high = first
        for batch_low, batch_high in others:
            low = keep * low + (1 - keep) * batch_low
            high = keep * high + (1 - keep) * batch_high
        return low, high


class FromHistogram(Observer):
    """What is chosen from the distribution of all values, in `bins` bins."""

    bins: int
    extremes: MinMax
    histogram: Histogram

    def __post_init__(self) -> None:
        self.extremes, self.histogram = MinMax(), Histogram(self.bins)

    def add(self, array: np.ndarray, low: float, high: float, batch: int | None) -> None:
        self.extremes.add(array, low, high, batch)
        self.histogram.add(array, low, high)

    def merge(self, other: Observer) -> None:
        assert isinstance(other, type(self))
        self.extremes.merge(other.extremes)
        self.histogram.merge(other.histogram)


@dataclass
class Percentile(FromHistogram):
    """The range that holds `percentile` percent of all values, the rest cut evenly per side."""

    percentile: float
    bins: int

    def estimate(self) -> Range:
        low, high = self.histogram.quantile_bounds((100.0 - self.percentile) / 200.0)
        return max(low, self.extremes.low), min(high, self.extremes.high)


@dataclass
class Optimal(FromHistogram):
    """The range that `choose` takes for a stated criterion."""

    choose: Callable[[Distribution], Range]
    bins: int

    def estimate(self) -> Range:
        low, high = self.extremes.range()
        histogram = self.histogram
        distribution = Distribution(
            histogram.width, histogram.start, histogram.counts, histogram.zeros, low, high
        )
        chosen_low, chosen_high = self.choose(distribution)
        return float(chosen_low), float(chosen_high)

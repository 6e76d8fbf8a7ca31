"""Ranges chosen from a histogram: what is cut off against how finely the rest is resolved.

    mse       the least expected squared error: values outside are cut off to the ends, the others
              lie anywhere within a step, zeros are exact (Banner et al., "Post training 4-bit
              quantization of convolutional networks", 2019, section 3)
    sqnr      the greatest signal-to-noise ratio of the histogram's own values, quantized
    entropy   the least Kullback-Leibler divergence of the quantized distribution from the original
              (Migacz, "8-bit inference with TensorRT", 2017)

`mse` tries every pair of ends, edges of bins on either side of 0. The others try one magnitude
t at a time, and the range [max(least, -t), min(greatest, t)]. Of equally good ranges the widest is
taken, and none reaches beyond the extremes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

STEPS = 255
"""Steps of an 8-bit range: levels less one."""

Range = tuple[float, float]

_NEARLY_EMPTY = 1e-4
"""Values in a bin that has none."""


@dataclass(frozen=True)
class Distribution:
    """Values as bins of one width: `counts[i]` of them in [(start + i) w, (start + i + 1) w).

    `zeros` of them are exactly 0. `low` and `high` are the extremes, widened to hold 0.
    """

    width: float
    start: int
    counts: np.ndarray
    zeros: int
    low: float
    high: float

    @cached_property
    def edges(self) -> np.ndarray:
        """The ends of the bins, [bins + 1], ascending."""
        return (self.start + np.arange(len(self.counts) + 1)) * self.width

    @cached_property
    def values(self) -> np.ndarray:
        """One value for each bin: its middle, within the extremes; 0 if it holds zeros alone."""
        middles = np.clip((self.edges[:-1] + self.edges[1:]) / 2, self.low, self.high)
        if 0 <= -self.start < len(middles) and self.counts[-self.start] == self.zeros:
            middles[-self.start] = 0.0
        return middles

    def lower_ends(self) -> np.ndarray:
        """Candidates for the lower end, ascending: the least value, edges above it, 0."""
        inner = self.edges[(self.edges > self.low) & (self.edges < 0.0)]
        return np.unique([self.low, *inner, 0.0])

    def upper_ends(self) -> np.ndarray:
        """Candidates for the upper end, ascending: 0, edges below the greatest value, that one."""
        inner = self.edges[(self.edges < self.high) & (self.edges > 0.0)]
        return np.unique([0.0, *inner, self.high])

    def magnitudes(self) -> np.ndarray:
        """Candidates for the magnitude at which both sides are cut, ascending, none of them 0."""
        ends = np.concatenate([-self.lower_ends(), self.upper_ends()])
        return np.unique(ends[ends > 0.0])

    def within(self, magnitude: float) -> Range:
        return max(self.low, -magnitude), min(self.high, magnitude)


def least_squares_range(distribution: Distribution) -> Range:
    """The range of the least expected squared error; every pair costs the same few operations."""
    lows, highs = distribution.lower_ends(), distribution.upper_ends()
    x, n = distribution.values, distribution.counts
    below, error_below = _cut_off(x, n, lows)
    above, error_above = (cut[::-1] for cut in _cut_off(-x[::-1], n[::-1], -highs[::-1]))
    inside = n.sum() - distribution.zeros - below[:, None] - above[None, :]
    widths = highs[None, :] - lows[:, None]
    errors = error_below[:, None] + error_above[None, :] + inside * (widths / STEPS) ** 2 / 12
    best = np.flatnonzero(errors == errors.min())
    low, high = np.unravel_index(best[np.argmax(widths.ravel()[best])], errors.shape)
    return float(lows[low]), float(highs[high])


def _cut_off(x: np.ndarray, counts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many values lie below each of the ends, and their squared distance from it; x ascends."""
    moments = [np.concatenate([[0.0], np.cumsum(counts * x**power)]) for power in range(3)]
    n, sum_x, sum_xx = (moment[np.searchsorted(x, ends, side="left")] for moment in moments)
    # The terms cancel where hardly anything is cut: an error is not negative.
    return n, np.maximum(ends * ends * n - 2.0 * ends * sum_x + sum_xx, 0.0)


def greatest_sqnr_range(distribution: Distribution) -> Range:
    """The range whose quantization changes the histogram's values least, in squares."""
    candidates = [distribution.within(t) for t in distribution.magnitudes()]
    return _first_least(candidates, [squared_error(distribution, *bounds) for bounds in candidates])


def squared_error(distribution: Distribution, low: float, high: float) -> float:
    """What quantizing to [low, high] does to the histogram's values: the sum of squares."""
    x = distribution.values
    step = (high - low) / STEPS
    zero_point = np.rint(-low / step)
    levels = np.clip(np.rint(x / step), -zero_point, STEPS - zero_point)
    return float(np.sum(distribution.counts * (x - levels * step) ** 2))


def least_divergence_range(distribution: Distribution) -> Range:
    """The range whose quantized distribution diverges least from the original.

    Only ranges of at least as many bins as there are levels: fewer are resolved perfectly, and a
    single bin that everything is cut off to does not diverge at all.
    """
    ranges = [distribution.within(t) for t in distribution.magnitudes()]
    x = distribution.values
    resolved = [(low, high) for low, high in ranges if np.sum((x >= low) & (x <= high)) > STEPS]
    candidates = resolved or ranges[-1:]
    return _first_least(candidates, [divergence(distribution, *bounds) for bounds in candidates])


def divergence(distribution: Distribution, low: float, high: float) -> float:
    """KL(P || Q): P has what is cut off at its ends; Q spreads each level's share of what is inside
    evenly over the level's bins that are not empty. Empty bins at which P has what was cut off
    count as nearly empty in Q."""
    x, counts = distribution.values, distribution.counts.astype(np.float64)
    first, last = np.searchsorted(x, low, side="left"), np.searchsorted(x, high, side="right")
    if first >= last:
        return np.inf
    inside = counts[first:last]
    p = inside.copy()
    p[0] += counts[:first].sum()
    p[-1] += counts[last:].sum()
    levels = np.rint((x[first:last] - low) * (STEPS / (high - low))).astype(np.int64)
    filled = inside > 0
    shares = np.bincount(levels, inside, STEPS + 1)
    spread = np.bincount(levels[filled], minlength=STEPS + 1)
    q = np.where(filled, (shares / np.maximum(spread, 1))[levels], 0.0)
    present = p > 0
    q = np.maximum(q[present], _NEARLY_EMPTY)
    p, q = p[present] / p.sum(), q / q.sum()
    return float(np.sum(p * np.log(p / q)))


def _first_least(candidates: list[Range], costs: list[float]) -> Range:
    """The widest candidate of the least cost; (0, 0) where there is nothing to choose from."""
    if not candidates:
        return 0.0, 0.0
    widest_first = range(len(candidates) - 1, -1, -1)
    return candidates[min(widest_first, key=costs.__getitem__)]

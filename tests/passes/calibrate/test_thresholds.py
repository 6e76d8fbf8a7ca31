"""Every criterion against a search over all ranges, written out without its shortcuts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passes.calibrate.measuring.observers import MovingAverage, Optimal, Percentile
from passes.calibrate.measuring.thresholds import (
    STEPS,
    Distribution,
    greatest_sqnr_range,
    least_divergence_range,
    least_squares_range,
)

CRITERIA = (least_squares_range, greatest_sqnr_range, least_divergence_range)


def normal(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(0.3, 1.0, 3000)


def laplace(rng: np.random.Generator) -> np.ndarray:
    return rng.laplace(0.0, 1.0, 3000)


def relu(rng: np.random.Generator) -> np.ndarray:
    return np.maximum(rng.normal(0.0, 2.0, 3000), 0.0)


def outliers(rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([rng.normal(0.0, 1.0, 3000), rng.normal(0.0, 40.0, 3)])


DATA = (normal, laplace, relu, outliers)


def distribution_of(values: np.ndarray, bins: int) -> Distribution:
    observer = Optimal(least_squares_range, bins)
    observer.update(values.astype(np.float32))
    seen: list[Distribution] = []

    def look(distribution: Distribution) -> tuple[float, float]:
        seen.append(distribution)
        return 0.0, 1.0

    observer.choose = look
    observer.estimate()
    return seen[0]


def expected_squared_error(d: Distribution, low: float, high: float) -> float:
    step, total = (high - low) / STEPS, 0.0
    for x, n in zip(d.values.tolist(), d.counts.tolist(), strict=True):
        if x < low:
            total += n * (low - x) ** 2
        elif x > high:
            total += n * (x - high) ** 2
        else:
            total += n * step**2 / 12
    return total - d.zeros * step**2 / 12


def error_of_values(d: Distribution, low: float, high: float) -> float:
    step = (high - low) / STEPS
    zero = round(-low / step)
    total = 0.0
    for x, n in zip(d.values.tolist(), d.counts.tolist(), strict=True):
        level = min(max(round(x / step) + zero, 0), STEPS)
        total += n * (x - (level - zero) * step) ** 2
    return total


def kullback_leibler(d: Distribution, low: float, high: float) -> float:
    """From P to Q, bin by bin and level by level."""
    bins = list(zip(d.values.tolist(), d.counts.tolist(), strict=True))
    inside = [i for i, (x, _) in enumerate(bins) if low <= x <= high]
    if not inside:
        return math.inf
    p = {i: float(bins[i][1]) for i in inside}
    p[inside[0]] += sum(n for x, n in bins if x < low)
    p[inside[-1]] += sum(n for x, n in bins if x > high)
    levels: dict[int, list[int]] = {}
    for i in inside:
        levels.setdefault(round((bins[i][0] - low) * (STEPS / (high - low))), []).append(i)
    q = dict.fromkeys(inside, 0.0)
    for members in levels.values():
        filled = [i for i in members if bins[i][1]]
        for i in filled:
            q[i] = sum(bins[j][1] for j in members) / len(filled)
    seen = {i: (p[i], q[i] or 1e-4) for i in inside if p[i] > 0}
    p_sum, q_sum = (sum(sides) for sides in zip(*seen.values(), strict=True))
    return sum(a / p_sum * math.log((a / p_sum) / (b / q_sum)) for a, b in seen.values())


def pairs(d: Distribution) -> list[tuple[float, float]]:
    ends = [*d.edges.tolist(), d.low, d.high, 0.0]
    lows = sorted({e for e in ends if d.low <= e <= 0.0})
    highs = sorted({e for e in ends if 0.0 <= e <= d.high})
    return [(low, high) for low, high in itertools.product(lows, highs) if high > low]


def magnitudes(d: Distribution) -> list[tuple[float, float]]:
    ends = {abs(e) for pair in pairs(d) for e in pair}
    return sorted({(max(d.low, -t), min(d.high, t)) for t in ends if t > 0.0})


def resolvable(d: Distribution) -> list[tuple[float, float]]:
    """Ranges with at least as many bins as levels."""
    return [
        (low, high)
        for low, high in magnitudes(d)
        if sum(low <= x <= high for x in d.values.tolist()) >= STEPS + 1
    ]


@pytest.mark.parametrize(
    ("choose", "cost", "candidates"),
    [
        (least_squares_range, expected_squared_error, pairs),
        (greatest_sqnr_range, error_of_values, magnitudes),
        (least_divergence_range, kullback_leibler, resolvable),
    ],
)
@pytest.mark.parametrize("make", DATA)
def test_equals_a_search_over_all_ranges(
    choose: Callable[[Distribution], tuple[float, float]],
    cost: Callable[[Distribution, float, float], float],
    candidates: Callable[[Distribution], list[tuple[float, float]]],
    make: Callable[[np.random.Generator], np.ndarray],
) -> None:
    bins = 64 if candidates is pairs else 512
    d = distribution_of(make(np.random.default_rng(5)), bins)
    low, high = choose(d)
    least = min(cost(d, *bounds) for bounds in candidates(d))
    assert d.low <= low <= 0.0 <= high <= d.high
    assert cost(d, low, high) == pytest.approx(least, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60), st.sampled_from(CRITERIA))
def test_never_beyond_the_extremes(
    values: list[float], choose: Callable[[Distribution], tuple[float, float]]
) -> None:
    observer = Optimal(choose, 64)
    observer.update(np.array(values, np.float32))
    low, high = observer.range()
    assert min(*values, 0.0) <= low <= 0.0 <= high <= max(*values, 0.0)
    assert high > low or not any(values)


@pytest.mark.parametrize("choose", CRITERIA)
def test_zeros_have_no_range(choose: Callable[[Distribution], tuple[float, float]]) -> None:
    observer = Optimal(choose, 64)
    observer.update(np.zeros(10, np.float32))
    assert observer.range() == (0.0, 0.0)


@pytest.mark.parametrize("choose", CRITERIA)
def test_outliers_are_cut_off(choose: Callable[[Distribution], tuple[float, float]]) -> None:
    rng = np.random.default_rng(0)
    observer = Optimal(choose, 2048)
    observer.update(np.append(rng.normal(0.0, 1.0, 1_000_000), 500.0).astype(np.float32))
    _, high = observer.range()
    assert high < 250.0


def test_exact_zeros_cost_no_resolution() -> None:
    """Zeros are exact in any range, so their number does not speak for cutting the others off."""
    rng = np.random.default_rng(0)
    values = np.abs(rng.laplace(0.0, 1.0, 2000))
    ranges = []
    for zeros in (0, 1_000_000):
        observer = Optimal(least_squares_range, 2048)
        observer.update(np.append(values, np.zeros(zeros)).astype(np.float32))
        ranges.append(observer.range())
    assert ranges[0] == ranges[1]


# --- ranges that are no compromise ------------------------------------------------------------


@pytest.mark.parametrize("percentile", [90.0, 99.0, 99.99, 100.0])
@pytest.mark.parametrize("make", DATA)
def test_percentile_equals_a_search_over_all_edges(
    make: Callable[[np.random.Generator], np.ndarray], percentile: float
) -> None:
    """The innermost edges beyond which no more than half the rest lies, within the extremes."""
    values = make(np.random.default_rng(7)).astype(np.float32)
    observer = Percentile(percentile, 256)
    for part in np.array_split(values, 3):
        observer.update(part)
    histogram = observer.histogram
    edges = [(histogram.start + i) * histogram.width for i in range(257)]
    allowed = (100.0 - percentile) / 200.0 * len(values)
    low = max(edge for edge in edges if sum(v < edge for v in values.tolist()) <= allowed)
    high = min(edge for edge in edges if sum(v >= edge for v in values.tolist()) <= allowed)
    expected = max(low, float(values.min())), min(high, float(values.max()))
    assert observer.estimate() == expected


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("make", DATA)
def test_moving_average_is_the_weighted_sum(
    make: Callable[[np.random.Generator], np.ndarray], momentum: float
) -> None:
    batches = np.array_split(make(np.random.default_rng(7)).astype(np.float32), 6)
    observer = MovingAverage(momentum)
    for batch in batches:
        observer.update(batch)
    weights = [momentum**5] + [(1 - momentum) * momentum ** (5 - i) for i in range(1, 6)]
    low = sum(w * float(b.min()) for w, b in zip(weights, batches, strict=True))
    high = sum(w * float(b.max()) for w, b in zip(weights, batches, strict=True))
    assert observer.estimate() == pytest.approx((low, high), rel=1e-12, abs=1e-12)

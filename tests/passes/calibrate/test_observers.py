from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from passes.calibrate.histogram import Histogram
from passes.calibrate.observers import MinMax, MovingAverage, Percentile

finite = arrays(
    np.float32,
    st.integers(1, 40),
    elements=st.floats(-(2.0**100), 2.0**100, width=32),
)


def test_min_max_is_the_extremes_and_holds_zero() -> None:
    observer = MinMax()
    for batch in ([1.0, 2.0], [3.0, 2.5]):
        observer.update(np.array(batch, np.float32))
    assert observer.estimate() == (1.0, 3.0)
    assert observer.range() == (0.0, 3.0)


def test_moving_average_weighs_batches() -> None:
    observer = MovingAverage(0.75)
    observer.update(np.array([-4.0, 8.0], np.float32))
    observer.update(np.array([0.0, 0.0], np.float32))
    assert observer.range() == (-3.0, 6.0)


@given(st.lists(finite, min_size=1, max_size=5), st.integers(0, 2**31))
def test_histogram_depends_on_the_data_only(batches: list[np.ndarray], seed: int) -> None:
    """Not on the order of the batches, nor on how the data is cut into batches."""
    histograms = [Histogram(64) for _ in range(3)]
    order = np.random.default_rng(seed).permutation(len(batches))
    for batch in batches:
        histograms[0].update(batch)
    for index in order:
        histograms[1].update(batches[index])
    histograms[2].update(np.concatenate(batches))
    first = histograms[0].quantile_bounds(0.0)
    for other in histograms:
        assert other.quantile_bounds(0.0) == first
        assert other.counts.sum() == sum(batch.size for batch in batches)
        used = other.counts[other.counts > 0].tolist()
        assert used == histograms[0].counts[histograms[0].counts > 0].tolist()


@given(finite)
def test_histogram_bounds_hold_the_data(values: np.ndarray) -> None:
    histogram = Histogram(64)
    histogram.update(values)
    low, high = histogram.quantile_bounds(0.0)
    assert low <= values.min()
    assert values.max() <= high


def test_percentile_cuts_outliers_evenly() -> None:
    values = np.concatenate([np.linspace(-1, 1, 100_001), [50.0] * 20]).astype(np.float32)
    observer = Percentile(99.0, 4096)
    for part in np.array_split(values, 7):
        observer.update(part)
    low, high = observer.range()
    width = observer.histogram.width
    assert low == pytest.approx(-0.99, abs=2 * width)
    assert high == pytest.approx(0.99, abs=2 * width)


def test_percentile_100_is_min_max() -> None:
    values = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    observer = Percentile(100.0, 128)
    observer.update(values)
    assert observer.range() == (float(values.min()), float(values.max()))


def test_percentile_memory_is_bounded() -> None:
    observer = Percentile(99.9, 128)
    for seed in range(50):
        values = np.random.default_rng(seed).normal(size=1000) * 2.0**seed
        observer.update(values.astype(np.float32))
    assert observer.histogram.counts.nbytes == 128 * 8


def test_zeros_only() -> None:
    observer = Percentile(99.9, 128)
    observer.update(np.zeros(5, np.float32))
    observer.update(np.zeros(5, np.float32))
    assert observer.range() == (0.0, 0.0)


def test_zeros_then_values() -> None:
    observer = Percentile(99.9, 128)
    observer.update(np.zeros(5, np.float32))
    observer.update(np.full(5, 3.0, np.float32))
    assert observer.range() == (0.0, 3.0)

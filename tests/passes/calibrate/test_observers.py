from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dialects.calibrator import Method
from passes.calibrate.measuring.histogram import Histogram
from passes.calibrate.measuring.observers import MinMax, MovingAverage, Percentile, observer_of

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


# --- merging ----------------------------------------------------------------------------------

METHODS = (
    Method("min-max"),
    Method("moving-average", momentum=0.75),
    Method("percentile", percentile=90.0, bins=64),
    Method("mse", bins=64),
    Method("sqnr", bins=64),
    Method("entropy", bins=512),
)


@st.composite
def divided(draw: st.DrawFn) -> tuple[list[np.ndarray], list[list[int]]]:
    """Batches, and the numbers of those that each of some workers gets, in some order."""
    batches = draw(st.lists(finite, min_size=1, max_size=9))
    owners = draw(st.lists(st.integers(0, 3), min_size=len(batches), max_size=len(batches)))
    parts = [[i for i, who in enumerate(owners) if who == one] for one in range(4)]
    return batches, draw(st.permutations([part for part in parts if part]))


def same(a: Histogram, b: Histogram) -> bool:
    return (a.width, a.start, a.zeros) == (b.width, b.start, b.zeros) and np.array_equal(
        a.counts, b.counts
    )


@given(divided())
def test_merged_histograms_are_those_of_the_whole(case: tuple[Any, Any]) -> None:
    batches, parts = case
    whole, merged = Histogram(64), Histogram(64)
    for batch in batches:
        whole.update(batch)
    for part in parts:
        histogram = Histogram(64)
        for index in part:
            histogram.update(batches[index])
        merged.merge(histogram)
    assert same(whole, merged)
    assert whole.zeros == sum(int((batch == 0).sum()) for batch in batches)


@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("method", METHODS, ids=str)
@given(case=divided())
def test_merged_observers_give_the_range_of_the_whole(method: Method, case: Any) -> None:
    batches, parts = case
    whole, merged = observer_of(method), observer_of(method)
    for index, batch in enumerate(batches):
        whole.update(batch, index)
    for part in parts:
        observer = observer_of(method)
        for index in part:
            observer.update(batches[index], index)
        merged.merge(observer)
    assert merged.range() == whole.range()
    low, high = whole.range()
    everything = np.concatenate(batches)
    assert min(everything.min(), 0.0) <= low <= 0.0 <= high <= max(everything.max(), 0.0)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_merged_zeros_have_no_range(method: Method) -> None:
    merged = observer_of(method)
    for index in range(3):
        observer = observer_of(method)
        observer.update(np.zeros((2, 3), np.float32), index)
        merged.merge(observer)
    assert merged.range() == (0.0, 0.0)


@pytest.mark.parametrize("scale", [2.0**-140, 2.0**-20, 1.0, 2.0**100])
def test_bins_are_those_of_exact_arithmetic(scale: float) -> None:
    """In float32 and in float64, and for values that underflow once divided by the width."""
    values = np.random.default_rng(0).normal(size=500).astype(np.float32) * np.float32(scale)
    values = np.concatenate([values, [-(2.0**-149), 0.0, 2.0**-149]]).astype(np.float32)
    histogram = Histogram(128)
    histogram.update(values)
    counts = Counter(math.floor(Fraction(float(v)) / Fraction(histogram.width)) for v in values)
    expected = [counts[histogram.start + i] for i in range(128)]
    assert histogram.counts.tolist() == expected


def test_the_layout_of_an_array_does_not_matter() -> None:
    array = np.random.default_rng(0).normal(size=(2, 8, 9, 16)).astype(np.float32)
    window = np.zeros((2, 10, 11, 16), np.float32)[:, 1:9, 1:10]
    window[...] = array
    for method in METHODS:
        plain, strided = observer_of(method), observer_of(method)
        plain.update(array)
        strided.update(window.transpose(0, 3, 1, 2))
        assert plain.range() == strided.range()

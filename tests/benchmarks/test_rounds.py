"""Statistics of the harness, on times that are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rounds import MOST_CALLS, STATISTICS, median_estimate, ratio_estimate, time_rounds

seconds = st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=30)


@given(seconds)
def test_an_interval_holds_the_median_and_lies_within_the_values(values: list[float]) -> None:
    estimate = median_estimate(values)
    assert estimate.value == pytest.approx(np.median(values))
    rounding = 1 + 1e-12
    ordered = [min(values), estimate.low, estimate.value, estimate.high, max(values)]
    assert all(a <= b * rounding for a, b in itertools.pairwise(ordered))


def test_drift_that_both_share_cancels_in_the_ratio() -> None:
    drift = np.linspace(1, 3, 20)
    ratio = ratio_estimate(2.5 * drift, drift)
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx((2.5, 2.5, 2.5))


def test_one_disturbed_round_does_not_move_the_ratio() -> None:
    slower, faster = np.full(15, 3.0), np.ones(15)
    slower[4] = 100
    assert ratio_estimate(slower, faster).value == pytest.approx(3)


def test_the_interval_covers_the_true_median() -> None:
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        estimate = median_estimate(random.lognormal(0, 0.1, 21), resamples=300)
        covered += estimate.low <= 1 <= estimate.high
    assert 0.88 < covered / 200 <= 1


def test_more_rounds_narrow_the_interval() -> None:
    random = np.random.default_rng(1)
    few = median_estimate(random.lognormal(0, 0.2, 9))
    many = median_estimate(random.lognormal(0, 0.2, 400))
    assert many.high - many.low < few.high - few.low


def test_every_candidate_runs_in_every_round() -> None:
    calls = {"a": 0, "b": 0}
    started: list[int] = []

    def counted(name: str):
        def run() -> None:
            calls[name] += 1

        return run

    times = time_rounds(
        {name: counted(name) for name in calls},
        rounds=3,
        seconds=1e-4,
        before_round=lambda: started.append(1),
    )
    assert len(started) == 3
    assert {name: len(found) for name, found in times.items()} == {"a": 3, "b": 3}
    assert all(3 * 4 + 2 <= count <= 3 * (MOST_CALLS + 1) + 2 for count in calls.values())


def test_the_minimum_is_asked_for() -> None:
    assert {name: float(figure(np.array([3, 1, 8]))) for name, figure in STATISTICS.items()} == {
        "median": 3,
        "minimum": 1,
    }
    with pytest.raises(KeyError):
        time_rounds({}, rounds=1, seconds=1, statistic="mean")

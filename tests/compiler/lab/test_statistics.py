"""Statistics against scipy and values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.lab.statistics import bootstrap, holm, noise_floor, paired_p_value, proportion

stats = pytest.importorskip("scipy.stats")


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=10))
def test_holm_keeps_the_order_and_only_raises(values: list[float]) -> None:
    corrected = holm(values)
    assert all(before <= after <= 1 for before, after in zip(values, corrected, strict=True))
    ranked = [corrected[i] for i in np.argsort(values, kind="stable")]
    assert ranked == sorted(ranked)


def test_bootstrap_against_scipy() -> None:
    sample = np.random.default_rng(3).normal(5, 2, 60)
    ours = bootstrap(sample, resamples=9999)
    theirs = stats.bootstrap((sample,), np.mean, method="percentile", rng=1).confidence_interval
    assert ours.estimate == pytest.approx(sample.mean())
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs), abs=0.05)
    assert ours == bootstrap(sample, resamples=9999)
    assert bootstrap([2.0]).high == 2.0
    with pytest.raises(ValueError, match="no values"):
        bootstrap([])


@pytest.mark.parametrize(("successes", "trials"), [(0, 4), (4, 4), (3, 10), (1, 1)])
def test_proportions_against_scipy(successes: int, trials: int) -> None:
    ours = proportion(successes, trials)
    theirs = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert ours.low <= ours.estimate <= ours.high


def test_paired_tests() -> None:
    # Six differences of one sign: exactly 2 of the 2**6 assignments are as far out.
    assert paired_p_value([1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, 0]) == pytest.approx(2 / 64)
    assert paired_p_value([1, 2], [1, 2]) == 1.0
    with pytest.raises(ValueError, match="shape"):
        paired_p_value([1.0, 2.0, 3.0], [1.0, 2.0])


def test_the_noise_floor_grows_with_the_noise() -> None:
    source = np.random.default_rng(0)
    quiet, loud = (
        noise_floor([list(source.normal(1, spread, 20)) for _ in range(4)])
        for spread in (0.001, 0.05)
    )
    assert 0 < quiet < loud < 0.2
    assert noise_floor([[1.0] * 10]) == 0.0
    with pytest.raises(ValueError, match="two rounds"):
        noise_floor([[1.0]])

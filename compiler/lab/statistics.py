"""Statistics on rows: bootstrap intervals, paired tests, corrections, and the noise of timing.

Chance comes from seeds alone, so results are the same every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from dialects.errors import OctetError

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval."""

    estimate: float
    low: float
    high: float


def bootstrap(
    values: Sequence[float] | np.ndarray,
    statistic: Callable[..., np.ndarray] = np.mean,
    *,
    seed: int = 0,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> Interval:
    """The percentile bootstrap (Efron, 1979) of a statistic of one sample.

    `statistic` is a numpy reduction with `axis`. Raises ValueError without values.
    """
    sample = np.asarray(values, np.float64)
    if not sample.size:
        raise ValueError("no values to resample")
    drawn = np.random.default_rng(seed).integers(0, sample.size, (resamples, sample.size))
    spread = statistic(sample[drawn], axis=1)
    low, high = np.quantile(spread, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(statistic(sample, axis=0)), float(low), float(high))


def proportion(successes: int, trials: int, level: float = LEVEL) -> Interval:
    """A share with Wilson's score interval (1927), which has a width where all trials agree.

    Raises ValueError without trials.
    """
    if trials < 1:
        raise ValueError("no trials")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = (
        z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    )
    # Rounding must not leave the share outside.
    return Interval(share, min(max(0.0, middle - half), share), max(min(1.0, middle + half), share))


def paired_p_value(left: Sequence[float], right: Sequence[float]) -> float:
    """Wilcoxon's signed-rank test of pairs, two-sided; 1 when no pair differs.

    Raises OctetError without scipy, ValueError for samples of different length.
    """
    differences = np.asarray(left, np.float64) - np.asarray(right, np.float64)
    if not np.any(differences):
        return 1.0
    try:
        from scipy.stats import wilcoxon
    except ImportError as error:
        raise OctetError("paired tests need scipy: pip install 'octet[lab]'") from error
    # Exact while it can be: without ties and zeros; scipy falls back by itself otherwise.
    result: Any = wilcoxon(differences, zero_method="wilcox", method="auto")
    return float(result.pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, 1979): the chance of any false claim among all of
    them is below alpha where the corrected values are."""
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def noise_floor(rounds: Sequence[Sequence[float]], level: float = LEVEL) -> float:
    """The relative difference of medians that a program shows to itself (A/A): its rounds are split
    by chance into halves many times, and `level` of the differences are below this.

    `rounds` has the measured rounds of each program. Raises ValueError without two rounds each.
    """
    differences: list[float] = []
    for index, one in enumerate(rounds):
        values = np.asarray(one, np.float64)
        half = values.size // 2
        if half < 1:
            raise ValueError("an A/A comparison needs at least two rounds")
        source = np.random.default_rng(index)
        for _ in range(RESAMPLES // 10):
            mixed = source.permutation(values)
            a, b = np.median(mixed[:half]), np.median(mixed[half : 2 * half])
            differences.append(float(abs(a - b) / np.median(values)))
    return float(np.quantile(differences, level))

"""Timing by interleaved rounds, and what is concluded from it.

Clock frequency and neighbours change over seconds. So all candidates run in one process, once in
each round, in an order shuffled anew; a candidate's figure in a round is its median call (on a
machine that others use as well: its fastest), and two candidates are compared by the median, over
rounds, of the ratio within a round.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

PAUSE = 0.01
"""Seconds before each candidate's turn: worker threads of the one before stop spinning."""

STATISTICS: dict[str, Callable[[np.ndarray], np.floating]] = {
    "median": np.median,
    "minimum": np.min,
}

LEAST_CALLS, MOST_CALLS = 3, 500


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


def time_rounds(
    candidates: Mapping[str, Callable[[], object]],
    rounds: int,
    seconds: float,
    before_round: Callable[[], None] = lambda: None,
    statistic: str = "median",
    seed: int = 0,
) -> dict[str, list[float]]:
    """Seconds of each candidate's median call in each round; its fastest if `statistic` is
    "minimum".

    A turn is about `seconds` long, after one call that is not timed. `before_round` may measure
    what the rounds are compared with.
    """
    figure = STATISTICS[statistic]
    calls = {name: _calls(run, seconds) for name, run in candidates.items()}
    times: dict[str, list[float]] = {name: [] for name in candidates}
    random, order = np.random.default_rng(seed), list(candidates)
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            before_round()
            random.shuffle(order)
            for name in order:
                time.sleep(PAUSE)
                candidates[name]()
                times[name].append(float(figure(_timed(candidates[name], calls[name]))))
    finally:
        gc.enable()
    return times


def _calls(run: Callable[[], object], seconds: float) -> int:
    run()
    start = time.perf_counter()
    run()
    once = max(time.perf_counter() - start, 1e-7)
    return int(np.clip(seconds / once, LEAST_CALLS, MOST_CALLS))


def _timed(run: Callable[[], object], calls: int) -> np.ndarray:
    times = np.zeros(calls)
    for index in range(calls):
        start = time.perf_counter()
        run()
        times[index] = time.perf_counter() - start
    return times


def median_estimate(values: Sequence[float], resamples: int = 2000, seed: int = 0) -> Estimate:
    """The median with its bootstrap percentile interval (Efron, 1979)."""
    array = np.asarray(values, np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(array), (resamples, len(array)))
    medians = np.median(array[drawn], axis=1)
    low, high = np.percentile(medians, [2.5, 97.5])
    return Estimate(float(np.median(array)), float(low), float(high))


def ratio_estimate(slower: Sequence[float], faster: Sequence[float]) -> Estimate:
    """How many times as long `slower` takes as `faster`: both in seconds, one for each round."""
    return median_estimate(np.asarray(slower) / np.asarray(faster))

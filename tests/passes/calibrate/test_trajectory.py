"""Ranges of all batches and of those up to about halfway, whoever saw which of them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passes.calibrate.measuring.observers import MinMax, Percentile
from passes.calibrate.measuring.trajectory import KEPT, Trajectory, span_of


def batch(index: int) -> np.ndarray:
    """Extremes that grow: every range of a beginning differs from that of a longer one."""
    return np.array([-1.0 - index, 2.0 + index], np.float32)


def seen(indices: list[int]) -> Trajectory:
    trajectory = Trajectory(MinMax)
    for index in indices:
        array = batch(index)
        trajectory.add(array, float(array.min()), float(array.max()), index)
    return trajectory


def test_spans_double() -> None:
    assert [span_of(index) for index in range(9)] == [0, 1, 2, 2, 3, 3, 3, 3, 4]


@pytest.mark.parametrize(
    ("batches", "earlier"), [(2, 1), (3, 2), (4, 2), (5, 2), (6, 4), (8, 4), (9, 4), (125, 64)]
)
def test_the_earlier_batches_leave_out_at_least_a_quarter(batches: int, earlier: int) -> None:
    trajectory = seen(list(range(batches)))
    assert trajectory.range() == (-float(batches), batches + 1.0)
    assert trajectory.range_before(batches) == (earlier, (-float(earlier), earlier + 1.0))
    assert batches - earlier >= batches / 4


def test_one_batch_has_nothing_before() -> None:
    assert seen([0]).range_before(1) is None


def test_a_value_that_was_not_seen_early_has_nothing_before() -> None:
    assert seen([6, 7]).range_before(8) is None


@given(st.integers(2, 70), st.randoms(use_true_random=False))
def test_parts_merge_to_the_whole(batches: int, random: object) -> None:
    order = list(range(batches))
    random.shuffle(order)  # pyright: ignore[reportAttributeAccessIssue]
    cuts = sorted(random.sample(range(batches + 1), 2))  # pyright: ignore[reportAttributeAccessIssue]
    whole, merged = seen(list(range(batches))), Trajectory(MinMax)
    for part in (order[: cuts[0]], order[cuts[0] : cuts[1]], order[cuts[1] :]):
        if part:
            merged.merge(seen(sorted(part)))
    assert merged.range() == whole.range()
    assert merged.range_before(batches) == whole.range_before(batches)


def test_memory_is_that_of_three_observers() -> None:
    trajectory = Trajectory(partial(Percentile, 99.0, 64))
    for index in range(300):
        array = batch(index)
        trajectory.add(array, float(array.min()), float(array.max()), index)
    assert len(trajectory.spans) == KEPT + 1

"""Stages: what may run without waiting, and how many threads are worth it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from runtime.kernels.abi import Call, kernel
from runtime.schedule import SHARE_NS, WIDEST, Stage, best_threads, stages_of


@kernel
def nothing(row: int, thread: int, threads: int) -> None:
    pass


SMALL = Call(nothing, (), work=100.0)
LARGE = Call(nothing, (), work=10 * SHARE_NS)
BORDER = Call(nothing, (), work=100.0, independent=True)
UNKNOWN = Call(nothing, ())


def spans(calls: list[Call]) -> list[tuple[int, int, int]]:
    return [(stage.first, stage.end, stage.width) for stage in stages_of(calls)]


def test_small_calls_form_one_stage() -> None:
    assert spans([SMALL, SMALL, BORDER, SMALL]) == [(0, 4, 1)]


def test_a_shared_call_stands_alone_but_for_what_is_independent_of_it() -> None:
    calls = [SMALL, LARGE, BORDER, BORDER, SMALL, SMALL, LARGE, LARGE]
    assert spans(calls) == [(0, 1, 1), (1, 4, 10), (4, 6, 1), (6, 7, 10), (7, 8, 10)]


def test_calls_of_unknown_work_are_shared_by_all() -> None:
    assert spans([UNKNOWN, UNKNOWN]) == [(0, 1, WIDEST), (1, 2, WIDEST)]


def test_no_calls_no_stages() -> None:
    assert stages_of([]) == []


works = st.floats(0, 50 * SHARE_NS) | st.none()
calls_strategy = st.lists(
    st.builds(lambda work, border: replace(UNKNOWN, work=work, independent=border), works,
              st.booleans())
)  # fmt: skip


@given(calls_strategy)
def test_rows_that_depend_on_one_another_share_a_stage_only_on_one_thread(
    calls: list[Call],
) -> None:
    stages = stages_of(calls)
    rows = [row for stage in stages for row in range(stage.first, stage.end)]
    assert rows == list(range(len(calls)))
    for stage in stages:
        if stage.width > 1:
            assert all(calls[row].independent for row in range(stage.first + 1, stage.end))


def test_small_programs_run_on_one_thread_and_large_ones_on_all() -> None:
    assert best_threads([Stage(0, 9, 1, 20e3)], 8) == 1
    assert best_threads([Stage(0, 1, 2, 4e3)] * 2, 8) == 1
    assert best_threads([Stage(0, 1, 300, 1e6)] * 20, 8) == 8
    assert best_threads([Stage(0, 1, 2, 1e6)] * 20, 8) == 2
    assert best_threads([], 4) == 1
    assert best_threads([Stage(0, 1, WIDEST)], 1) == 1

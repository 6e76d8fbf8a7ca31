"""The arena planner: what it places is sound, and the proof catches what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.errors import OctetError
from runtime.planning.arena import ALIGNMENT, Buffer, arena_size, check, place, round_up

buffers = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 20), st.integers(0, 8)), max_size=25
).map(
    lambda rows: [
        Buffer(f"b{index}", size, first, first + length)
        for index, (size, first, length) in enumerate(rows)
    ]
)


@given(buffers)
def test_placements_pass_the_proof(buffers: list[Buffer]) -> None:
    offsets = place(buffers)
    check(buffers, offsets, arena_size(buffers, offsets))


@given(buffers)
def test_no_live_pair_shares_a_byte(buffers: list[Buffer]) -> None:
    """The same claim as `check`, by comparing every pair."""
    offsets = place(buffers)
    for i, a in enumerate(buffers):
        for j, b in enumerate(buffers[:i]):
            if a.first <= b.last and b.first <= a.last and a.size and b.size:
                assert offsets[i] + a.size <= offsets[j] or offsets[j] + b.size <= offsets[i]


@given(buffers)
def test_arena_holds_at_least_the_widest_step(buffers: list[Buffer]) -> None:
    offsets = place(buffers)
    size = arena_size(buffers, offsets)
    live = [sum(b.size for b in buffers if b.first <= step <= b.last) for step in range(30)]
    assert size >= max(live)
    assert size <= sum(round_up(buffer.size) for buffer in buffers)


def test_buffers_that_never_meet_share_memory() -> None:
    chain = [Buffer(str(i), 1000, i, i + 1) for i in range(10)]
    offsets = place(chain)
    assert arena_size(chain, offsets) == 2 * round_up(1000)


def test_overlap_is_found() -> None:
    pair = [Buffer("a", 100, 0, 2), Buffer("b", 100, 2, 3)]
    with pytest.raises(OctetError, match=r"buffers (a and b|b and a) are alive"):
        check(pair, [0, ALIGNMENT], 1000)


def test_overlap_across_a_shorter_buffer_is_found() -> None:
    """A long buffer may overlap one that does not follow it directly in address order."""
    three = [Buffer("long", 1000, 0, 9), Buffer("gone", 64, 10, 11), Buffer("late", 64, 5, 6)]
    with pytest.raises(OctetError, match="alive at the same time"):
        check(three, [0, 64, 640], 2000)


@pytest.mark.parametrize("offset", [-ALIGNMENT, 1, 960])
def test_buffers_must_lie_aligned_inside_the_arena(offset: int) -> None:
    with pytest.raises(OctetError, match="not aligned inside"):
        check([Buffer("a", 100, 0, 1)], [offset], 1000)

"""Layered drawings: no box on another, every edge downwards, few crossings."""

from __future__ import annotations

from itertools import combinations, pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.report.layout import Box, Vertex, crossings, draw, isotonic, layers_of

BOX = Box(width=100, height=40, gap=20, lane=10, step=80)


@st.composite
def graphs(draw_from: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    count = draw_from(st.integers(1, 24))
    pairs = list(combinations(range(count), 2))
    edges = draw_from(st.lists(st.sampled_from(pairs), unique=True, max_size=40)) if pairs else []
    return count, edges


@given(graphs())
@settings(max_examples=150, deadline=None)
def test_boxes_do_not_overlap_and_edges_go_down(graph: tuple[int, list[tuple[int, int]]]) -> None:
    count, edges = graph
    drawing = draw(count, edges, BOX)
    assert len(drawing.centres) == count
    for (x, y), (other_x, other_y) in combinations(drawing.centres, 2):
        assert abs(x - other_x) >= BOX.width + BOX.gap - 1e-6 or abs(y - other_y) >= BOX.step - 1e-6
    for (source, target), path in zip(edges, drawing.paths, strict=True):
        (x, y), (to_x, to_y) = drawing.centres[source], drawing.centres[target]
        assert path[0] == (x, y + BOX.height / 2)
        assert path[-1] == (to_x, to_y - BOX.height / 2)
        assert all(before[1] < after[1] for before, after in pairwise(path))
    for x, y in drawing.centres:
        assert BOX.width / 2 - 1e-6 <= x <= drawing.width - BOX.width / 2 + 1e-6
        assert BOX.height / 2 <= y <= drawing.height - BOX.height / 2


@given(graphs())
@settings(max_examples=100, deadline=None)
def test_an_edge_passes_no_box(graph: tuple[int, list[tuple[int, int]]]) -> None:
    """Within the layers that an edge crosses it runs straight down, beside their boxes."""
    count, edges = graph
    drawing = draw(count, edges, BOX)
    for path in drawing.paths:
        for (x, y), (_, below) in zip(path[1:-1:2], path[2:-1:2], strict=True):
            assert below - y == pytest.approx(BOX.height)
            for node_x, node_y in drawing.centres:
                if abs(node_y - (y + below) / 2) < 1:
                    assert abs(node_x - x) >= BOX.width / 2 + 1e-6


def test_layers_follow_the_longest_path_and_inputs_stay_near_their_use() -> None:
    # 0 -> 1 -> 2 -> 4, 3 -> 4: node 3 is an input that is used late.
    assert layers_of(5, [(0, 1), (1, 2), (2, 4), (3, 4), (0, 4)]) == [0, 1, 2, 2, 3]


def test_a_chain_is_straight_and_branches_are_symmetric() -> None:
    chain = draw(4, [(0, 1), (1, 2), (2, 3)], BOX)
    assert len({x for x, _ in chain.centres}) == 1
    fork = draw(4, [(0, 1), (0, 2), (1, 3), (2, 3)], BOX)
    xs = [x for x, _ in fork.centres]
    assert xs[0] == pytest.approx(xs[3])
    assert (xs[1] + xs[2]) / 2 == pytest.approx(xs[0])


def test_crossings_that_can_be_avoided_are() -> None:
    # Two chains given crosswise.
    drawing = draw(6, [(0, 3), (1, 2), (2, 5), (3, 4)], BOX)
    xs = [x for x, _ in drawing.centres]
    assert (xs[0] < xs[1]) == (xs[3] < xs[2]) == (xs[4] < xs[5])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), unique=True, max_size=20))
def test_crossings_are_counted(edges: list[tuple[int, int]]) -> None:
    vertices = [Vertex(i, i // 6, False) for i in range(12)]
    for upper, lower in edges:
        vertices[upper].below.append(6 + lower)
    expected = sum((a - c) * (b - d) < 0 for (a, b), (c, d) in combinations(edges, 2))
    assert crossings(vertices, [list(range(6)), list(range(6, 12))]) == expected


@given(
    st.lists(
        st.tuples(st.integers(-9, 9), st.sampled_from([1.0, 2.0, 4.0])), min_size=1, max_size=4
    )
)
def test_isotonic_regression_is_the_nearest_nondecreasing_sequence(
    values: list[tuple[int, float]],
) -> None:
    def distance(found: list[float]) -> float:
        return sum(w * (x - v) ** 2 for (v, w), x in zip(values, found, strict=True))

    found = isotonic([(float(v), w) for v, w in values])
    assert all(a <= b + 1e-9 for a, b in pairwise(found))
    grid = sorted({*(float(v) for v, _ in values), *found})
    best = min(
        distance(list(candidate))
        for candidate in product(grid, repeat=len(values))
        if all(a <= b for a, b in pairwise(candidate))
    )
    assert distance(found) <= best + 1e-9


def test_an_edge_against_the_order_is_refused() -> None:
    with pytest.raises(ValueError, match="topological order"):
        draw(2, [(1, 0)], BOX)


def test_nothing_can_be_drawn() -> None:
    assert draw(0, [], BOX).centres == ()

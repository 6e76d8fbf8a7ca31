from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selector_speed import random_graph

from dialects.errors import OctetError
from dialects.nn.base import NnOp
from dialects.nn.elementwise import AddOp, ClipOp, MulOp, ReluOp, SigmoidOp
from dialects.nn.normalization import BatchNormOp
from passes.placement.selectors import select, selectable_ops
from passes.placement.selectors.graph import Parts, part_types, seen_through


def reaches(ops: list[NnOp]) -> np.ndarray:
    """[i, j]: op j uses a result of op i, directly or not, or is op i. Each op by itself."""
    position: dict[Any, int] = {op: index for index, op in enumerate(ops)}
    closure = np.eye(len(ops), dtype=bool)
    for index, op in enumerate(ops):
        for value in op.operands:
            if value.owner in position:
                closure[:, index] |= closure[:, position[value.owner]]
    return closure


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 60), st.data())
def test_between_is_what_brute_force_finds(seed: int, count: int, data: st.DataObject) -> None:
    ops = random_graph(count, seed)
    source, sink = (data.draw(st.integers(0, len(ops) - 1)) for _ in range(2))
    closure = reaches(ops)
    expected = [op for i, op in enumerate(ops) if closure[source, i] and closure[i, sink]]
    selector = f"between(index:[{source}], index:[{sink}])"
    if expected:
        assert select(selector, ops) == expected
    else:
        with pytest.raises(OctetError, match="no path leads from"):
            select(selector, ops)


def test_between_on_a_large_graph_with_residual_links() -> None:
    ops = random_graph(2_000, 0)
    closure = reaches(ops)
    expected = [
        op
        for i, op in enumerate(ops)
        if closure[[3, 40], i].any() and closure[i, [1500, 1800]].any()
    ]
    assert 500 < len(expected) < 1_500
    sources, sinks = "index:[3] or index:[40]", "index:[1500] or index:[1800]"
    assert select(f"between({sources}, {sinks})", ops) == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 40))
def test_a_pattern_without_a_slice_is_all_its_matches(seed: int, count: int) -> None:
    ops = random_graph(count, seed)
    for chain in ("relu->add", "sigmoid->*", "add->add->relu", "*->relu->*"):
        try:
            everything = select(f"pattern({chain})", ops)
        except OctetError:
            continue
        # With a slice among the matches, they are looked at one by one.
        assert select(f"pattern({chain})[0:]", ops) == everything


def test_what_arrows_lead_through(network: Callable[..., Any]) -> None:
    net = network([1, 2, 4, 4])
    a = net.conv(net.x, 2, 1, "a")
    scale = net.constant(np.ones((1, 2, 1, 1)))
    four = [net.constant(np.ones(2)) for _ in range(4)]
    x = net.op(MulOp, a, scale, layer="scale")
    x = net.op(AddOp, scale, x, layer="bias")
    x = net.op(BatchNormOp, x, *four, epsilon=1e-5, layer="norm")
    x = net.op(ClipOp, x, min=0.0, max=6.0, layer="clip")
    x = net.op(ReluOp, x, layer="relu")
    x = net.conv(x, 2, 1, "b")
    x = net.op(SigmoidOp, x, layer="gate")
    x = net.op(AddOp, x, a, layer="sum")
    net.outputs(net.conv(x, 2, 1, "c"))
    ops = selectable_ops(net.module)
    through = [op.names[0] for op in ops if seen_through(op)]
    assert through == ["scale", "bias", "norm", "clip", "relu"]
    assert select("pattern(conv->conv)", ops) == select("name:a or name:b", ops)


def test_parts(network: Callable[..., Any]) -> None:
    net = network([1, 2, 4, 4])
    a = net.conv(net.x, 2, 1, "a", relu=True)
    b = net.conv(a, 2, 1, "b", residual=a, relu=True)
    net.outputs(net.dense(b, 3, "c"))
    ops = selectable_ops(net.module)
    assert [part_types(op) for op in ops] == [["conv", "relu"], ["conv", "add", "relu"], ["matmul"]]
    parts = Parts.of(ops)
    assert parts.owners == [0, 0, 1, 1, 1, 2]
    assert parts.successors == [[1], [2, 3], [3], [4], [5], []]
    assert parts.transparent == [False, True, False, False, True, False]

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from dialects.nn.elementwise import AddOp
from passes.placement.selectors import SelectorError, select, selectable_ops
from passes.placement.selectors.patterns import MAX_MATCHES
from passes.simplify.fuse_activation import FuseActivationPass
from passes.simplify.fuse_residual import FuseResidualPass

Picks = Callable[[str], list[int]]


@pytest.mark.parametrize(
    ("selector", "positions"),
    [
        ("pattern(conv->relu->conv)", [0, 1, 3, 4, 5]),
        ("pattern(conv->relu)", [0, 1, 3, 4]),
        # Seen through ReLU, pooling and transposing, but not through the sigmoid.
        ("pattern(conv->conv)", [0, 3, 5]),
        ("pattern(conv->sigmoid->conv)", []),
        ("pattern(add->sigmoid->conv)", [6, 9, 10]),
        ("pattern(conv->conv->add)", [3, 5, 6]),
        # Matches in order: (0, 3), (3, 5).
        ("pattern(conv->conv)[0]", [0, 3]),
        ("pattern(conv->conv)[1:]", [3, 5]),
        ("pattern(conv->conv)[-1]", [3, 5]),
        # What of a match: the steps behind the comma.
        ("pattern(conv->conv)[:, 1]", [3, 5]),
        ("pattern(conv->conv)[0, 1]", [3]),
        ("pattern(conv->relu->conv)[:, 0::2]", [0, 3, 5]),
        # The residual: the stem reaches the addition through its ReLU and the pool.
        ("pattern(conv->add)", [0, 5, 6]),
        ("pattern(conv)[1:]", [3, 5, 10]),
        ("pattern(conv|sigmoid->conv)[:, 0]", [0, 3, 9]),
        ("pattern((conv|sigmoid)->Conv)[:, 0]", [0, 3, 9]),
        # Any op but movement.
        ("pattern(max_pool->*)", [2, 3, 6]),
        ("pattern(sigmoid->*->softmax)", [9, 10, 11]),
        ("pattern(add->*)[:, 1]", [7, 9]),
        ("pattern(relu->max_pool->conv)[:, 1]", [2]),
        ("pattern( conv -> relu )[ 1 , 0 ]", [3]),
    ],
)
def test_patterns(picks: Picks, selector: str, positions: list[int]) -> None:
    if not positions:
        with pytest.raises(SelectorError):
            picks(selector)
        return
    assert picks(selector) == positions


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("pattern(conv->relu->conv)", ["stem.conv", "block.conv1", "block.conv2"]),
        ("pattern(conv->relu)[:, 1]", ["stem.conv", "block.conv1"]),
        ("pattern(conv->conv)[:, 1]", ["block.conv1", "block.conv2"]),
        ("pattern(conv->add->relu)", ["stem.conv", "block.conv2"]),
        ("pattern(relu)", ["stem.conv", "block.conv1", "block.conv2"]),
        ("pattern(max_pool->add)", ["pool", "block.conv2"]),
        ("pattern(conv->conv->add)", ["block.conv1", "block.conv2"]),
    ],
)
def test_fused_ops_answer_to_the_types_in_them(
    residual: Any, selector: str, names: list[str]
) -> None:
    residual.apply(FuseResidualPass(), FuseActivationPass())
    ops = selectable_ops(residual.module)
    assert [op.layer and op.layer.data for op in select(selector, ops)] == names


def test_what_enters_as_a_residual_does_not_pass_the_convolution(residual: Any) -> None:
    """The pool feeds block.conv2 only as its residual: no arrow leads to the conv in it."""
    residual.apply(FuseResidualPass(), FuseActivationPass())
    ops = selectable_ops(residual.module)
    picked = select("pattern(max_pool->conv)", ops)
    assert [op.names[0] for op in picked] == ["pool", "block.conv1"]


def diamonds(network: Callable[..., Any], count: int) -> list[Any]:
    """`count` additions of a value to itself through two convolutions: 2**count paths."""
    net = network([1, 2, 2, 2])
    x = net.x
    for index in range(count):
        left, right = (net.conv(x, 2, 1, f"{side}{index}") for side in ("left", "right"))
        x = net.op(AddOp, left, right, layer=f"sum{index}")
    net.outputs(x)
    return selectable_ops(net.module)


def test_matches_are_paths_in_order(network: Callable[..., Any]) -> None:
    ops = diamonds(network, 2)
    paths = [
        [ops.index(op) for op in select(f"pattern(conv->add->conv)[{index}]", ops)]
        for index in range(4)
    ]
    assert paths == [[0, 2, 3], [0, 2, 4], [1, 2, 3], [1, 2, 4]]


def test_without_a_slice_no_match_is_counted(network: Callable[..., Any]) -> None:
    ops = diamonds(network, 20)
    chain = "->".join(itertools.islice(itertools.cycle(("conv", "add")), 40))
    assert select(f"pattern({chain})", ops) == ops
    assert select(f"pattern({chain})[:, -1]", ops) == ops[-1:]
    with pytest.raises(SelectorError, match=f"has more than {MAX_MATCHES:,} matches"):
        select(f"pattern({chain})[0]", ops)

"""A program with every kind of edge that selectors speak of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dialects.nn.base import NnOp
from dialects.nn.elementwise import AddOp, ReluOp, SigmoidOp
from dialects.nn.movement import TransposeOp
from dialects.nn.normalization import SoftmaxOp
from dialects.nn.pooling import MaxPoolOp
from passes.placement.selectors import select, selectable_ops


@pytest.fixture
def residual(network: Callable[..., Any]) -> Any:
    """A stem, a residual block and a head:

    0 stem.conv - 1 stem.act - 2 pool - 3 block.conv1 - 4 block.act - 5 block.conv2 - 6 block.add -
    7 block.out - 8 turn - 9 gate - 10 head - 11 prob; the residual leaves from pool.
    """
    net = network([1, 2, 8, 8])
    x = net.conv(net.x, 4, 3, "stem.conv")
    x = net.op(ReluOp, x, layer="stem.act")
    pooled = net.pool(MaxPoolOp, x, "pool")
    x = net.conv(pooled, 4, 3, "block.conv1")
    x = net.op(ReluOp, x, layer="block.act")
    x = net.conv(x, 4, 3, "block.conv2")
    x = net.op(AddOp, x, pooled, layer="block.add")
    x = net.op(ReluOp, x, layer="block.out")
    x = net.op(TransposeOp, x, permutation=[0, 1, 3, 2], layer="turn")
    x = net.op(SigmoidOp, x, layer="gate")
    x = net.conv(x, 2, 1, "head")
    return net.outputs(net.op(SoftmaxOp, x, axis=1, layer="prob"))


Picked = Callable[[str], list[int]]


@pytest.fixture
def ops(residual: Any) -> list[NnOp]:
    return selectable_ops(residual.module)


@pytest.fixture
def picks(ops: Sequence[NnOp]) -> Picked:
    """The positions of the ops that a selector picks."""
    return lambda selector: [list(ops).index(op) for op in select(selector, ops)]

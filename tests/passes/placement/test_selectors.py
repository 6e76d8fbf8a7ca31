from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dialects.errors import OctetError
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import ReluOp, SigmoidOp
from dialects.program import nn_ops
from passes.naming import absorb
from passes.placement.selectors import select


@pytest.fixture
def ops(network: Callable[..., Any]) -> list[Any]:
    net = network([1, 2, 4, 4])
    x = net.conv(net.x, 2, 1, "stem.conv")
    x = net.op(ReluOp, x, layer="stem.act")
    x = net.conv(x, 2, 1, "block1.conv")
    x = net.op(SigmoidOp, x, layer="block1.act")
    net.outputs(net.conv(x, 2, 1, "head"))
    absorb(net.layers()["head"], net.layers()["stem.act"])
    return [op for op in nn_ops(net.module) if not isinstance(op, ConstantOp)]


@pytest.mark.parametrize(
    ("selector", "positions"),
    [
        ("type:conv", [0, 2, 4]),
        ("name:block1.act", [3]),
        ("name:stem.act", [1, 4]),
        ("glob:block1.*", [2, 3]),
        ("glob:*", [0, 1, 2, 3, 4]),
        ("glob:[sb]*.conv", [0, 2]),
        ("index:conv[0]", [0]),
        ("index:conv[-1]", [4]),
        ("index:conv[1:]", [2, 4]),
        ("index:[1:3]", [1, 2]),
        ("index:[-2:]", [3, 4]),
        ("index:[:]", [0, 1, 2, 3, 4]),
        ("index:[2]", [2]),
    ],
)
def test_selects(ops: list[Any], selector: str, positions: list[int]) -> None:
    assert select(selector, ops) == [ops[i] for i in positions]


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("name:block1.cnv", "matches no op; nearest: block1.conv"),
        ("type:cnov", "matches no op; nearest: conv"),
        ("name:zzzzzzzz", "matches no op; there are stem.conv, stem.act"),
        ("index:conv[3]", r"the program has 3 conv\(s\)"),
        ("index:[9:12]", r"the program has 5 op\(s\)"),
        ("conv", "is not understood; expected type:"),
        ("name:", "is not understood"),
        ("kind:conv", "is not understood"),
        ("index:conv", "is not understood; expected index:conv"),
        ("index:[]", "is not understood"),
    ],
)
def test_an_error_says_what_was_meant(ops: list[Any], selector: str, message: str) -> None:
    with pytest.raises(OctetError, match=message):
        select(selector, ops)

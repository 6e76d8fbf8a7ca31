from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dialects.nn.elementwise import AddOp, ReluOp, SigmoidOp
from passes.naming import absorb
from passes.placement.selectors import SelectorError, select, selectable_ops


@pytest.mark.parametrize(
    ("selector", "positions"),
    [
        ("type:conv", [0, 3, 5, 10]),
        ("type:conv2d", [0, 3, 5, 10]),
        ("type:Conv", [0, 3, 5, 10]),
        ("type:Softmax", [11]),
        ("name:block.act", [4]),
        ("name:'block.act'", [4]),
        ("glob:block.*", [3, 4, 5, 6, 7]),
        ("glob:*", list(range(12))),
        ("glob:[sb]*.conv", [0]),
        (r"re:block\.conv\d", [3, 5]),
        ("re:(stem|block).(act|out)", [1, 4, 7]),
        ("re:conv", []),
        (r"re:'block\.(add|out)'", [6, 7]),
        ("index:conv[0]", [0]),
        ("index:Conv2d[-1]", [10]),
        ("index:conv[1:]", [3, 5, 10]),
        ("index:[1:3]", [1, 2]),
        ("index:[ 1 : 3 ]", [1, 2]),
        ("index:[-2:]", [10, 11]),
        ("index:[:]", list(range(12))),
        ("index:[::5]", [0, 5, 10]),
        ("index:[2]", [2]),
        # Ops that compute: the pool and the transpose move data.
        ("first(1)", [0]),
        ("first(3)", [0, 1, 3]),
        ("last(4)", [7, 9, 10, 11]),
        ("first(2, type:conv)", [0, 3]),
        ("last(2, type:conv)", [5, 10]),
        ("last(9, type:conv)", [0, 3, 5, 10]),
        ("first(1, last(2, type:conv))", [5]),
        ("between(name:block.conv1, name:block.conv2)", [3, 4, 5]),
        ("between(name:pool, name:block.add)", [2, 3, 4, 5, 6]),
        ("between(name:head, name:head)", [10]),
        ("between(type:max_pool, type:conv)", [2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("users(name:gate)", [10]),
        # A movement op, and what it leads to.
        ("users(name:stem.act)", [2, 3, 6]),
        ("producers(name:gate)", [7, 8]),
        ("producers(name:block.add)", [1, 2, 5]),
        ("users(type:conv)", [1, 4, 6, 11]),
    ],
)
def test_forms(picks: Callable[[str], list[int]], selector: str, positions: list[int]) -> None:
    if not positions:
        with pytest.raises(SelectorError):
            picks(selector)
        return
    assert picks(selector) == positions


@pytest.mark.parametrize(
    ("selector", "positions"),
    [
        ("not glob:block.*", [0, 1, 2, 8, 9, 10, 11]),
        ("not not name:head", [10]),
        ("type:conv and glob:block.*", [3, 5]),
        ("type:conv or type:relu", [0, 1, 3, 4, 5, 7, 10]),
        # not, then and, then or.
        ("not type:conv and glob:block.*", [4, 6, 7]),
        ("not (type:conv and glob:block.*)", [0, 1, 2, 4, 6, 7, 8, 9, 10, 11]),
        ("type:softmax or type:conv and glob:block.*", [3, 5, 11]),
        ("(type:softmax or type:conv) and not glob:block.*", [0, 10, 11]),
        ("type:conv and not name:head or name:prob", [0, 3, 5, 11]),
        ("first(2, type:conv or name:stem.act)", [0, 1]),
        ("  type:conv\n  and\tname:head ", [10]),
        ("type:conv and(name:head)", [10]),
    ],
)
def test_precedence(picks: Callable[[str], list[int]], selector: str, positions: list[int]) -> None:
    assert picks(selector) == positions


NAMES = [
    "/layer1/layer1.0/conv1/Conv",
    "Conv__12:0",
    "scope[0](inner)/op",
    "Gelu(tanh, approximate)",
    "a, b",
    "a (b",
    'it\'s "so"',
    "a)b",
    "[",
    "not",
    "and or",
    "'",
    '"',
    "a=b;c|d",
    "größe",
    "back\\slash(",
    " ",
]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_can_be_written(network: Callable[..., Any], name: str) -> None:
    from passes.placement.selectors import quoted

    net = network([1, 2, 4, 4])
    x = net.conv(net.x, 2, 1, "other")
    net.outputs(net.conv(x, 2, 1, name))
    ops = selectable_ops(net.module)
    for selector in (f"name:{quoted(name)}", f"last(1, name:{quoted(name)})"):
        assert select(selector, ops) == [ops[1]]
    assert select(f"type:conv and not name:{quoted(name)}", ops) == [ops[0]]


@pytest.mark.parametrize("name", NAMES[:4])
def test_usual_names_need_no_quotes(network: Callable[..., Any], name: str) -> None:
    net = network([1, 2, 4, 4])
    net.outputs(net.conv(net.x, 2, 1, name))
    ops = selectable_ops(net.module)
    assert select(f"first(1, name:{name})", ops) == ops


def test_a_fused_op_answers_to_all_its_names(network: Callable[..., Any]) -> None:
    net = network([1, 2, 4, 4])
    x = net.conv(net.x, 2, 1, "conv", relu=True)
    net.outputs(net.op(SigmoidOp, x, layer="act"))
    conv, act = ops = selectable_ops(net.module)
    gone = ReluOp.make(conv.results[0], layer="conv.relu")
    absorb(conv, gone)
    assert select("name:conv.relu", ops) == [conv]
    assert select("re:.*relu", ops) == [conv]
    assert select("glob:*.relu or name:act", ops) == [conv, act]


def test_a_file_of_names_may_say_the_same_twice(network: Callable[..., Any]) -> None:
    net = network([1, 2, 4, 4])
    x = net.op(AddOp, net.x, net.x, layer="sum")
    net.outputs(net.op(ReluOp, x, layer="sum"))
    ops = selectable_ops(net.module)
    assert select("name:sum", ops) == ops

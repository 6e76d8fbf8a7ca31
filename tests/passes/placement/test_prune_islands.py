from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import StringAttr

from dialects.errors import OctetError
from dialects.nn.attributes import Precision, PrecisionAttr
from dialects.nn.base import NnOp
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import AddOp, ExpOp, ReluOp
from dialects.nn.movement import ReshapeOp, TransposeOp
from dialects.program import nn_ops
from passes.placement.cost_model import CostModel, ProgramCost
from passes.placement.prune_islands import PruneIslandsPass

KINDS = ("conv", "wide", "exp", "relu", "add", "transpose", "reshape")
REASONS = ("default: runs", "include glob:*: user", "model: Q/DQ in the source")


def build(network: Callable[..., Any], size: int, steps: list[tuple[str, int, int]]) -> Any:
    """A network of `steps`: what to apply to which two earlier values."""
    net = network([1, 8, size, size])
    values = [net.x]
    for number, (kind, first, second) in enumerate(steps):
        x, y, name = values[first % len(values)], values[second % len(values)], f"op{number}"
        match kind:
            case "conv":
                value = net.conv(x, 8, 1, name)
            case "wide":
                value = net.conv(x, 8, 3, name)
            case "exp":
                value = net.op(ExpOp, x, layer=name)
            case "relu":
                value = net.op(ReluOp, x, layer=name)
            case "add":
                value = net.op(AddOp, x, y, layer=name)
            case "transpose":
                value = net.op(TransposeOp, x, permutation=[0, 1, 3, 2], layer=name)
            case _:
                value = net.op(ReshapeOp, x, shape=[1, 8, size, size], layer=name)
        values.append(value)
    return net.outputs(values[-1], values[len(values) // 2])


def place(net: Any, precisions: list[Precision], reasons: list[str]) -> list[NnOp]:
    """Writes a placement on the ops that compute, except that exp is always float32."""
    ops = [op for op in nn_ops(net.module) if not isinstance(op, ConstantOp)]
    ops = [op for op in ops if not isinstance(op, (TransposeOp, ReshapeOp))]
    for number, op in enumerate(ops):
        precision = precisions[number % len(precisions)]
        if isinstance(op, ExpOp):
            precision = Precision.F32
        op.precision = PrecisionAttr(precision)
        op.placed_by = StringAttr(reasons[number % len(reasons)])
    return ops


def reason(op: NnOp) -> str:
    assert op.placed_by is not None
    return op.placed_by.data


def precisions_of(ops: list[NnOp]) -> dict[NnOp, Precision]:
    return {op: op.precision.data for op in ops if op.precision is not None}


def cost(net: Any) -> float:
    program = ProgramCost(net.module, CostModel(None))
    return program.of(precisions_of(program.ops)).total


STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=14
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=STEPS,
    size=st.sampled_from([2, 8, 32]),
    precisions=st.lists(st.sampled_from(list(Precision)), min_size=1, max_size=6),
    reasons=st.lists(st.sampled_from(REASONS), min_size=1, max_size=4),
)
def test_pruning_never_slows_the_predicted_program(
    network: Callable[..., Any],
    steps: list[tuple[str, int, int]],
    size: int,
    precisions: list[Precision],
    reasons: list[str],
) -> None:
    net = build(network, size, steps)
    ops = place(net, precisions, reasons)
    before, total = [(op.precision, reason(op)) for op in ops], cost(net)
    net.apply(PruneIslandsPass())
    pruned = 0
    for op, was in zip(ops, before, strict=True):
        now = (op.precision, reason(op))
        if now == was:
            continue
        pruned += 1
        assert was[1].startswith("default:")
        assert op.precision == PrecisionAttr(Precision.F32)
        assert re.fullmatch(
            r"cost model: island of \d+ ops? saves -?[\d.]+ us, its conversions cost -?[\d.]+ us",
            reason(op),
        )
    assert cost(net) < total if pruned else cost(net) == total
    text = net.text()
    assert net.apply(PruneIslandsPass()).text() == text


def test_the_figures_are_the_models(network: Callable[..., Any]) -> None:
    net = build(network, 8, [("exp", 0, 0), ("relu", 1, 0), ("exp", 2, 0)])
    ops = place(net, [Precision.INT8], ["default: runs"])
    before = ProgramCost(net.module, CostModel(None)).of(precisions_of(ops))
    net.apply(PruneIslandsPass())
    after = ProgramCost(net.module, CostModel(None)).of(precisions_of(ops))
    found = re.search(r"saves (.*) us, its conversions cost (.*) us", reason(ops[1]))
    assert found is not None
    assert float(found[1]) == pytest.approx((after.ops - before.ops) / 1e3, abs=0.006)
    converted = before.conversions - after.conversions
    assert float(found[2]) == pytest.approx(converted / 1e3, abs=0.006)


def test_islands_connect_through_movement(network: Callable[..., Any]) -> None:
    steps = [("exp", 0, 0), ("relu", 1, 0), ("reshape", 2, 0), ("transpose", 3, 0), ("relu", 4, 0)]
    net = build(network, 2, [*steps, ("exp", 5, 0)])
    place(net, [Precision.INT8], ["default: runs"])
    net.apply(PruneIslandsPass())
    assert "island of 2 ops" in net.layers()["op1"].placed_by.data
    assert net.layers()["op4"].placed_by == net.layers()["op1"].placed_by
    assert net.layers()["op2"].placed_by is None


def test_few_ops_and_small_gains(network: Callable[..., Any]) -> None:
    steps = [("exp", 0, 0), ("wide", 1, 0), ("wide", 2, 0), ("exp", 3, 0)]
    for options, ending in (
        (PruneIslandsPass(), None),
        (PruneIslandsPass(min_ops=3), "cost model: island of 2 ops, fewer than 3"),
        (PruneIslandsPass(min_gain=1000), ", less than 1000 us apart"),
    ):
        net = build(network, 32, steps)
        place(net, [Precision.INT8], ["default: runs"])
        placed = net.apply(options).layers()["op1"]
        if ending is None:
            assert placed.is_int8
        else:
            assert not placed.is_int8
            assert reason(placed).endswith(ending)


@pytest.mark.parametrize("options", [{"min_ops": 0}, {"min_gain": -1}])
def test_options_have_bounds(network: Callable[..., Any], options: dict[str, int]) -> None:
    net = build(network, 2, [("relu", 0, 0)])
    with pytest.raises(OctetError, match="expected min-ops of at least 1 and min-gain"):
        net.apply(PruneIslandsPass(**options))

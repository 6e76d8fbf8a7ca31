from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dialects.nn.attributes import Precision
from dialects.nn.elementwise import AddOp, ExpOp
from dialects.nn.movement import ReshapeOp, TransposeOp
from dialects.rates import DEFAULT_RATES
from dialects.target import Target
from passes.placement.cost_model import CostModel, ProgramCost

INT8, BF16, F32 = Precision.INT8, Precision.BF16, Precision.F32
MODEL = CostModel(None)


def test_a_target_says_how_fast(network: Callable[..., Any]) -> None:
    net = network([1, 8, 16, 16])
    net.outputs(net.conv(net.x, 8, 3, "conv"))
    op = net.layers()["conv"]
    fast = replace(DEFAULT_RATES, products=dict.fromkeys(DEFAULT_RATES.products, 1000000000.0))
    target = Target("fast", "avx2", {}, rates=fast)
    assert CostModel(target).op_ns(op, F32) < MODEL.op_ns(op, F32)


def test_fewer_bits_are_faster_where_there_is_work(network: Callable[..., Any]) -> None:
    net = network([1, 64, 28, 28])
    net.outputs(net.conv(net.x, 64, 3, "conv"))
    op = net.layers()["conv"]
    assert MODEL.op_ns(op, INT8) < MODEL.op_ns(op, F32)


def test_a_reshape_is_free(network: Callable[..., Any]) -> None:
    net = network([1, 8])
    net.outputs(net.op(ReshapeOp, net.x, shape=[8, 1], layer="view"))
    assert MODEL.op_ns(net.layers()["view"], F32) == 0


def test_conversions(network: Callable[..., Any]) -> None:
    net = network([1, 64, 28, 28])
    weight = net.constant([1.0])
    x = net.conv(net.x, 64, 3, "conv")
    y = net.op(ExpOp, x, layer="exp")
    net.outputs(y)
    assert MODEL.conversion_ns(x, F32, F32) == 0
    assert MODEL.conversion_ns(weight, F32, INT8) == 0
    # Products store floats as readily as bytes: only more of them.
    assert 0 < MODEL.conversion_ns(x, INT8, F32) < MODEL.conversion_ns(y, INT8, F32)
    assert 0 < MODEL.conversion_ns(x, BF16, F32) < MODEL.conversion_ns(y, BF16, F32)
    assert MODEL.conversion_ns(x, INT8, BF16) > 0
    assert MODEL.conversion_ns(x, F32, INT8) == MODEL.conversion_ns(y, F32, INT8) > 0


@pytest.fixture
def diamond(network: Callable[..., Any]) -> Any:
    """exp feeds two convolutions, one through a transpose; they are added."""
    net = network([1, 8, 6, 6])
    x = net.op(ExpOp, net.x, layer="exp")
    left = net.conv(x, 8, 1, "left")
    right = net.conv(net.op(TransposeOp, x, permutation=[0, 1, 3, 2], layer="t"), 8, 1, "right")
    return net.outputs(net.op(AddOp, left, right, layer="add"))


def test_one_conversion_serves_all_readers(diamond: Any) -> None:
    program, layers = ProgramCost(diamond.module, MODEL), diamond.layers()
    placement = {layers[name]: F32 for name in ("exp", "left", "right", "add")}
    assert program.of(placement).conversions == 0
    one = {**placement, layers["left"]: INT8}
    both = {**one, layers["right"]: INT8}
    exp = layers["exp"].results[0]
    quantize = MODEL.conversion_ns(exp, F32, INT8)
    stores = MODEL.conversion_ns(layers["left"].results[0], INT8, F32)
    assert program.of(one).conversions == pytest.approx(quantize + stores)
    assert program.of(both).conversions == pytest.approx(quantize + 2 * stores)


def test_movement_follows_its_source(diamond: Any) -> None:
    program, layers = ProgramCost(diamond.module, MODEL), diamond.layers()
    placement = {layers[name]: F32 for name in ("exp", "left", "right", "add")}
    assert program.precision_of(layers["t"], placement) is F32
    assert program.precision_of(layers["t"], {**placement, layers["exp"]: BF16}) is BF16
    total = sum(MODEL.op_ns(op, F32) for op in (*placement, layers["t"]))
    assert program.of(placement).ops == pytest.approx(total)
    assert program.of(placement).total == pytest.approx(total)


def test_inputs_and_outputs_are_float(network: Callable[..., Any]) -> None:
    net = network([1, 8, 6, 6])
    net.outputs(net.op(AddOp, net.x, net.x, layer="add"))
    op = net.layers()["add"]
    cost = ProgramCost(net.module, MODEL).of({op: INT8})
    entering = MODEL.conversion_ns(net.x, F32, INT8)
    leaving = MODEL.conversion_ns(op.results[0], INT8, F32)
    assert cost.conversions == pytest.approx(entering + leaving)

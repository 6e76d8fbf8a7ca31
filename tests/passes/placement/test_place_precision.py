from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dialects.errors import OctetError
from dialects.nn.elementwise import AddOp, MulOp, ReluOp, SigmoidOp
from dialects.nn.linear import MatmulOp
from dialects.nn.movement import ReshapeOp
from dialects.nn.normalization import SoftmaxOp
from dialects.nn.pooling import MaxPoolOp
from dialects.target import Int8Rule, Target
from passes.calibrate.calibrate import CalibratePass
from passes.placement.place_precision import PlacePrecisionPass

Build = Callable[..., Any]


def chain(network: Build) -> Any:
    """conv, sigmoid, max-pool, conv, softmax."""
    net = network([1, 2, 4, 4])
    x = net.conv(net.x, 4, 3, "first")
    x = net.op(SigmoidOp, x, layer="act")
    x = net.pool(MaxPoolOp, x, "pool")
    x = net.conv(x, 4, 1, "second")
    net.outputs(net.op(SoftmaxOp, x, axis=1, layer="prob"))
    return net.apply(CalibratePass())


def placed(net: Any) -> dict[str, str | None]:
    return {
        name: None if op.precision is None else op.precision.data.value
        for name, op in net.layers().items()
    }


def test_default_rule(network: Build) -> None:
    net = chain(network).apply(PlacePrecisionPass())
    assert placed(net) == {
        "first": "int8", "act": "int8", "pool": None, "second": "int8", "prob": "f32",
    }  # fmt: skip
    reasons = {name: op.placed_by and op.placed_by.data for name, op in net.layers().items()}
    assert reasons["first"] == "default: conv has int8 arithmetic"
    assert reasons["prob"] == "int8: softmax has no int8 form"
    text = net.text()
    assert net.apply(PlacePrecisionPass()).text() == text


def test_last_match_wins(network: Build) -> None:
    options = PlacePrecisionPass(op_types=("conv",), rules=("type:sigmoid=int8", "name:first=f32"))
    net = chain(network).apply(options)
    assert placed(net)["first"] == "f32"
    assert placed(net)["second"] == "int8"
    assert net.layers()["first"].placed_by.data == "name:first=f32: user"
    # Named by the user, so it needs no neighbours.
    assert placed(net)["act"] == "int8"
    assert net.layers()["act"].placed_by.data == "type:sigmoid=int8: user"


def test_a_unary_op_needs_int8_on_both_sides(network: Build) -> None:
    net = chain(network).apply(PlacePrecisionPass(rules=("name:second=f32",)))
    assert placed(net)["act"] == "f32"
    assert net.layers()["act"].placed_by.data == (
        "neighbours: no int8 op uses the result of sigmoid"
    )
    net = chain(network).apply(PlacePrecisionPass(rules=("name:first=f32",)))
    assert net.layers()["act"].placed_by.data == (
        "neighbours: no operand of sigmoid comes from an int8 op"
    )


def test_islands_fall_from_both_ends(network: Build) -> None:
    """Removing one op isolates the next, however long the chain."""
    net = network([1, 4])
    x = net.x
    for index in range(6):
        x = net.op(SigmoidOp, x, layer=f"s{index}")
    x = net.dense(x, 4, "dense")
    for index in range(6, 12):
        x = net.op(SigmoidOp, x, layer=f"s{index}")
    net.outputs(x).apply(CalibratePass(), PlacePrecisionPass())
    assert {name for name, precision in placed(net).items() if precision == "int8"} == {"dense"}


def test_residual_addition_follows_the_convolutions(network: Build) -> None:
    net = network([1, 4, 4, 4])
    a = net.conv(net.x, 4, 3, "a", relu=True)
    b = net.conv(a, 4, 3, "b")
    c = net.op(AddOp, a, b, layer="inner")
    d = net.conv(c, 4, 1, "d")
    net.outputs(net.op(AddOp, d, c, layer="last")).apply(CalibratePass(), PlacePrecisionPass())
    assert placed(net)["inner"] == "int8"
    assert placed(net)["last"] == "f32"


def test_a_constant_vector_is_an_obstacle_and_a_constant_number_is_not(network: Build) -> None:
    net = network([1, 4, 4, 4])
    a = net.conv(net.x, 4, 3, "a")
    b = net.op(MulOp, a, net.constant(np.ones((1, 4, 1, 1))), layer="vector")
    c = net.conv(b, 4, 1, "c")
    d = net.op(MulOp, net.constant([[[[0.5]]]]), c, layer="number")
    net.outputs(net.conv(d, 4, 1, "e")).apply(CalibratePass(), PlacePrecisionPass())
    assert placed(net)["vector"] == "f32"
    assert "operand rhs of mul is a constant" in net.layers()["vector"].placed_by.data
    assert placed(net)["number"] == "int8"


def test_matmul_of_two_activations_stays_float(network: Build) -> None:
    net = network([1, 4, 4])
    net.outputs(net.op(MatmulOp, net.x, net.x, layer="scores"))
    net.apply(CalibratePass(), PlacePrecisionPass())
    assert net.layers()["scores"].placed_by.data == "int8: matmul needs a constant b for int8"


def test_target_decides(network: Build) -> None:
    net = chain(network)
    net.ctx.target = Target("toy", "portable", {"conv": Int8Rule(("u8",), ("weight", "bias"))})
    net.apply(PlacePrecisionPass())
    assert placed(net)["first"] == "int8"
    assert net.layers()["first"].placed_by.data == "default: target toy runs conv in int8"
    assert net.layers()["act"].placed_by.data == (
        "target toy: target toy has no int8 kernel for sigmoid"
    )


def test_without_ranges_nothing_is_int8(network: Build) -> None:
    net = network([1, 2, 4, 4])
    net.outputs(net.conv(net.x, 4, 3, "conv")).apply(PlacePrecisionPass())
    assert net.layers()["conv"].placed_by.data == "int8: no calibrated range on operand x"


def test_asking_for_the_impossible_is_reported(network: Build) -> None:
    net = chain(network).apply(PlacePrecisionPass(rules=("name:prob=int8",)))
    assert net.layers()["prob"].placed_by.data == (
        "int8: softmax has no int8 form (asked for by name:prob=int8: user)"
    )


def test_excluded_movement_stays_float(network: Build) -> None:
    net = chain(network).apply(PlacePrecisionPass(rules=("name:pool=f32",)))
    assert placed(net)["pool"] == "f32"
    assert placed(net)["act"] == "f32"  # its only user is now a float op


def test_everything_in_float(network: Build) -> None:
    net = chain(network).apply(PlacePrecisionPass(precision="f32"))
    assert set(placed(net).values()) == {"f32"}
    net = chain(network).apply(PlacePrecisionPass(precision="f32", rules=("name:second=int8",)))
    assert placed(net)["second"] == "int8"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"op_types": ("cnov",)}, "op-types 'cnov' matches no op; nearest: conv"),
        ({"rules": ("name:frist=f32",)}, "selector 'name:frist' matches no op; nearest: first"),
    ],
)
def test_a_rule_that_matches_nothing_is_an_error(
    network: Build, options: Any, message: str
) -> None:
    with pytest.raises(OctetError, match=message):
        chain(network).apply(PlacePrecisionPass(**options))


def test_movement_has_no_precision(network: Build) -> None:
    net = network([1, 2, 2])
    reshaped = net.op(ReshapeOp, net.x, shape=[-2, 4], layer="reshape")
    net.outputs(net.op(ReluOp, reshaped, layer="relu")).apply(CalibratePass(), PlacePrecisionPass())
    assert placed(net) == {"reshape": None, "relu": "f32"}

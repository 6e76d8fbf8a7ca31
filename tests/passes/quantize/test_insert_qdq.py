from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType

from dialects.errors import OctetError
from dialects.nn.attributes import RELU
from dialects.nn.elementwise import AddOp
from dialects.nn.normalization import SoftmaxOp
from dialects.quant import DequantizeCastOp, QuantizeCastOp
from dialects.target import Int8Rule, Target
from passes.calibrate.calibrate import CalibratePass
from passes.integer.quantize_ops import QuantizeOpsPass
from passes.placement.place_precision import PlacePrecisionPass
from passes.quantize.insert_qdq import InsertQdqPass

Build = Callable[..., Any]
PLACED = (CalibratePass(), PlacePrecisionPass())


def test_one_pair_per_value_however_many_users(network: Build) -> None:
    net = network([1, 2, 4, 4])
    parts = [net.conv(net.x, 2, 3, f"conv{index}") for index in range(3)]
    net.outputs(*parts).apply(*PLACED, InsertQdqPass())
    assert net.count("quant.qcast") == 1
    (cast,) = [op for op in net.block.ops if isinstance(op, QuantizeCastOp)]
    assert cast.input is net.x


def test_a_shared_weight_is_quantized_once(network: Build) -> None:
    net = network([1, 2, 4, 4])
    weight = net.random.normal(size=(2, 2, 3, 3))
    first = net.conv(net.x, 2, 3, "first", weight=weight)
    shared = first.owner.operands[1]
    second = net.conv(first, 2, 3, "second", weight=weight)
    second.owner.operands[1] = shared
    net.outputs(second).apply(*PLACED, InsertQdqPass())
    stored = [op for op in net.block.ops if isinstance(op, DequantizeCastOp)]
    weights = [op for op in stored if op.input.owner.name == "nn.constant"]
    assert len(weights) == 1
    assert first.owner.operands[1] is second.owner.operands[1] is weights[0].result


def test_users_of_an_int8_result_see_its_integers(network: Build) -> None:
    net = network([1, 2, 4, 4])
    first = net.conv(net.x, 2, 3, "first")
    second = net.conv(first, 2, 3, "second")
    net.outputs(second, net.op(SoftmaxOp, first, axis=1)).apply(*PLACED, InsertQdqPass())
    softmax = next(op for op in net.block.ops if op.name == "nn.softmax")
    assert isinstance(softmax.operands[0].owner, DequantizeCastOp)


def test_float_users_of_a_float_value_keep_it(network: Build) -> None:
    net = network([1, 2, 4, 4])
    prob = net.op(SoftmaxOp, net.x, axis=1)
    conv = net.conv(prob, 2, 3, "conv")
    net.outputs(conv, net.op(SoftmaxOp, prob, axis=2)).apply(*PLACED, InsertQdqPass())
    last = [op for op in net.block.ops if op.name == "nn.softmax"][-1]
    assert last.operands[0] is prob
    assert isinstance(conv.owner.operands[0].owner, DequantizeCastOp)


@pytest.mark.parametrize("float_results", [True, False])
def test_last_layer(network: Build, float_results: bool) -> None:
    net = network([1, 2, 4, 4])
    net.outputs(net.conv(net.x, 2, 3, "last")).apply(
        *PLACED, InsertQdqPass(float_results=float_results)
    )
    returned = net.block.last_op.operands[0].owner
    assert isinstance(returned, DequantizeCastOp) is not float_results


def test_a_residual_of_a_float_result_is_added_in_float(network: Build) -> None:
    net = network([1, 2, 4, 4])
    net.outputs(net.conv(net.x, 2, 3, "last", residual=net.x, relu=True))
    expected = net.run()[0]
    net.apply(*PLACED, InsertQdqPass())
    names = [op.name for op in net.block.ops][-4:]
    assert names == ["nn.conv", "nn.add", "nn.relu", "func.return"]
    add = next(op for op in net.block.ops if isinstance(op, AddOp))
    assert add.rhs is net.x
    assert np.abs(net.run()[0] - expected).max() < 0.1


def test_a_dead_channel_with_a_bias_widens_its_scale(network: Build) -> None:
    """ONNX Runtime PR 22020: the bias of a channel with tiny weights overflowed int32."""
    net = network([1, 2, 4, 4])
    weight = net.random.normal(size=(3, 2, 3, 3))
    weight[1] = 1e-12
    weight[2] = 0.0
    net.outputs(net.conv(net.x, 3, 3, "conv", weight=weight, bias=[0.5, 0.7, -0.3]))
    expected = net.run()[0]
    net.apply(*PLACED, InsertQdqPass(), QuantizeOpsPass())
    assert net.layers()["conv"].is_int8
    actual = net.run()[0]
    assert np.abs(actual - expected).max() < 0.1
    assert np.allclose(actual[:, 1:], expected[:, 1:], atol=1e-6)


def test_sums_beyond_32_bits_widen_the_scale_or_stay_float(network: Build) -> None:
    for depth, int8 in ((66_500, True), (400_000, False)):
        net = network([1, depth])
        # Equal weights use all of -127..127, so every product may be 255 * 127.
        dense = net.dense(net.x, 1, "dense")
        constant = dense.owner.operands[1].owner
        net.outputs(dense)
        ones = type(constant).of(np.ones((depth, 1), np.float32), net.ctx.weights)
        constant.value = ones.value
        net.calibrate_on([net.noise(0, 1)])
        net.apply(*PLACED, InsertQdqPass())
        assert net.layers()["dense"].is_int8 is int8
        if not int8:
            assert "do not provably fit in 32 bits" in net.layers()["dense"].placed_by.data


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_weight_that_is_not_finite_stays_float(network: Build, value: float) -> None:
    net = network([1, 2, 2, 2])
    conv = net.conv(net.x, 2, 1, "conv")
    net.outputs(conv).apply(*PLACED)
    constant = conv.owner.operands[1].owner
    bad = type(constant).of(np.full((2, 2, 1, 1), value, np.float32), net.ctx.weights)
    constant.value = bad.value
    net.apply(InsertQdqPass())
    assert conv.owner.placed_by.data == "insert-qdq: the weight holds NaN or Inf"
    assert net.count("quant.qcast") == 0


def test_activation_types(network: Build) -> None:
    net = network([1, 2, 4, 4])
    net.outputs(net.conv(net.x, 2, 3, "conv", relu=True))
    net.apply(*PLACED, InsertQdqPass(activation_type="s8", activation_symmetric=True))
    (cast,) = [op for op in net.block.ops if isinstance(op, QuantizeCastOp)]
    assert isinstance(cast.result.type, TensorType)
    assert "quant.uniform<i8:f32" in str(cast.result.type)
    assert net.apply(InsertQdqPass()).count("quant.qcast") == 1


def test_a_target_without_the_activation_type_is_an_error(network: Build) -> None:
    net = network([1, 2, 4, 4])
    net.outputs(net.conv(net.x, 2, 3, "conv"))
    net.ctx.target = Target("toy", "portable", {"conv": Int8Rule(("u8",))})
    with pytest.raises(OctetError, match=r"no conv kernel for s8 .*use activation-type=u8"):
        net.apply(*PLACED, InsertQdqPass(activation_type="s8"))


def test_hand_written_placement_without_ranges_falls_back(network: Build) -> None:
    net = network([1, 2, 4, 4])
    conv = net.conv(net.x, 2, 3, "conv")
    net.outputs(conv).apply(*PLACED)
    net.module.body.block.first_op.arg_attrs = None
    net.apply(InsertQdqPass())
    assert conv.owner.placed_by.data == "insert-qdq: no calibrated range on operand x"


def test_weight_ranges_with_fused_clamp(network: Build) -> None:
    """A float result keeps its activation."""
    net = network([1, 8])
    net.outputs(net.dense(net.x, 4, "dense", activation=RELU)).apply(
        *PLACED, InsertQdqPass(), QuantizeOpsPass()
    )
    assert net.run()[0].min() == 0.0
    assert net.layers()["dense"].is_int8

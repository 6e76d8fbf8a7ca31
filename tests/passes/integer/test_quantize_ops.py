"""What imported programs bring that our own pairs never do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import StringAttr, TensorType, f32
from xdsl.ir import SSAValue

from dialects.elements import i8, i32, ui8
from dialects.nn.attributes import Precision, PrecisionAttr
from dialects.nn.base import shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import ClipOp, ReluOp
from dialects.nn.linear import ConvOp
from dialects.quant import DequantizeCastOp, QuantizeCastOp, UniformQuantizedType
from passes.integer.fuse_lookup_table import FuseLookupTablePass
from passes.integer.quantize_ops import QuantizeOpsPass

Build = Callable[..., Any]
X = UniformQuantizedType(ui8, f32, [0.5], [7])
Y = UniformQuantizedType(ui8, f32, [2.0], [9])
GEOMETRY: dict[str, Any] = {
    "strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1], "groups": 1,
}  # fmt: skip


def pair(net: Any, value: SSAValue, element: UniformQuantizedType) -> SSAValue:
    cast = QuantizeCastOp(value, TensorType(element, shape_of(value)))
    back = DequantizeCastOp(cast.result, TensorType(f32, shape_of(value)))
    net.block.add_ops([cast, back])
    return back.result


def stored(net: Any, array: np.ndarray, element: UniformQuantizedType) -> SSAValue:
    constant = ConstantOp.of(array, net.ctx.weights, element)
    back = DequantizeCastOp(constant.result, TensorType(f32, array.shape))
    net.block.add_ops([constant, back])
    return back.result


def conv(
    net: Any,
    weight: UniformQuantizedType,
    bias: UniformQuantizedType,
    *,
    fill: int = 3,
    steps: int = 5,
) -> Any:
    x = pair(net, net.x, X)
    w = stored(net, np.full((2, 2, 1, 1), fill, np.int8), weight)
    b = stored(net, np.full(2, steps, np.int32), bias)
    y = net.op(ConvOp, x, w, b, layer="conv", **GEOMETRY)
    y.owner.precision = PrecisionAttr(Precision.INT8)
    y.owner.placed_by = StringAttr("model: Q/DQ in the source")
    return y


def w_type(*scales: float, axis: int | None = 0) -> UniformQuantizedType:
    return UniformQuantizedType(i8, f32, scales, [0] * len(scales), axis=axis)


def b_type(*scales: float) -> UniformQuantizedType:
    axis = 0 if len(scales) > 1 else None
    return UniformQuantizedType(i32, f32, scales, [0] * len(scales), axis=axis)


def test_a_bias_at_the_scale_of_the_sums_is_taken_as_it_is(network: Build) -> None:
    net = network([1, 2, 4, 4])
    net.outputs(pair(net, conv(net, w_type(0.25, 0.5), b_type(0.125, 0.25)), Y))
    before = net.run()
    net.apply(QuantizeOpsPass())
    op = net.layers()["conv"]
    assert op.bias.type.element_type == b_type(0.125, 0.25)
    assert op.bias.owner.array(net.ctx.weights).tolist() == [5, 5]
    assert np.array_equal(before[0], net.run()[0])


def test_a_bias_at_another_scale_is_rescaled(network: Build) -> None:
    net = network([1, 2, 4, 4])
    net.outputs(pair(net, conv(net, w_type(0.25, 0.5), b_type(1.0)), Y))
    before = net.run()
    net.apply(QuantizeOpsPass())
    op = net.layers()["conv"]
    assert op.bias.owner.array(net.ctx.weights).tolist() == [40, 20]
    assert np.array_equal(before[0], net.run()[0])


@pytest.mark.parametrize(
    ("weight", "bias", "steps", "reason"),
    [
        (w_type(0.25, 0.5, axis=1), b_type(1.0), 5, "per index of dimension 1, not of its output"),
        (w_type(0.25, 0.5), b_type(1e6), 5000, "its bias does not fit in 32 bits"),
        (w_type(0.25, 0.5), b_type(0.125, 0.25), 2**31 - 1, "its sums may reach"),
        (w_type(1e-44, 1.0), b_type(1.0), 5, "no normal float32"),
    ],
)
def test_an_op_that_cannot_says_why_and_stays_float(
    network: Build, weight: Any, bias: Any, steps: int, reason: str
) -> None:
    net = network([1, 2, 4, 4])
    net.outputs(pair(net, conv(net, weight, bias, steps=steps), Y))
    before = net.run()
    net.apply(QuantizeOpsPass())
    op = net.layers()["conv"]
    assert not op.is_int8
    assert reason in op.placed_by.data
    assert np.array_equal(before[0], net.run()[0])


def test_a_result_with_a_float_user_is_float(network: Build) -> None:
    net = network([1, 2, 4, 4])
    y = conv(net, w_type(0.25, 0.5), b_type(1.0))
    net.outputs(y, pair(net, y, Y))
    before = net.run()
    net.apply(QuantizeOpsPass())
    assert net.layers()["conv"].result.type.element_type == f32
    for want, got in zip(before, net.run(), strict=True):
        assert np.array_equal(want, got)


@pytest.mark.parametrize("low", [None, 4.0])
def test_a_clamp_between_equal_types_is_the_activation(network: Build, low: float | None) -> None:
    net = network([1, 2, 4, 4])
    y = pair(net, conv(net, w_type(0.25, 0.5), b_type(1.0)), Y)
    clamped = (
        net.op(ReluOp, y, layer="clamp")
        if low is None
        else net.op(ClipOp, y, min=low, max=30.0, layer="clamp")
    )
    net.outputs(pair(net, clamped, Y))
    before = net.run(50 * net.noise(1))
    net.apply(QuantizeOpsPass())
    assert np.array_equal(before[0], net.run(50 * net.noise(1))[0])
    op = net.layers()["clamp"]
    assert op is net.layers()["conv"]
    assert op.activation.bounds == ((0.0, np.inf) if low is None else (4.0, 30.0))


def test_a_clamp_of_a_value_that_others_use_is_a_table(network: Build) -> None:
    net = network([1, 2, 4, 4])
    y = pair(net, conv(net, w_type(0.25, 0.5), b_type(1.0)), Y)
    net.outputs(pair(net, net.op(ReluOp, y, layer="clamp"), Y), y)
    before = net.run(50 * net.noise(1))
    net.apply(QuantizeOpsPass())
    assert net.layers()["conv"].activation is None
    net.apply(FuseLookupTablePass())
    assert net.layers()["clamp"].mnemonic == "lookup"
    for want, got in zip(before, net.run(50 * net.noise(1)), strict=True):
        assert np.array_equal(want, got)

"""Each rule of propagate-qdq, squash-qdq and fuse-lookup-table: both sides are equal to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import SSAValue

from dialects.elements import i8, ui8
from dialects.nn import elementwise as unary
from dialects.nn.base import shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.movement import (
    ConcatOp,
    DepthToSpaceOp,
    ExpandOp,
    GatherOp,
    PadOp,
    ReshapeOp,
    SliceOp,
    TileOp,
    TransposeOp,
)
from dialects.nn.pooling import MaxPoolOp
from dialects.nn.reduction import ReduceMaxOp, ReduceMinOp
from dialects.quant import DequantizeCastOp, QuantizeCastOp, UniformQuantizedType
from passes.integer.fuse_lookup_table import FuseLookupTablePass
from passes.quantize.propagate_qdq import PropagateQdqPass
from passes.quantize.squash_qdq import SquashQdqPass

Build = Callable[..., Any]

WINDOW = {"kernel": [2, 2], "strides": [2, 2], "pads": [0] * 4, "dilations": [1, 1]}
PAD = {"pads": [0, 0, 1, 0, 0, 0, 0, 2]}
MOVES: dict[str, tuple[Any, dict[str, Any]]] = {
    "reshape": (ReshapeOp, {"shape": [-2, -1]}),
    "transpose": (TransposeOp, {"permutation": [0, 2, 3, 1]}),
    "pad with zero": (PadOp, {**PAD, "mode": "constant", "value": 0.0}),
    "pad with edge": (PadOp, {**PAD, "mode": "edge", "value": 0.0}),
    "expand": (ExpandOp, {"shape": [-2, 4, 4, 4]}),
    "tile": (TileOp, {"repeats": [1, 2, 1, 1]}),
    "depth to space": (DepthToSpaceOp, {"block": 2, "mode": "DCR"}),
    "max pool": (MaxPoolOp, {**WINDOW, "ceil_mode": False}),
    "reduce max": (ReduceMaxOp, {"axes": [2], "keepdims": True}),
    "reduce min": (ReduceMinOp, {"axes": [2, 3], "keepdims": False}),
}
NEVER_HOISTED: dict[str, tuple[Any, dict[str, Any]]] = {
    "slice": (SliceOp, {"starts": [0] * 4, "ends": [99, 3, 4, -1], "steps": [1, 2, 1, 1]}),
}

elements = st.builds(
    lambda storage, scale, zero: UniformQuantizedType(
        storage, f32, [float(np.float32(scale))], [zero if storage == ui8 else zero - 128]
    ),
    st.sampled_from([ui8, i8]),
    st.floats(2.0**-10, 2.0),
    st.sampled_from([0, 3, 128, 255]),
)


def quantized(net: Any, value: SSAValue, element: UniformQuantizedType) -> SSAValue:
    op = QuantizeCastOp(value, TensorType(element, shape_of(value)))
    net.block.add_op(op)
    return op.result


def dequantized(net: Any, value: SSAValue) -> SSAValue:
    op = DequantizeCastOp(value, TensorType(f32, shape_of(value)))
    net.block.add_op(op)
    return op.result


def check(net: Any, *passes: Any) -> None:
    """The passes keep every bit, on values around and beyond the range."""
    x = 100 * net.noise(1)
    x[:, 0, 0, :3] = [0.0, np.inf, -np.inf]
    before = net.run(x)
    net.apply(*passes)
    for want, got in zip(before, net.run(x), strict=True):
        assert np.array_equal(want, got)


def owner(net: Any, name: str) -> Any:
    return next(op for op in net.block.ops if op.name == name)


@pytest.mark.parametrize("name", [*MOVES, *NEVER_HOISTED])
@settings(max_examples=15)
@given(element=elements)
def test_dequantize_sinks(network: Build, name: str, element: UniformQuantizedType) -> None:
    op, options = {**MOVES, **NEVER_HOISTED}[name]
    net = network([1, 4, 4, 4])
    x = dequantized(net, quantized(net, net.x, element))
    moved = net.op(op, x, **options)
    net.outputs(moved, x)
    check(net, PropagateQdqPass())
    assert owner(net, op.name).results[0].type.element_type == element
    assert owner(net, op.name).is_int8


@pytest.mark.parametrize("name", MOVES)
@settings(max_examples=15)
@given(element=elements)
def test_quantize_hoists(network: Build, name: str, element: UniformQuantizedType) -> None:
    op, options = MOVES[name]
    net = network([1, 4, 4, 4])
    moved = quantized(net, net.op(op, net.x, **options), element)
    net.outputs(dequantized(net, moved))
    check(net, PropagateQdqPass())
    assert owner(net, op.name).results[0].type.element_type == element


@settings(max_examples=15)
@given(element=elements, value=st.floats(-3, 3))
def test_a_pad_value_between_steps_does_not_sink_but_hoists(
    network: Build, element: UniformQuantizedType, value: float
) -> None:
    options = {**PAD, "mode": "constant", "value": value}
    net = network([1, 4, 4, 4])
    net.outputs(net.op(PadOp, dequantized(net, quantized(net, net.x, element)), **options))
    check(net, PropagateQdqPass())
    net = network([1, 4, 4, 4])
    padded = quantized(net, net.op(PadOp, net.x, **options), element)
    net.outputs(dequantized(net, padded))
    check(net, PropagateQdqPass())
    assert owner(net, "nn.pad").is_int8


@settings(max_examples=15)
@given(a=elements, b=elements, result=elements)
def test_concat_of_two_scales_requantizes(
    network: Build, a: UniformQuantizedType, b: UniformQuantizedType, result: UniformQuantizedType
) -> None:
    net = network([1, 4, 4, 4])
    left = dequantized(net, quantized(net, net.x, a))
    right = dequantized(net, quantized(net, net.x, b))
    joined = quantized(net, net.op(ConcatOp, left, right, axis=1), result)
    net.outputs(dequantized(net, joined))
    check(net, PropagateQdqPass(), SquashQdqPass())
    concat = owner(net, "nn.concat")
    assert concat.is_int8
    check(net, FuseLookupTablePass())
    assert net.count("quant.dcast") == 1


@settings(max_examples=30)
@given(
    element=elements,
    clamp=st.sampled_from([(unary.ReluOp, {}), (unary.ClipOp, {"min": 0.0, "max": 6.0})]),
)
def test_clamps_next_to_quantization(
    network: Build, element: UniformQuantizedType, clamp: Any
) -> None:
    op, options = clamp
    net = network([1, 4, 4, 4])
    before = quantized(net, net.op(op, net.x, **options), element)
    after = net.op(op, dequantized(net, before), **options)
    net.outputs(dequantized(net, before), after)
    check(net, PropagateQdqPass(), SquashQdqPass())
    (zero_point,) = element.zero_points.get_values()
    if op is unary.ReluOp:
        expected = 0 if zero_point == element.limits[0] else 2
        assert net.count("nn.relu") == expected


@settings(max_examples=60, deadline=None)
@given(
    source=elements,
    target=elements,
    chain=st.lists(
        st.sampled_from(
            [
                (unary.ReluOp, {}),
                (unary.SigmoidOp, {}),
                (unary.HardSwishOp, {}),
                (unary.TanhOp, {}),
                (unary.AbsOp, {}),
                (unary.ClipOp, {"min": -1.0, "max": 1.5}),
                (unary.LeakyReluOp, {"alpha": 0.25}),
                (unary.NegOp, {}),
                (unary.GeluOp, {"approximate": "tanh"}),
                (unary.MulOp, 0.3),
                (unary.SubOp, 0.7),
            ]
        ),
        max_size=3,
    ),
)
def test_a_chain_is_a_table(
    network: Build, source: UniformQuantizedType, target: UniformQuantizedType, chain: list[Any]
) -> None:
    net = network([1, 4, 4, 4])
    x = dequantized(net, quantized(net, net.x, source))
    for index, (op, options) in enumerate(chain):
        if isinstance(options, float):
            constant = net.constant([options])
            operands = (x, constant) if index % 2 else (constant, x)
            x = net.op(op, *operands)
        else:
            x = net.op(op, x, **options)
    stored = quantized(net, x, target)
    again = quantized(net, dequantized(net, stored), source)
    net.outputs(dequantized(net, again))
    check(net, FuseLookupTablePass(), SquashQdqPass())
    # A table of a table is one table, and a change of scale to the same scale is nothing.
    assert net.count("nn.lookup") <= 1
    assert net.count("quant.qcast") == 1


def test_squash_removes_round_trips_and_duplicates(network: Build) -> None:
    element = UniformQuantizedType(ui8, f32, [0.5], [7])
    net = network([1, 4, 4, 4])
    first, second = (quantized(net, net.x, element) for _ in range(2))
    again = quantized(net, dequantized(net, first), element)
    outputs = [dequantized(net, value) for value in (first, second, again)]
    net.outputs(*outputs)
    check(net, SquashQdqPass())
    assert net.count("quant.qcast") == 1
    assert net.count("quant.dcast") == 1


def test_dequantize_of_quantize_is_never_erased(network: Build) -> None:
    net = network([1, 4, 4, 4])
    value = dequantized(net, quantized(net, net.x, UniformQuantizedType(ui8, f32, [0.5], [7])))
    net.outputs(value)
    text = net.text()
    assert net.apply(SquashQdqPass(), PropagateQdqPass(), FuseLookupTablePass()).text() == text


def test_a_quantized_constant_is_folded(network: Build) -> None:
    element = UniformQuantizedType(i8, f32, [0.5, 0.25], [0, 0], axis=1)
    net = network([1, 4, 4, 4])
    constant = net.constant(np.arange(8.0).reshape(4, 2))
    net.outputs(dequantized(net, quantized(net, constant, element)))
    check(net, SquashQdqPass())
    assert net.count("quant.qcast") == 0


def test_per_channel_axis_follows_a_transpose(network: Build) -> None:
    element = UniformQuantizedType(i8, f32, [0.1 * i for i in range(1, 5)], [0] * 4, axis=1)
    options = {"permutation": [3, 1, 0, 2]}
    for sink in (True, False):
        net = network([1, 4, 4, 4])
        value = dequantized(net, quantized(net, net.x, element)) if sink else net.x
        turned = net.op(TransposeOp, value, **options)
        if not sink:
            turned = dequantized(net, quantized(net, turned, element))
        net.outputs(turned)
        check(net, PropagateQdqPass())
        assert owner(net, "nn.transpose").is_int8


def test_per_channel_types_do_not_pass_a_reshape(network: Build) -> None:
    element = UniformQuantizedType(i8, f32, [0.1 * i for i in range(1, 5)], [0] * 4, axis=1)
    net = network([1, 4, 4, 4])
    net.outputs(net.op(ReshapeOp, dequantized(net, quantized(net, net.x, element)), shape=[-2, -1]))
    text = net.text()
    assert net.apply(PropagateQdqPass()).text() == text


def test_a_float_user_keeps_a_quantize_where_it_is(network: Build) -> None:
    net = network([1, 4, 4, 4])
    moved = net.op(TransposeOp, net.x, permutation=[0, 2, 3, 1])
    element = UniformQuantizedType(ui8, f32, [0.5], [7])
    net.outputs(moved, dequantized(net, quantized(net, moved, element)))
    text = net.text()
    assert net.apply(PropagateQdqPass()).text() == text


def test_gather_sinks_with_its_indices(network: Build) -> None:
    element = UniformQuantizedType(ui8, f32, [0.5], [7])
    net = network([1, 4, 4, 4])
    indices = ConstantOp.of(np.array([2, 0, -1]), net.ctx.weights)
    net.block.add_op(indices)
    x = dequantized(net, quantized(net, net.x, element))
    net.outputs(net.op(GatherOp, x, indices.result, axis=1))
    check(net, PropagateQdqPass())
    assert owner(net, "nn.gather").is_int8

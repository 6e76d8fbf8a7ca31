from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import SSAValue

from dialects.elements import ui8
from dialects.nn.movement import ConcatOp, PadOp, ReshapeOp, SliceOp
from dialects.nn.normalization import SoftmaxOp
from dialects.nn.pooling import MaxPoolOp
from dialects.program import range_of
from dialects.quant import DequantizeCastOp, QuantizeCastOp, UniformQuantizedType
from passes.calibrate.calibrate import CalibratePass
from passes.placement.place_precision import PlacePrecisionPass
from passes.quantize.insert_qdq import InsertQdqPass
from passes.quantize.parameters import bounds_of
from passes.quantize.propagate_qdq import PropagateQdqPass
from passes.quantize.squash_qdq import SquashQdqPass
from passes.quantize.unify_scales import UnifyScalesPass

Build = Callable[..., Any]


def unify(net: Any) -> Any:
    net.apply(CalibratePass(), PlacePrecisionPass(), InsertQdqPass(), UnifyScalesPass())
    text = net.text()
    assert net.apply(UnifyScalesPass()).text() == text
    return net


def element_of(value: SSAValue) -> UniformQuantizedType:
    (cast,) = [u.operation for u in value.uses if isinstance(u.operation, QuantizeCastOp)]
    return cast.result.type.element_type


def holds(element: UniformQuantizedType, *values: SSAValue) -> bool:
    low, high = bounds_of(element)
    step = element.scales.get_values()[0]
    ranges = [range_of(value) or (0.0, 0.0) for value in values]
    return all(low <= a + step / 2 and b - step / 2 <= high for a, b in ranges)


def test_concat_takes_the_union(network: Build) -> None:
    net = network([1, 2, 4, 4])
    a = net.conv(net.x, 2, 3, "a", relu=True)
    b = net.conv(net.x, 2, 3, "b")
    c = net.op(ConcatOp, a, b, axis=1)
    net.outputs(net.conv(c, 2, 1, "d"))
    unify(net)
    assert element_of(a) == element_of(b) == element_of(c)
    assert holds(element_of(a), a, b, c)


def test_chains_and_shared_values_are_one_group(network: Build) -> None:
    net = network([1, 2, 4, 4])
    a, b, c, d = (net.conv(net.x, 2, 3, name) for name in "abcd")
    first = net.op(ConcatOp, a, b, axis=1)
    second = net.op(ConcatOp, first, c, axis=1)
    third = net.op(ConcatOp, b, d, axis=1)
    net.outputs(net.conv(second, 2, 1, "e"), net.conv(third, 2, 1, "f"))
    unify(net)
    assert len({element_of(value) for value in (a, b, c, d, second, third)}) == 1
    net.apply(PropagateQdqPass(), SquashQdqPass())
    assert {op.results[0].type.element_type for op in net.block.ops if op.name == "nn.concat"} == {
        element_of(a)
    }


def test_a_pool_takes_its_operands_type(network: Build) -> None:
    net = network([1, 2, 8, 8])
    a = net.conv(net.x, 2, 3, "a")
    before = None
    pooled = net.pool(MaxPoolOp, a, "pool")
    net.outputs(net.conv(pooled, 2, 1, "b"))
    net.apply(CalibratePass(), PlacePrecisionPass(), InsertQdqPass())
    before = element_of(a)
    assert element_of(pooled) != before
    net.apply(UnifyScalesPass())
    assert element_of(a) == element_of(pooled) == before


def test_a_pad_value_beyond_the_range_widens_it(network: Build) -> None:
    net = network([1, 2, 4, 4])
    a = net.conv(net.x, 2, 3, "a", relu=True)
    padded = net.op(PadOp, a, pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="constant", value=-50.0)
    net.outputs(net.conv(padded, 2, 1, "b"))
    unify(net)
    assert holds(element_of(a), a, padded)
    assert bounds_of(element_of(a))[0] < -49.0


def test_a_slice_of_a_float_value_keeps_its_own_range(network: Build) -> None:
    net = network([1, 4, 4, 4])
    prob = net.op(SoftmaxOp, net.x, axis=1)
    part = net.op(SliceOp, prob, starts=[0] * 4, ends=[9, 2, 4, 4], steps=[1] * 4)
    net.outputs(net.conv(part, 2, 1, "a"), prob)
    net.apply(CalibratePass(), PlacePrecisionPass(), InsertQdqPass())
    before = element_of(part)
    assert element_of(part) == before
    assert net.apply(UnifyScalesPass()).count("quant.qcast") == 1


def test_a_concat_that_stays_float_ties_nothing(network: Build) -> None:
    """One operand comes from a float op and the result goes to one."""
    net = network([1, 2, 4, 4])
    a = net.conv(net.x, 2, 3, "a", relu=True)
    b = net.conv(net.x, 2, 3, "b")
    prob = net.op(SoftmaxOp, net.x, axis=1)
    joined = net.op(ConcatOp, a, b, prob, axis=1)
    used = net.conv(a, 2, 1, "c"), net.conv(b, 2, 1, "d")
    net.outputs(net.op(SoftmaxOp, joined, axis=1), *used)
    unify(net)
    assert element_of(a) != element_of(b)


def test_fixed_scales_stay(network: Build) -> None:
    """A pair without a calibrated range came with the model: it is requantized, not retyped."""
    net = network([1, 2, 4, 4])
    fixed = [UniformQuantizedType(ui8, f32, [scale], [3]) for scale in (0.5, 0.25)]
    a, b = (net.op(SoftmaxOp, net.x, axis=axis) for axis in (1, 2))
    values: list[SSAValue] = []
    for value, element in zip((a, b), fixed, strict=True):
        cast = QuantizeCastOp(value, TensorType(element, [1, 2, 4, 4]))
        back = DequantizeCastOp(cast.result, TensorType(f32, [1, 2, 4, 4]))
        net.block.add_ops([cast, back])
        values.append(back.result)
    joined = net.op(ConcatOp, *values, axis=1)
    net.outputs(net.conv(joined, 2, 1, "conv"))
    unify(net)
    assert [element_of(a), element_of(b)] == fixed
    want = net.run()[0]
    net.apply(PropagateQdqPass(), SquashQdqPass())
    assert (net.run()[0] == want).all()
    concat = next(op for op in net.block.ops if op.name == "nn.concat")
    assert concat.is_int8


def test_reshape_shares(network: Build) -> None:
    net = network([1, 2, 4, 4])
    a = net.conv(net.x, 2, 3, "a", relu=True)
    flat = net.op(ReshapeOp, a, shape=[-2, -1])
    net.outputs(net.dense(flat, 3, "b"))
    unify(net)
    assert element_of(a) == element_of(flat)

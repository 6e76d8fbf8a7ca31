"""Every rewrite of the simplify stage against the reference: the program computes the same."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.ir import SSAValue
from xdsl.transforms.canonicalize import CanonicalizePass

from dialects.nn.elementwise import (
    AddOp,
    ClipOp,
    DivOp,
    ErfOp,
    ExpOp,
    HardSigmoidOp,
    MaxOp,
    MinOp,
    MulOp,
    NegOp,
    PowOp,
    ReciprocalOp,
    ReluOp,
    SigmoidOp,
    SqrtOp,
    SubOp,
    TanhOp,
)
from dialects.nn.linear import ConvOp, ConvTransposeOp, MatmulOp
from dialects.nn.movement import ConcatOp, PadOp, ReshapeOp, SliceOp, TransposeOp
from dialects.nn.normalization import BatchNormOp, SoftmaxOp
from dialects.nn.reduction import ReduceMaxOp, ReduceMeanOp, ReduceSumOp
from passes.simplify.constants import per_channel
from passes.simplify.fold_batch_norm import FoldBatchNormPass
from passes.simplify.fold_bias import FoldBiasPass
from passes.simplify.fold_constants import FoldConstantsPass
from passes.simplify.fold_scale import FoldScalePass
from passes.simplify.fuse_activation import FuseActivationPass
from passes.simplify.fuse_residual import FuseResidualPass
from passes.simplify.lower_batch_norm import LowerBatchNormPass
from passes.simplify.merge_pads import MergePadsPass
from passes.simplify.recognize_gelu import RecognizeGeluPass
from passes.simplify.recognize_hard_sigmoid import RecognizeHardSigmoidPass
from passes.simplify.recognize_hard_swish import RecognizeHardSwishPass
from passes.simplify.recognize_layer_norm import RecognizeLayerNormPass
from passes.simplify.recognize_silu import RecognizeSiluPass
from passes.simplify.recognize_softmax import RecognizeSoftmaxPass
from passes.simplify.sink_transposes import SinkTransposesPass
from tests.passes.simplify.networks import Network, assert_same

ROUNDING = 2e-5
"""A few float32 roundings of sums of up to a hundred terms."""

few = settings(max_examples=40, deadline=None)


# --- folding into linear ops ----------------------------------------------------------------


def conv(n: Network, x: SSAValue, bias: bool, groups: int, spatial: int) -> SSAValue:
    """4 channels to 6 (or 4 per group of 2)."""
    weight = n.weights(6 if groups == 1 else 4, 4 // groups, *(3,) * spatial)
    return n.apply(
        ConvOp,
        x,
        weight,
        n.weights(6 if groups == 1 else 4) if bias else None,
        strides=[1] * spatial,
        pads=[1] * 2 * spatial,
        dilations=[1] * spatial,
        groups=groups,
    )


def conv_transpose(n: Network, x: SSAValue, bias: bool, groups: int, spatial: int) -> SSAValue:
    """4 channels to 3 per group."""
    return n.apply(
        ConvTransposeOp,
        x,
        n.weights(4, 3, *(2,) * spatial),
        n.weights(3 * groups) if bias else None,
        strides=[2] * spatial,
        pads=[0] * 2 * spatial,
        dilations=[1] * spatial,
        groups=groups,
        output_padding=[0] * spatial,
    )


def channels_of(value: SSAValue, axis: int) -> int:
    return value.type.get_shape()[axis]  # pyright: ignore


def batch_norm(n: Network, x: SSAValue) -> SSAValue:
    channels = channels_of(x, 1)
    variance = n.constant(n.random.uniform(0.1, 2.0, channels))
    parameters = [n.weights(channels) for _ in range(3)]
    return n.apply(BatchNormOp, x, *parameters, variance, epsilon=1e-3)


linear = st.sampled_from([conv, conv_transpose])


@few
@given(linear, st.booleans(), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2]), st.integers(0))
def test_fold_batch_norm(
    kind: Callable[..., SSAValue], bias: bool, groups: int, spatial: int, seed: int
) -> None:
    n = Network((2, 4, *(5,) * spatial), seed=seed)
    program = n.returns(batch_norm(n, kind(n, n.inputs[0], bias, groups, spatial)))
    before = program.run()
    assert "batch_norm" not in program.after(FoldBatchNormPass())
    assert_same(before, program.run(), ROUNDING)


def test_fold_batch_norm_into_matmul() -> None:
    n = Network((3, 4))
    product = n.apply(MatmulOp, n.inputs[0], n.weights(4, 5), n.weights(5))
    program = n.returns(batch_norm(n, product))
    before = program.run()
    assert program.after(FoldBatchNormPass()) == {"matmul": 1}
    assert_same(before, program.run(), ROUNDING)


@pytest.mark.parametrize("shape", [(3, 4), (2, 4, 5), (2, 4, 3, 3)])
def test_lower_batch_norm(shape: tuple[int, ...]) -> None:
    n = Network(shape)
    program = n.returns(batch_norm(n, n.inputs[0]))
    before = program.run()
    assert program.after(LowerBatchNormPass()) == {"mul": 1, "add": 1}
    assert_same(before, program.run(), ROUNDING)


def test_decomposed_batch_norm_folds_whole() -> None:
    """(conv - mean) * factor + shift, as some exporters write it."""
    n = Network((2, 4, 5, 5))
    value = conv(n, n.inputs[0], False, 1, 2)
    value = n.apply(SubOp, value, n.weights(1, 6, 1, 1))
    value = n.apply(MulOp, value, n.weights(6, 1, 1))
    value = n.apply(AddOp, n.weights(6, 1, 1), value)
    program = n.returns(value)
    before = program.run()
    left = program.after(FoldBiasPass(), FoldScalePass(), FoldBiasPass())
    assert left == {"conv": 1}
    assert_same(before, program.run(), ROUNDING)


def per_channel_shapes(channels: int, rank: int, last: bool) -> list[tuple[int, ...]]:
    """Shapes of a constant that holds one number per channel, or one for all."""
    after = 0 if last else rank - 2
    before = rank - 1 - after
    full = [(*(1,) * i, channels, *(1,) * after) for i in range(before + 1)]
    return [*full, *((1,) * i for i in range(rank + 1))]


@few
@given(st.data())
def test_fold_scale_and_bias(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["conv", "conv_transpose", "matmul"]))
    n = Network((2, 4, 5), seed=data.draw(st.integers(0)))
    bias = data.draw(st.booleans())
    if kind == "matmul":
        value = n.apply(MatmulOp, n.inputs[0], n.weights(5, 3), n.weights(3) if bias else None)
    else:
        value = {"conv": conv, "conv_transpose": conv_transpose}[kind](n, n.inputs[0], bias, 2, 1)
    channels = channels_of(value, -1 if kind == "matmul" else 1)
    ops = data.draw(st.lists(st.sampled_from([AddOp, SubOp, MulOp, DivOp]), max_size=4))
    for op in ops:
        shape = data.draw(st.sampled_from(per_channel_shapes(channels, 3, kind == "matmul")))
        # Away from zero, so that a division does not lose all digits.
        signs = n.random.choice([-1.0, 1.0], shape)
        constant = n.constant(signs * n.random.uniform(0.5, 2.0, shape))
        swapped = op in (AddOp, MulOp) and data.draw(st.booleans())
        value = n.apply(op, *((constant, value) if swapped else (value, constant)))
    program = n.returns(value)
    before = program.run()
    left = program.after(*[p() for _ in ops for p in (FoldBiasPass, FoldScalePass)])
    assert left == {kind: 1}
    assert_same(before, program.run(), ROUNDING)


@pytest.mark.parametrize(
    ("shape", "fits"),
    [((), True), ((1,), True), ((4, 1), True), ((1, 4, 1), True), ((4,), False), ((3, 1), False),
     ((2, 4, 1), False), ((1, 1, 4, 1), False)],
)  # fmt: skip
def test_what_counts_as_per_channel(shape: tuple[int, ...], fits: bool) -> None:
    """Along dimension 1 of a result of shape [2, 4, 4]."""
    vector = per_channel(np.ones(shape), (2, 4, 4), 1)
    assert (vector is not None) == fits
    assert vector is None or vector.shape == (4,)


def test_folding_rounds_once() -> None:
    """The folded weight is the float32 nearest to the exact product, the same on every run."""
    n = Network((1, 2))
    weight = n.random.normal(size=(2, 2)).astype(np.float32)
    factor = n.random.normal(size=2).astype(np.float32)
    value = n.apply(MatmulOp, n.inputs[0], n.constant(weight))
    program = n.returns(n.apply(MulOp, value, n.constant(factor)))
    program.after(FoldScalePass())
    product = next(op for op in program.body.ops if isinstance(op, MatmulOp))
    expected = (weight.astype(np.float64) * factor).astype(np.float32)
    np.testing.assert_array_equal(product.b.owner.array(program.ctx.weights), expected)  # pyright: ignore


# --- constants ------------------------------------------------------------------------------


def test_fold_constants_is_exact() -> None:
    n = Network((3, 4))
    value = n.apply(SqrtOp, n.constant(n.random.uniform(size=(4, 5))))
    value = n.apply(TransposeOp, n.apply(SoftmaxOp, value, axis=1), permutation=[1, 0])
    value = n.apply(ReduceMeanOp, value, axes=[0], keepdims=False)
    program = n.returns(n.apply(AddOp, n.inputs[0], value), value)
    before = program.run()
    assert program.after(FoldConstantsPass()) == {"add": 1}
    assert_same(before, program.run())


def test_fold_constants_respects_its_limit() -> None:
    n = Network((4,))
    value = n.apply(SqrtOp, n.constant([1.0, 4.0, 9.0, 16.0]))
    program = n.returns(n.apply(AddOp, n.inputs[0], value))
    assert program.after(FoldConstantsPass(max_elements=3)) == {"sqrt": 1, "add": 1}
    assert program.after(FoldConstantsPass(max_elements=4)) == {"add": 1}


# --- fusing ---------------------------------------------------------------------------------


@few
@given(st.data())
def test_fused_residual_blocks_are_exact(data: st.DataObject) -> None:
    """Additions of products, inputs and earlier sums in any order, with activations between."""
    n = Network((3, 4), (3, 4), seed=data.draw(st.integers(0)))
    values = list(n.inputs)
    for _ in range(data.draw(st.integers(1, 8))):
        pick = st.sampled_from(values)
        match data.draw(st.sampled_from(["matmul", "add", "add", "relu", "clip"])):
            case "matmul":
                bias = n.weights(4) if data.draw(st.booleans()) else None
                value = n.apply(MatmulOp, data.draw(pick), n.weights(4, 4), bias)
            case "add":
                value = n.apply(AddOp, data.draw(pick), data.draw(pick))
            case "relu":
                value = n.apply(ReluOp, data.draw(pick))
            case _:
                value = n.apply(ClipOp, data.draw(pick), min=-1.0, max=6.0)
        values.append(value)
    outputs = data.draw(st.lists(st.sampled_from(values[2:]), min_size=1, max_size=2))
    program = n.returns(*outputs)
    before = program.run()
    program.after(FuseActivationPass(), FuseResidualPass(), FuseActivationPass())
    assert_same(before, program.run())
    text = str(program.module)
    program.after(FuseResidualPass(), FuseActivationPass())
    assert str(program.module) == text


def test_residual_block_becomes_one_op() -> None:
    n = Network((1, 4, 5, 5))
    x = n.inputs[0]
    value = n.apply(AddOp, conv(n, x, True, 2, 2), x)
    program = n.returns(n.apply(ReluOp, value))
    before = program.run()
    assert program.after(FuseResidualPass(), FuseActivationPass()) == {"conv": 1}
    assert_same(before, program.run())


@few
@given(st.lists(st.integers(0, 3), min_size=4, max_size=4), st.integers(0))
def test_merge_pads_is_exact(pads: list[int], seed: int) -> None:
    n = Network((2, 4, 5, 5), seed=seed)
    top, left, bottom, right = pads
    pads = [0, 0, top, left, 0, 0, bottom, right]
    padded = n.apply(PadOp, n.inputs[0], pads=pads, mode="constant", value=0.0)
    program = n.returns(conv(n, padded, True, 1, 2))
    before = program.run()
    assert program.after(MergePadsPass()) == {"conv": 1}
    assert_same(before, program.run())


# --- recognizing ----------------------------------------------------------------------------


def product_in_some_order(
    data: st.DataObject, n: Network, factors: list[SSAValue | float]
) -> SSAValue:
    """The product of `factors`, associated anyhow; a number multiplies, or its inverse divides."""
    pool: list[SSAValue | float] = list(data.draw(st.permutations(factors)))
    while len(pool) > 1:
        index = data.draw(st.integers(0, len(pool) - 2))
        left, right = pool[index], pool[index + 1]
        if isinstance(left, float) and isinstance(right, float):
            joined: SSAValue | float = left * right
        elif isinstance(right, float) and data.draw(st.booleans()):
            joined = n.apply(DivOp, left, n.constant(1.0 / right))  # pyright: ignore
        else:
            constants = [n.constant(f) if isinstance(f, float) else f for f in (left, right)]
            joined = n.apply(MulOp, *constants)
        pool[index : index + 2] = [joined]
    assert isinstance(pool[0], SSAValue)
    return pool[0]


def scaled(data: st.DataObject, n: Network, x: SSAValue, factor: float) -> SSAValue:
    return product_in_some_order(data, n, [x, factor])


def plus(data: st.DataObject, n: Network, x: SSAValue, number: float) -> SSAValue:
    if data.draw(st.booleans()):
        return n.apply(AddOp, n.constant(number), x)
    if data.draw(st.booleans()):
        return n.apply(SubOp, x, n.constant(-number))
    return n.apply(AddOp, x, n.constant(number))


@few
@given(st.data())
def test_gelu_in_any_order(data: st.DataObject) -> None:
    n = Network((3, 4), seed=data.draw(st.integers(0)))
    x = n.inputs[0]
    gate = plus(data, n, n.apply(ErfOp, scaled(data, n, x, math.sqrt(0.5))), 1.0)
    program = n.returns(product_in_some_order(data, n, [x, gate, 0.5]))
    before = program.run()
    assert program.after(RecognizeGeluPass()) == {"gelu": 1}
    assert_same(before, program.run(), ROUNDING)


@few
@given(st.data())
def test_tanh_gelu_in_any_order(data: st.DataObject) -> None:
    n = Network((3, 4), seed=data.draw(st.integers(0)))
    x = n.inputs[0]
    if data.draw(st.booleans()):
        cube = scaled(data, n, n.apply(PowOp, x, n.constant(3.0)), 0.044715)
    else:
        cube = product_in_some_order(data, n, [x, x, x, 0.044715])
    inner = scaled(data, n, n.apply(AddOp, x, cube), math.sqrt(2 / math.pi))
    gate = plus(data, n, n.apply(TanhOp, inner), 1.0)
    program = n.returns(product_in_some_order(data, n, [x, gate, 0.5]))
    before = program.run()
    assert program.after(RecognizeGeluPass()) == {"gelu": 1}
    assert_same(before, program.run(), ROUNDING)


@few
@given(st.data())
def test_hard_swish_in_any_order(data: st.DataObject) -> None:
    n = Network((3, 4), seed=data.draw(st.integers(0)))
    x = n.inputs[0]
    match data.draw(st.sampled_from(["six", "one", "hard_sigmoid"])):
        case "six":
            gate = n.apply(ClipOp, plus(data, n, x, 3.0), min=0.0, max=6.0)
            program = n.returns(product_in_some_order(data, n, [x, gate, 1 / 6]))
        case "one":
            line = plus(data, n, scaled(data, n, x, 1 / 6), 0.5)
            gate = n.apply(ClipOp, line, min=0.0, max=1.0)
            program = n.returns(product_in_some_order(data, n, [x, gate]))
        case _:
            gate = n.apply(HardSigmoidOp, x, alpha=1 / 6, beta=0.5)
            program = n.returns(product_in_some_order(data, n, [x, gate]))
    before = program.run()
    assert program.after(RecognizeHardSwishPass()) == {"hard_swish": 1}
    assert_same(before, program.run(), ROUNDING)


@few
@given(st.data(), st.sampled_from([(1 / 6, 0.5), (0.2, 0.5)]), st.sampled_from([1.0, 6.0, 3.0]))
def test_hard_sigmoid(data: st.DataObject, line: tuple[float, float], height: float) -> None:
    """height * clip(alpha x + beta, 0, 1), taken apart at any height."""
    n = Network((3, 4), seed=data.draw(st.integers(0)))
    alpha, beta = line
    inner = plus(data, n, scaled(data, n, n.inputs[0], alpha * height), beta * height)
    clip = n.apply(ClipOp, inner, min=0.0, max=height)
    program = n.returns(clip if height == 1.0 else scaled(data, n, clip, 1 / height))
    before = program.run()
    assert program.after(RecognizeHardSigmoidPass()) == {"hard_sigmoid": 1}
    assert_same(before, program.run(), ROUNDING)


def test_silu() -> None:
    n = Network((3, 4))
    program = n.returns(n.apply(MulOp, n.inputs[0], n.apply(SigmoidOp, n.inputs[0])))
    before = program.run()
    assert program.after(RecognizeSiluPass()) == {"silu": 1}
    assert_same(before, program.run())


@few
@given(st.data())
def test_layer_norm(data: st.DataObject) -> None:
    n = Network((2, 3, 4), seed=data.draw(st.integers(0)))
    x = n.inputs[0]
    axes = data.draw(st.sampled_from([[-1], [2], [1, 2], [-2, -1]]))
    normalized = (2, 3, 4)[min(axis % 3 for axis in axes) :]

    def centred() -> SSAValue:
        return n.apply(SubOp, x, n.apply(ReduceMeanOp, x, axes=axes, keepdims=True))

    deviation = centred()
    base = centred() if data.draw(st.booleans()) else deviation
    if data.draw(st.booleans()):
        square = n.apply(PowOp, base, n.constant(2.0))
    else:
        square = n.apply(MulOp, base, base)
    variance = n.apply(ReduceMeanOp, square, axes=axes, keepdims=True)
    shifted = plus(data, n, variance, 0.25)
    if isinstance(shifted.owner, SubOp):
        return  # variance - (-epsilon): nobody writes it
    match data.draw(st.sampled_from(["div", "reciprocal", "power"])):
        case "div":
            value = n.apply(DivOp, deviation, n.apply(SqrtOp, shifted))
        case "reciprocal":
            factor = n.apply(ReciprocalOp, n.apply(SqrtOp, shifted))
            value = n.apply(MulOp, factor, deviation)
        case _:
            value = n.apply(MulOp, deviation, n.apply(PowOp, shifted, n.constant(-0.5)))
    if data.draw(st.booleans()):
        value = n.apply(MulOp, value, n.weights(*normalized))
    if data.draw(st.booleans()):
        value = n.apply(AddOp, n.weights(1, *normalized), value) if len(normalized) < 3 else value
    program = n.returns(value)
    before = program.run()
    assert program.after(RecognizeLayerNormPass()) == {"layer_norm": 1}
    assert_same(before, program.run(), ROUNDING)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shifted", [False, True])
def test_softmax(axis: int, shifted: bool) -> None:
    n = Network((2, 3, 4))
    x = n.inputs[0]
    if shifted:
        x = n.apply(SubOp, x, n.apply(ReduceMaxOp, x, axes=[axis], keepdims=True))
    powers = n.apply(ExpOp, x)
    program = n.returns(
        n.apply(DivOp, powers, n.apply(ReduceSumOp, powers, axes=[axis], keepdims=True))
    )
    before = program.run()
    assert program.after(RecognizeSoftmaxPass()) == {"softmax": 1}
    assert_same(before, program.run(), ROUNDING)


# --- moving transposes ----------------------------------------------------------------------


MOVEMENT = [*["transpose"] * 2, "unary", "add", "constant", "axis", "pad", "slice", "reduce"]
CANONICAL = ["reshape", "transpose", "slice", "concat", "clamp", "identity"]


def random_movement(data: st.DataObject, n: Network) -> list[SSAValue]:
    """A graph of transposes and ops they sink through; every value has three dimensions."""
    values = list(n.inputs)
    for _ in range(data.draw(st.integers(1, 10))):
        x = data.draw(st.sampled_from(values))
        shape = x.type.get_shape()  # pyright: ignore
        others = [value for value in values if value.type == x.type]
        match data.draw(
            st.sampled_from(
                [
                    "transpose",
                    "transpose",
                    "unary",
                    "add",
                    "constant",
                    "axis",
                    "pad",
                    "slice",
                    "mean",
                ]
            )
        ):
            case "transpose":
                order = data.draw(st.permutations(range(3)))
                value = n.apply(TransposeOp, x, permutation=order)
            case "unary":
                value = n.apply(data.draw(st.sampled_from([ReluOp, NegOp])), x)
            case "add":
                value = n.apply(AddOp, x, data.draw(st.sampled_from(others)))
            case "constant":
                kept = data.draw(st.integers(0, 3))
                broadcast = [s if data.draw(st.booleans()) else 1 for s in shape[3 - kept :]]
                value = n.apply(MulOp, n.weights(*broadcast), x)
            case "axis":
                axis = data.draw(st.integers(-3, 2))
                if data.draw(st.booleans()):
                    value = n.apply(SoftmaxOp, x, axis=axis)
                else:
                    value = n.apply(ConcatOp, x, data.draw(st.sampled_from(others)), axis=axis)
            case "pad":
                pads = data.draw(st.lists(st.integers(0, 1), min_size=6, max_size=6))
                value = n.apply(PadOp, x, pads=pads, mode="edge", value=0.0)
            case "slice":
                starts = [data.draw(st.integers(0, s - 1)) for s in shape]
                value = n.apply(SliceOp, x, starts=starts, ends=list(shape), steps=[1] * 3)
            case _:
                axes = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=2, unique=True))
                value = n.apply(ReduceMaxOp, x, axes=axes, keepdims=True)
        values.append(value)
    return data.draw(st.lists(st.sampled_from(values[1:]), min_size=1, max_size=2))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_sinking_transposes_moves_no_value(data: st.DataObject) -> None:
    n = Network((2, 3, 4), (3, 2, 4), seed=data.draw(st.integers(0)))
    program = n.returns(*random_movement(data, n))
    before = program.run()
    program.after(SinkTransposesPass())
    assert_same(before, program.run(), 1e-6)
    text = str(program.module)
    program.after(SinkTransposesPass())
    assert str(program.module) == text


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [[0], [1], [-1], [0, 2], [2, 1], [3, 0, 1]])
def test_sinking_through_reductions(axes: list[int], keepdims: bool) -> None:
    n = Network((2, 3, 4, 5))
    value = n.apply(TransposeOp, n.inputs[0], permutation=[2, 0, 3, 1])
    program = n.returns(n.apply(ReduceMeanOp, value, axes=axes, keepdims=keepdims))
    before = program.run()
    program.after(SinkTransposesPass())
    assert isinstance(program.body.first_op, ReduceMeanOp)
    assert_same(before, program.run(), ROUNDING)


# --- canonicalization -----------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_canonicalization_is_exact(data: st.DataObject) -> None:
    n = Network((2, 3, 4), (3, 2, 4), seed=data.draw(st.integers(0)))
    values = list(n.inputs)
    for _ in range(data.draw(st.integers(1, 8))):
        x = data.draw(st.sampled_from(values))
        shape = x.type.get_shape()  # pyright: ignore
        number = n.constant(data.draw(st.sampled_from([0.0, -0.0, 1.0, -1.0])))
        match data.draw(st.sampled_from(CANONICAL)):
            case "reshape":
                codes = data.draw(st.sampled_from([[-2, -1], [-1, shape[-1]], [-3, -2, -1], [-1]]))
                if len(shape) < 2 or math.prod(shape) % max(math.prod(shape[-1:]), 1):
                    continue
                value = n.apply(ReshapeOp, x, shape=codes)
            case "transpose":
                order = data.draw(st.permutations(range(len(shape))))
                value = n.apply(TransposeOp, x, permutation=order)
            case "slice":
                cut = [data.draw(st.booleans()) for _ in shape]
                value = n.apply(
                    SliceOp,
                    x,
                    starts=[int(c and s > 1) for c, s in zip(cut, shape, strict=True)],
                    ends=[2**63 - 1] * len(shape),
                    steps=[1] * len(shape),
                )
            case "concat":
                others = [value for value in values if value.type == x.type]
                axis = data.draw(st.integers(-len(shape), len(shape) - 1))
                value = n.apply(ConcatOp, x, data.draw(st.sampled_from(others)), axis=axis)
            case "clamp":
                low = data.draw(st.sampled_from([-math.inf, -1.0, 0.0]))
                high = data.draw(st.sampled_from([math.inf, 6.0, 0.5]))
                if data.draw(st.booleans()):
                    value = n.apply(ClipOp, x, min=low, max=high)
                else:
                    value = n.apply(data.draw(st.sampled_from([MaxOp, MinOp])), number, x)
            case _:
                kinds = [AddOp, SubOp, MulOp, DivOp, PowOp]
                kind = data.draw(st.sampled_from(kinds))
                if kind in (DivOp, PowOp):
                    number = n.constant(1.0)
                value = n.apply(kind, x, number)
        values.append(value)
    outputs = data.draw(st.lists(st.sampled_from(values), min_size=1, max_size=2))
    program = n.returns(*outputs)
    before = program.run()
    program.after(CanonicalizePass())
    assert_same(before, program.run())
    text = str(program.module)
    program.after(CanonicalizePass())
    assert str(program.module) == text

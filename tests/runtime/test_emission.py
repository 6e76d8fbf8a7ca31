"""Every op, lowered and run alone, against the reference: integers and moves bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import FunctionType, ModuleOp, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue

from dialects.assembly import INT64_MAX, INT64_MIN
from dialects.context import OctetContext, make_context
from dialects.elements import element_of, i8, i32, ui8
from dialects.nn import elementwise, integer, linear, movement, normalization, pooling, reduction
from dialects.nn.attributes import RELU, ActivationAttr, WeightAttr
from dialects.nn.constant import ConstantOp
from dialects.quant import DequantizeCastOp, QuantizeCastOp, UniformQuantizedType
from passes.kernel.assign_layout import AssignLayoutPass
from passes.kernel.lower_to_kernel import LowerToKernelPass
from passes.kernel.plan_memory import PlanMemoryPass
from runtime.kernels.isa import host_isas
from runtime.program import Program
from runtime.reference.evaluate import evaluate

Build = Callable[[OctetContext, list[SSAValue], Callable[..., SSAValue]], Any]
RNG = np.random.default_rng(7)

U8 = UniformQuantizedType(ui8, f32, [0.05], [110])
U8_OTHER = UniformQuantizedType(ui8, f32, [0.07], [131])
S8 = UniformQuantizedType(i8, f32, [0.04], [-7])
WEIGHT = UniformQuantizedType(i8, f32, [0.01], [0])
BIAS = UniformQuantizedType(i32, f32, [0.0005], [0])


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def integers(*shape: int, low: int = -128, high: int = 128, dtype: Any = np.int8) -> np.ndarray:
    return RNG.integers(low, high, shape).astype(dtype)


def program_module(ctx: OctetContext, feeds: list[np.ndarray], build: Build) -> ModuleOp:
    block = Block(arg_types=[TensorType(element_of(feed.dtype), feed.shape) for feed in feeds])

    def add(op: Any) -> SSAValue:
        block.add_op(op)
        return op.results[0]

    outputs = build(ctx, list(block.args), add)
    outputs = list(outputs) if isinstance(outputs, tuple | list) else [outputs]
    block.add_op(ReturnOp(*outputs))
    types = FunctionType.from_lists([arg.type for arg in block.args], [v.type for v in outputs])
    module = ModuleOp([FuncOp("main", types, Region(block))])
    module.verify()
    return module


def check(feeds: list[np.ndarray], build: Build, tolerance: float = 0.0) -> None:
    """The plan's outputs on every ISA against the reference, relative to the greatest output."""
    ctx = make_context()
    source = program_module(ctx, feeds, build)
    named = {f"arg{index}": feed for index, feed in enumerate(feeds)}
    expected = evaluate(source, named, ctx.weights)
    lowered = source.clone()
    for step in (AssignLayoutPass(), LowerToKernelPass(), PlanMemoryPass()):
        step.apply(ctx, lowered)
        lowered.verify()
    for isa in host_isas():
        actual = Program(lowered, ctx.weights, {}, isa=isa.name).run(named)
        for name, array in expected.items():
            assert actual[name].dtype == array.dtype, isa.name
            assert actual[name].shape == array.shape, isa.name
            if tolerance == 0:
                np.testing.assert_array_equal(actual[name], array, err_msg=isa.name)
            else:
                scale = max(1.0, float(np.abs(array).max()))
                np.testing.assert_allclose(
                    actual[name], array, rtol=0, atol=tolerance * scale, err_msg=isa.name
                )


FLOAT = 2e-6  # float kernels: relative to the greatest output

UNARY: dict[str, tuple[Any, dict[str, Any], float]] = {
    "relu": (elementwise.ReluOp, {}, 0.0),
    "clip": (elementwise.ClipOp, {"min": -0.5, "max": 1.0}, 0.0),
    "leaky_relu": (elementwise.LeakyReluOp, {"alpha": 0.1}, 0.0),
    "elu": (elementwise.EluOp, {"alpha": 0.7}, FLOAT),
    "hard_swish": (elementwise.HardSwishOp, {}, FLOAT),
    "hard_sigmoid": (elementwise.HardSigmoidOp, {"alpha": 0.2, "beta": 0.5}, FLOAT),
    "gelu": (elementwise.GeluOp, {"approximate": "none"}, FLOAT),
    "gelu_tanh": (elementwise.GeluOp, {"approximate": "tanh"}, FLOAT),
    "sigmoid": (elementwise.SigmoidOp, {}, FLOAT),
    "silu": (elementwise.SiluOp, {}, FLOAT),
    "tanh": (elementwise.TanhOp, {}, FLOAT),
    "erf": (elementwise.ErfOp, {}, FLOAT),
    "exp": (elementwise.ExpOp, {}, 0.0),
    "neg": (elementwise.NegOp, {}, 0.0),
    "abs": (elementwise.AbsOp, {}, 0.0),
    "reciprocal": (elementwise.ReciprocalOp, {}, FLOAT),
    "floor": (elementwise.FloorOp, {}, 0.0),
    "ceil": (elementwise.CeilOp, {}, 0.0),
    "round": (elementwise.RoundOp, {}, 0.0),
    "sign": (elementwise.SignOp, {}, 0.0),
}


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str) -> None:
    op, options, tolerance = UNARY[name]
    check([normal(2, 3, 5, 7)], lambda _c, a, add: add(op.make(a[0], **options)), tolerance)


@pytest.mark.parametrize("op", [elementwise.SqrtOp, elementwise.LogOp])
def test_unary_of_positive_numbers(op: Any) -> None:
    check([np.abs(normal(3, 17)) + 0.1], lambda _c, a, add: add(op.make(a[0])), FLOAT)


BROADCASTS = [
    ((2, 3, 4, 5), (2, 3, 4, 5)),
    ((2, 3, 4, 5), (3, 1, 1)),
    ((1,), (4, 1, 6)),
    ((), (5,)),
]


@pytest.mark.parametrize("shapes", BROADCASTS)
@pytest.mark.parametrize(
    "op", [op for op in elementwise.BINARY_OPS if not op.name.endswith(("and", "or", "xor", "pow"))]
)
def test_binary(op: Any, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    a, b = (np.asarray(normal(*shape)) for shape in shapes)
    check([a, b], lambda _c, v, add: add(op.make(v[0], v[1])))


def test_pow() -> None:
    base, exponent = np.abs(normal(4, 5)) + 0.1, normal(5)
    check([base, exponent], lambda _c, v, add: add(elementwise.PowOp.make(v[0], v[1])), 1e-5)


@pytest.mark.parametrize("op", [elementwise.AndOp, elementwise.OrOp, elementwise.XorOp])
def test_logical(op: Any) -> None:
    a, b = RNG.random((2, 3, 5)) > 0.5
    check([a, b], lambda _c, v, add: add(op.make(v[0], v[1])))


def test_where_and_not() -> None:
    def build(_c: Any, v: list[SSAValue], add: Any) -> SSAValue:
        return add(elementwise.WhereOp.make(add(elementwise.NotOp.make(v[0])), v[1], v[2]))

    check([RNG.random((2, 1, 4)) > 0.5, normal(3, 4), normal(2, 3, 4)], build)


@pytest.mark.parametrize("source", [np.float32, np.int64, np.int32, np.uint8, np.bool_])
@pytest.mark.parametrize("target", [np.float32, np.int64, np.int32, np.uint8, np.bool_])
def test_cast(source: Any, target: Any) -> None:
    x = (RNG.random((3, 11)) * 100).astype(source)
    element = element_of(np.dtype(target))
    check([x], lambda _c, v, add: add(elementwise.CastOp.make(v[0], result_elements=[element])))


MOVES: dict[str, tuple[Any, dict[str, Any]]] = {
    "transpose": (movement.TransposeOp, {"permutation": [2, 0, 3, 1]}),
    "to channels first": (movement.TransposeOp, {"permutation": [0, 3, 1, 2]}),
    "slice": (
        movement.SliceOp,
        {
            "starts": [0, 1, -3, INT64_MAX],
            "ends": [2, INT64_MAX, INT64_MAX, INT64_MIN],
            "steps": [1, 2, 1, -2],
        },
    ),
    "pad": (movement.PadOp, {"pads": [0, 1, 2, 0, 1, 0, -1, 3], "mode": "constant", "value": 1.5}),
    "reflect": (
        movement.PadOp,
        {"pads": [0, 0, 2, 1, 0, 0, 1, 2], "mode": "reflect", "value": 0.0},
    ),
    "edge": (movement.PadOp, {"pads": [0, 0, 2, 1, 0, 0, 1, 2], "mode": "edge", "value": 0.0}),
    "expand": (movement.ExpandOp, {"shape": [3, 2, 4, 6, 5]}),
    "tile": (movement.TileOp, {"repeats": [1, 2, 1, 3]}),
    "depth_to_space": (movement.DepthToSpaceOp, {"block": 2, "mode": "DCR"}),
    "depth_to_space crd": (movement.DepthToSpaceOp, {"block": 2, "mode": "CRD"}),
    "reshape": (movement.ReshapeOp, {"shape": [-2, -1]}),
}


@pytest.mark.parametrize("name", MOVES)
def test_moves(name: str) -> None:
    op, options = MOVES[name]
    check([normal(2, 4, 6, 5)], lambda _c, v, add: add(op.make(v[0], **options)))


@pytest.mark.parametrize("kind", [movement.CropOp, movement.ExpandOp])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, np.bool_])
def test_sizes_that_follow_another_value(kind: Any, dtype: Any) -> None:
    x = (100 * RNG.random((7, 1, 5))).astype(dtype)
    shape = [-5, 1, -3 - 1] if kind is movement.CropOp else [7, -6, 5]
    check(
        [x, normal(3, 4, 2)],
        lambda _c, v, add: add(kind.make(v[0], v[1], shape=shape)),
    )


@pytest.mark.parametrize("name", MOVES)
def test_moves_of_channels_last_integers(name: str) -> None:
    """Quantized, and between channels-last neighbours, where strides are not the dense ones."""
    op, options = MOVES[name]

    def build(_c: Any, v: list[SSAValue], add: Any) -> SSAValue:
        q = add(QuantizeCastOp(v[0], TensorType(U8, (2, 4, 6, 5))))
        pooled = add(
            pooling.MaxPoolOp.make(
                q,
                kernel=[1, 1],
                strides=[1, 1],
                pads=[0] * 4,
                dilations=[1, 1],
                ceil_mode=False,
                result_elements=[U8],
            )
        )
        moved = add(op.make(pooled, **options))
        return add(DequantizeCastOp(moved, TensorType(f32, moved.type.get_shape())))

    check([normal(2, 4, 6, 5)], build)


def test_space_to_depth() -> None:
    check([normal(2, 3, 4, 6)], lambda _c, v, add: add(movement.SpaceToDepthOp.make(v[0], block=2)))


def test_concat() -> None:
    feeds = [normal(2, 3, 4), normal(2, 1, 4), normal(2, 5, 4)]
    check(feeds, lambda _c, v, add: add(movement.ConcatOp.make(*v, axis=1)))


def test_gather() -> None:
    indices = np.array([[0, -1], [3, 2]], np.int64)
    check(
        [normal(2, 4, 3), indices],
        lambda _c, v, add: add(movement.GatherOp.make(v[0], v[1], axis=1)),
    )


RESIZE = {
    "cubic_coeff": -0.75, "exclude_outside": False, "extrapolation_value": 0.0,
    "nearest_mode": "round_prefer_floor",
}  # fmt: skip


@pytest.mark.parametrize("transformation", ["half_pixel", "asymmetric", "align_corners"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_resize(mode: str, transformation: str) -> None:
    options = {"mode": mode, "coordinate_transformation": transformation, **RESIZE}
    tolerance = 0.0 if mode == "nearest" else 1e-5
    for scales in ([1.0, 1.0, 2.0, 1.5], [1.0, 1.0, 0.6, 0.5]):
        check(
            [normal(1, 3, 6, 8)],
            lambda _c, v, add, s=scales: add(movement.ResizeOp.make(v[0], scales=s, **options)),
            tolerance,
        )


@pytest.mark.parametrize("op", [op for op in reduction.REDUCTION_OPS if "reduce" in op.name])
@pytest.mark.parametrize(
    ("axes", "keepdims"), [([2, 3], True), ([1], False), ([0, 1, 2, 3], False)]
)
def test_reductions(op: Any, axes: list[int], keepdims: bool) -> None:
    check(
        [normal(2, 3, 4, 5)],
        lambda _c, v, add: add(op.make(v[0], axes=axes, keepdims=keepdims)),
        1e-6,
    )


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("op", [reduction.ArgMaxOp, reduction.ArgMinOp])
def test_arg_reductions(op: Any, last: bool) -> None:
    x = RNG.integers(0, 4, (3, 5, 7)).astype(np.float32)
    check(
        [x], lambda _c, v, add: add(op.make(v[0], axis=1, keepdims=False, select_last_index=last))
    )


@pytest.mark.parametrize("largest", [False, True])
def test_topk(largest: bool) -> None:
    def build(_c: Any, v: list[SSAValue], add: Any) -> list[SSAValue]:
        op = reduction.TopKOp.make(v[0], k=3, axis=1, largest=largest, sorted=True)
        add(op)
        return list(op.results)

    check([RNG.integers(0, 9, (3, 8, 2)).astype(np.float32)], build)


@pytest.mark.parametrize("axis", [1, -1])
def test_softmax_is_bit_equal(axis: int) -> None:
    check(
        [normal(3, 37, 5) * 8],
        lambda _c, v, add: add(normalization.SoftmaxOp.make(v[0], axis=axis)),
    )


def test_log_softmax() -> None:
    check(
        [normal(3, 37)],
        lambda _c, v, add: add(normalization.LogSoftmaxOp.make(v[0], axis=1)),
        FLOAT,
    )


def test_normalizations() -> None:
    def layer(_c: Any, v: list[SSAValue], add: Any) -> SSAValue:
        return add(normalization.LayerNormOp.make(v[0], v[1], v[2], axis=-1, epsilon=1e-5))

    check([normal(2, 7, 24), normal(24), normal(24)], layer, 1e-5)

    def instance(_c: Any, v: list[SSAValue], add: Any) -> SSAValue:
        return add(normalization.InstanceNormOp.make(v[0], v[1], v[2], epsilon=1e-5))

    check([normal(2, 3, 5, 6), normal(3), normal(3)], instance, 1e-5)

    def batch(ctx: OctetContext, v: list[SSAValue], add: Any) -> SSAValue:
        constants = [add(ConstantOp.of(np.abs(normal(3)) + 0.1, ctx.weights)) for _ in range(4)]
        return add(normalization.BatchNormOp.make(v[0], *constants, epsilon=1e-5))

    check([normal(2, 3, 5, 6)], batch, 1e-5)
    check(
        [normal(2, 7, 3, 4)],
        lambda _c, v, add: add(
            normalization.LrnOp.make(v[0], size=3, alpha=1e-2, beta=0.75, bias=1.0)
        ),
        1e-5,
    )


def window(
    kernel: list[int], strides: list[int], pads: list[int], dilations: list[int], ceil_mode: bool
) -> dict[str, Any]:
    return {
        "kernel": kernel,
        "strides": strides,
        "pads": pads,
        "dilations": dilations,
        "ceil_mode": ceil_mode,
    }


WINDOWS = [
    window([2, 2], [2, 2], [0, 0, 0, 0], [1, 1], ceil_mode=False),
    window([3, 2], [2, 1], [1, 0, 1, 1], [1, 1], ceil_mode=True),
    window([2, 2], [1, 1], [0, 0, 0, 0], [2, 3], ceil_mode=False),
]


@pytest.mark.parametrize("options", WINDOWS)
def test_pools(options: dict[str, Any]) -> None:
    x = normal(2, 5, 9, 8)
    check([x], lambda _c, v, add: add(pooling.MaxPoolOp.make(v[0], **options)))
    for include in (False, True):
        check(
            [x],
            lambda _c, v, add, include=include: add(
                pooling.AvgPoolOp.make(v[0], **options, count_include_pad=include)
            ),
            1e-6,
        )


@pytest.mark.parametrize("options", WINDOWS)
def test_integer_average_pool(options: dict[str, Any]) -> None:
    def build(_c: Any, v: list[SSAValue], add: Any) -> SSAValue:
        q = add(QuantizeCastOp(v[0], TensorType(S8, (2, 5, 9, 8))))
        y = add(
            pooling.AvgPoolOp.make(q, **options, count_include_pad=True, result_elements=[U8_OTHER])
        )
        return add(DequantizeCastOp(y, TensorType(f32, y.type.get_shape())))

    check([normal(2, 5, 9, 8)], build)


@pytest.mark.parametrize("result", [U8_OTHER, S8])
@pytest.mark.parametrize("op", [elementwise.AddOp, elementwise.SubOp, elementwise.MulOp])
def test_integer_arithmetic(op: Any, result: UniformQuantizedType) -> None:
    def build(_c: Any, v: list[SSAValue], add: Any) -> SSAValue:
        a = add(QuantizeCastOp(v[0], TensorType(U8, (2, 3, 4, 5))))
        b = add(QuantizeCastOp(v[1], TensorType(S8, (3, 1, 1))))
        y = add(op.make(a, b, result_elements=[result]))
        return add(DequantizeCastOp(y, TensorType(f32, (2, 3, 4, 5))))

    check([normal(2, 3, 4, 5), normal(3, 1, 1)], build)


def test_lookup_into_signed_bytes() -> None:
    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> SSAValue:
        q = add(QuantizeCastOp(v[0], TensorType(S8, (50,))))
        table = WeightAttr(ctx.weights.add(integers(256)))
        y = add(elementwise.LookupOp.make(q, table=table, result_elements=[S8]))
        return add(DequantizeCastOp(y, TensorType(f32, (50,))))

    check([normal(50) * 3], build)


def test_integer_mean() -> None:
    def build(_c: Any, v: list[SSAValue], add: Any) -> SSAValue:
        q = add(QuantizeCastOp(v[0], TensorType(U8, (2, 19, 7, 7))))
        y = add(
            reduction.ReduceMeanOp.make(q, axes=[2, 3], keepdims=True, result_elements=[U8_OTHER])
        )
        return add(DequantizeCastOp(y, TensorType(f32, (2, 19, 1, 1))))

    check([normal(2, 19, 7, 7)], build)


def per_channel(count: int, axis: int, element: Any = i8) -> UniformQuantizedType:
    scales = [float(np.float32(0.005 + 0.001 * (c % 7))) for c in range(count)]
    return UniformQuantizedType(element, f32, scales, [0] * count, axis=axis)


CONVS = {
    # name: (C, O, kernel, strides, pads, dilations, groups)
    "pointwise": (16, 24, (1, 1), [1, 1], [0, 0, 0, 0], [1, 1], 1),
    "3x3": (5, 70, (3, 3), [1, 1], [1, 1, 1, 1], [1, 1], 1),
    "stem": (3, 16, (7, 7), [2, 2], [3, 3, 3, 3], [1, 1], 1),
    "asymmetric pads": (8, 8, (3, 3), [2, 2], [0, 1, 1, 0], [1, 1], 1),
    "dilated": (4, 9, (3, 3), [1, 1], [2, 2, 2, 2], [2, 2], 1),
    "grouped": (12, 8, (3, 3), [1, 1], [1, 1, 1, 1], [1, 1], 4),
    "depthwise": (20, 20, (3, 3), [1, 1], [1, 1, 1, 1], [1, 1], 20),
    "depthwise stride 2": (33, 33, (5, 5), [2, 2], [2, 2, 2, 2], [1, 1], 33),
}


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("name", CONVS)
def test_integer_conv(name: str, residual: bool) -> None:
    c, o, kernel, strides, pads, dilations, groups = CONVS[name]
    options = {"strides": strides, "pads": pads, "dilations": dilations, "groups": groups}

    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> SSAValue:
        x = add(QuantizeCastOp(v[0], TensorType(S8, v[0].type.get_shape())))
        weight = add(
            ConstantOp.of(
                integers(o, c // groups, *kernel, low=-127), ctx.weights, per_channel(o, 0)
            )
        )
        bias = add(
            ConstantOp.of(
                integers(o, low=-3000, high=3000, dtype=np.int32),
                ctx.weights,
                per_channel(o, 0, i32),
            )
        )
        plain = linear.ConvOp.make(x, weight, bias, **options, result_elements=[U8])
        if not residual:
            y = add(plain)
        else:
            r = add(QuantizeCastOp(v[1], TensorType(U8_OTHER, plain.result.type.get_shape())))
            y = add(
                linear.ConvOp.make(
                    x,
                    weight,
                    bias,
                    r,
                    **options,
                    activation=ActivationAttr(0.0, 6.0),
                    result_elements=[U8],
                )
            )
        return add(DequantizeCastOp(y, TensorType(f32, y.type.get_shape())))

    x = normal(2, c, 11, 9)
    sizes = [
        (size + pads[i] + pads[2 + i] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
        for i, size in enumerate((11, 9))
    ]
    check([x, normal(2, o, *sizes)] if residual else [x], build)


@pytest.mark.parametrize("name", CONVS)
def test_integer_conv_with_float_result(name: str) -> None:
    c, o, kernel, strides, pads, dilations, groups = CONVS[name]
    options = {"strides": strides, "pads": pads, "dilations": dilations, "groups": groups}

    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> SSAValue:
        x = add(QuantizeCastOp(v[0], TensorType(U8, v[0].type.get_shape())))
        weight = add(
            ConstantOp.of(integers(o, c // groups, *kernel), ctx.weights, per_channel(o, 0))
        )
        return add(linear.ConvOp.make(x, weight, **options, activation=RELU, result_elements=[f32]))

    check([normal(1, c, 11, 9)], build)


@pytest.mark.parametrize("zero_point", [0, 7])
def test_integer_conv_with_asymmetric_weights(zero_point: int) -> None:
    element = UniformQuantizedType(ui8, f32, [0.01], [120 + zero_point])

    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> SSAValue:
        x = add(QuantizeCastOp(v[0], TensorType(U8, v[0].type.get_shape())))
        array = integers(6, 5, 3, 3, low=0, high=256, dtype=np.uint8)
        weight = add(ConstantOp.of(array, ctx.weights, element))
        y = add(
            linear.ConvOp.make(
                x,
                weight,
                strides=[1, 1],
                pads=[1] * 4,
                dilations=[1, 1],
                groups=1,
                result_elements=[S8],
            )
        )
        return add(DequantizeCastOp(y, TensorType(f32, y.type.get_shape())))

    check([normal(1, 5, 6, 7)], build)


@pytest.mark.parametrize("name", CONVS)
def test_float_conv(name: str) -> None:
    c, o, kernel, strides, pads, dilations, groups = CONVS[name]
    options = {"strides": strides, "pads": pads, "dilations": dilations, "groups": groups}

    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> SSAValue:
        weight = add(ConstantOp.of(normal(o, c // groups, *kernel), ctx.weights))
        bias = add(ConstantOp.of(normal(o), ctx.weights))
        return add(linear.ConvOp.make(v[0], weight, bias, **options, activation=RELU))

    check([normal(2, c, 11, 9)], build, 1e-5)


@pytest.mark.parametrize("integer_type", [False, True])
def test_one_dimensional_conv(integer_type: bool) -> None:
    options = {"strides": [2], "pads": [1, 2], "dilations": [1], "groups": 1}

    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> SSAValue:
        if not integer_type:
            weight = add(ConstantOp.of(normal(6, 4, 3), ctx.weights))
            return add(linear.ConvOp.make(v[0], weight, **options))
        x = add(QuantizeCastOp(v[0], TensorType(U8, v[0].type.get_shape())))
        weight = add(ConstantOp.of(integers(6, 4, 3), ctx.weights, WEIGHT))
        y = add(linear.ConvOp.make(x, weight, **options, result_elements=[U8_OTHER]))
        return add(DequantizeCastOp(y, TensorType(f32, y.type.get_shape())))

    check([normal(2, 4, 15)], build, 0.0 if integer_type else 1e-5)


def test_conv_transpose() -> None:
    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> SSAValue:
        weight = add(ConstantOp.of(normal(4, 3, 3, 2), ctx.weights))
        bias = add(ConstantOp.of(normal(6), ctx.weights))
        return add(
            linear.ConvTransposeOp.make(
                v[0],
                weight,
                bias,
                strides=[2, 1],
                pads=[1, 0, 0, 1],
                dilations=[1, 2],
                groups=2,
                output_padding=[1, 0],
            )
        )

    check([normal(2, 4, 5, 6)], build, 1e-5)


def test_float_matmul_of_two_activations() -> None:
    feeds = [normal(2, 3, 5, 17), normal(3, 17, 9)]
    check(feeds, lambda _c, v, add: add(linear.MatmulOp.make(v[0], v[1])), 1e-5)


def test_float_matmul_with_everything() -> None:
    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> SSAValue:
        weight = add(ConstantOp.of(normal(24, 70), ctx.weights))
        bias = add(ConstantOp.of(normal(70), ctx.weights))
        return add(linear.MatmulOp.make(v[0], weight, bias, v[1], activation=RELU))

    check([normal(3, 5, 24), normal(3, 5, 70)], build, 1e-5)


@pytest.mark.parametrize("result", [None, U8_OTHER, S8])
def test_integer_matmul(result: UniformQuantizedType | None) -> None:
    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> SSAValue:
        a = add(QuantizeCastOp(v[0], TensorType(S8, (2, 5, 30))))
        weight = add(ConstantOp.of(integers(30, 70), ctx.weights, per_channel(70, 1)))
        y = add(linear.MatmulOp.make(a, weight, result_elements=[result or f32]))
        return y if result is None else add(DequantizeCastOp(y, TensorType(f32, (2, 5, 70))))

    check([normal(2, 5, 30)], build)


def test_dynamic_quantization() -> None:
    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> list[SSAValue]:
        quantize = integer.DynamicQuantizeOp.make(v[0])
        add(quantize)
        weight = add(ConstantOp.of(integers(9, 4), ctx.weights))
        product = add(
            integer.MatmulIntegerOp.make(quantize.results[0], weight, quantize.results[2], None)
        )
        return [*quantize.results, product]

    check([normal(5, 9)], build)


def test_conv_integer() -> None:
    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> SSAValue:
        weight = add(
            ConstantOp.of(integers(6, 3, 3, 3, low=0, high=256, dtype=np.uint8), ctx.weights)
        )
        zero = add(ConstantOp.of(np.array(120, np.uint8), ctx.weights))
        return add(
            integer.ConvIntegerOp.make(
                v[0], weight, v[1], zero, strides=[1, 1], pads=[1] * 4, dilations=[1, 1], groups=1
            )
        )

    check([integers(2, 3, 5, 6, low=0, high=256, dtype=np.uint8), np.array(9, np.uint8)], build)


def test_outputs_may_be_inputs_and_constants() -> None:
    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> list[SSAValue]:
        constant = add(ConstantOp.of(normal(3, 20), ctx.weights))
        return [v[0], constant, v[0]]

    check([normal(4)], build)

"""Every op on bf16 and f16 tensors, lowered and run alone on every ISA, against the reference.

Kernels add up in another order and may differ by one rounding; those that move, compare or compute
each element alone give the reference's bits, up to the payloads of NaNs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import SSAValue

from dialects.context import OctetContext, make_context
from dialects.elements import bfloat16, element_of
from dialects.nn import attention, elementwise, linear, movement, normalization, pooling, reduction
from dialects.nn.attributes import RELU, ActivationAttr
from dialects.nn.constant import ConstantOp
from dialects.quant import DequantizeCastOp, QuantizeCastOp
from passes.kernel.assign_layout import AssignLayoutPass
from passes.kernel.lower_to_kernel import LowerToKernelPass
from passes.kernel.plan_memory import PlanMemoryPass
from runtime.kernels.isa import host_isas
from runtime.program import Program
from runtime.reference.evaluate import evaluate
from tests.runtime.test_emission import MOVES, RESIZE, U8, UNARY, Build, normal, program_module

HALVES = [bfloat16, np.dtype(np.float16)]
STEP = {bfloat16: 2.0**-8, np.dtype(np.float16): 2.0**-11, np.dtype(np.float32): 2.0**-24}
"""Half the distance of neighbouring numbers, relative to them."""

every_half = pytest.mark.parametrize("dtype", HALVES, ids=str)


def check(feeds: list[np.ndarray], build: Build, *, exact: bool = False, atol: float = 0.0) -> None:
    """The plan's outputs on every ISA against the reference."""
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
            wide, given = array.astype(np.float64), actual[name].astype(np.float64)
            if exact:
                np.testing.assert_array_equal(given, wide, err_msg=isa.name)
                continue
            # One rounding to the result's type apart, and float32 sums in another order.
            scale = float(np.abs(wide[np.isfinite(wide)]).max(initial=1.0))
            rtol, least = 2.01 * STEP[array.dtype], max(atol, 4e-6 * scale)
            np.testing.assert_allclose(given, wide, rtol=rtol, atol=least, err_msg=isa.name)


def halves(dtype: np.dtype, *shape: int) -> np.ndarray:
    return normal(*shape).astype(dtype)


@every_half
@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str, dtype: np.dtype) -> None:
    op, options, tolerance = UNARY[name]
    x = halves(dtype, 2, 3, 5, 7)
    check([x], lambda _c, v, add: add(op.make(v[0], **options)), exact=tolerance == 0)


@every_half
@pytest.mark.parametrize(
    "op",
    [op for op in elementwise.BINARY_OPS if not op.name.endswith(("and", "or", "xor", "pow"))],
)
def test_binary(op: Any, dtype: np.dtype) -> None:
    for shapes in (((2, 3, 4, 5), (2, 3, 4, 5)), ((2, 3, 4, 5), (3, 1, 1)), ((), (37,))):
        a, b = (halves(dtype, *shape) for shape in shapes)
        check([a, b], lambda _c, v, add: add(op.make(v[0], v[1])), exact=True)


@every_half
def test_special_numbers(dtype: np.dtype) -> None:
    info = np.finfo(np.float16) if dtype == np.float16 else None
    tiny = float(info.smallest_subnormal) if info is not None else 2.0**-133
    special = [np.nan, np.inf, -np.inf, 0.0, -0.0, tiny, -3 * tiny, 1.0, -2.5]
    x = np.array(special * 8, np.float32).astype(dtype).reshape(1, 2, 6, 6)

    def build(_c: Any, v: list[SSAValue], add: Any) -> list[SSAValue]:
        pool = {"kernel": [3, 3], "strides": [1, 1], "pads": [1] * 4, "dilations": [1, 1]}
        return [
            add(elementwise.ReluOp.make(v[0])),
            add(elementwise.AddOp.make(v[0], v[0])),
            add(elementwise.MaxOp.make(v[0], v[0])),
            add(pooling.MaxPoolOp.make(v[0], ceil_mode=False, **pool)),
            add(elementwise.CastOp.make(v[0], result_elements=[f32])),
        ]

    check([x], build, exact=True)


@every_half
@pytest.mark.parametrize("name", MOVES)
def test_moves(name: str, dtype: np.dtype) -> None:
    op, options = MOVES[name]
    x = halves(dtype, 2, 4, 6, 5)
    check([x], lambda _c, v, add: add(op.make(v[0], **options)), exact=True)


@every_half
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_resize(mode: str, dtype: np.dtype) -> None:
    options = {"mode": mode, "coordinate_transformation": "half_pixel", **RESIZE}
    x = halves(dtype, 1, 3, 6, 8)
    check(
        [x],
        lambda _c, v, add: add(
            movement.ResizeOp.make(v[0], scales=[1.0, 1.0, 2.0, 1.5], **options)
        ),
    )


@every_half
@pytest.mark.parametrize("op", [op for op in reduction.REDUCTION_OPS if "reduce" in op.name])
def test_reductions(op: Any, dtype: np.dtype) -> None:
    for axes, keepdims in (([2, 3], True), ([1], False), ([3], False), ([0, 1, 2, 3], False)):
        check(
            [halves(dtype, 2, 3, 4, 35)],
            lambda _c, v, add, a=axes, k=keepdims: add(op.make(v[0], axes=a, keepdims=k)),
        )


@every_half
def test_argmax_and_topk(dtype: np.dtype) -> None:
    x = np.random.default_rng(1).permutation(60).reshape(3, 20).astype(dtype)

    def build(_c: Any, v: list[SSAValue], add: Any) -> list[SSAValue]:
        top = reduction.TopKOp.make(v[0], k=3, axis=1, largest=True, sorted=True)
        add(top)
        arg = reduction.ArgMaxOp.make(v[0], axis=1, keepdims=False, select_last_index=False)
        return [*top.results, add(arg)]

    check([x], build, exact=True)


@every_half
@pytest.mark.parametrize("channels", [3, 16, 65])
@pytest.mark.parametrize("op", [pooling.MaxPoolOp, pooling.AvgPoolOp])
def test_pools(op: Any, channels: int, dtype: np.dtype) -> None:
    options: dict[str, Any] = {
        "kernel": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1], "dilations": [1, 1],
        "ceil_mode": False,
    }  # fmt: skip
    if op is pooling.AvgPoolOp:
        options["count_include_pad"] = False
    x = halves(dtype, 2, channels, 7, 9)
    check([x], lambda _c, v, add: add(op.make(v[0], **options)), exact=op is pooling.MaxPoolOp)


@every_half
def test_normalizations(dtype: np.dtype) -> None:
    def build(_c: Any, v: list[SSAValue], add: Any) -> list[SSAValue]:
        x, scale, bias, image, few = v
        return [
            add(normalization.LayerNormOp.make(x, scale, bias, axis=-1, epsilon=1e-5)),
            add(normalization.LayerNormOp.make(x, None, None, axis=-2, epsilon=1e-5)),
            add(normalization.InstanceNormOp.make(image, few, few, epsilon=1e-5)),
            add(normalization.SoftmaxOp.make(x, axis=-1)),
            add(normalization.SoftmaxOp.make(x, axis=1)),
            add(normalization.LogSoftmaxOp.make(x, axis=-1)),
            add(normalization.LrnOp.make(image, size=3, alpha=0.01, beta=0.75, bias=1.0)),
        ]

    x, image = halves(dtype, 2, 7, 37), halves(dtype, 2, 3, 5, 4)
    check([x, normal(37), normal(37), image, normal(3)], build)
    parameters = halves(dtype, 37)
    check([x, parameters, parameters, image, halves(dtype, 3)], build)


@every_half
def test_attention(dtype: np.dtype) -> None:
    def build(_c: Any, v: list[SSAValue], add: Any) -> SSAValue:
        return add(attention.AttentionOp.make(*v, heads=2, scale=0.25))

    feeds = [halves(dtype, 1, 9, 32) for _ in range(3)]
    # Weights may be rounded to the type before they multiply the values.
    atol = STEP[dtype] * float(np.abs(feeds[2].astype(np.float32)).max())
    masks = np.where(normal(1, 1, 1, 9) > 0, 0, -1e30).astype(np.float32)
    check([*feeds, masks], build, atol=atol)


@every_half
def test_quantized_neighbours(dtype: np.dtype) -> None:
    """From 16-bit floats to bytes and back, computed in float32."""

    def build(_c: Any, v: list[SSAValue], add: Any) -> SSAValue:
        quantized = add(QuantizeCastOp(v[0], TensorType(U8, (2, 3, 5, 7))))
        return add(DequantizeCastOp(quantized, v[0].type))

    check([halves(dtype, 2, 3, 5, 7)], build, exact=True)


# --- convolutions and matrix products -------------------------------------------------------------


def linear_check(
    op: Any,
    dtype: np.dtype,
    x: np.ndarray,
    weight: np.ndarray,
    *,
    channels: int,
    result: np.dtype,
    residual: bool,
    options: dict[str, Any],
) -> None:
    """One op with bias; with `residual`, a second one that adds the result of the first."""
    element = element_of(result)

    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> SSAValue:
        w = add(ConstantOp.of(weight.astype(dtype), ctx.weights))
        bias = add(ConstantOp.of(normal(channels), ctx.weights))
        first = add(op.make(v[0], w, bias, result_elements=[element], **options))
        if not residual:
            return first
        return add(op.make(v[0], w, bias, first, result_elements=[element], **options))

    check([x.astype(dtype)], build)


@settings(max_examples=20, deadline=None)
@given(st.data())
@every_half
def test_convolutions(dtype: np.dtype, data: st.DataObject) -> None:
    draw = data.draw
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    per_group = draw(st.sampled_from([1, 2, 5, 8, 16]))
    depthwise = draw(st.booleans())
    channels = draw(st.sampled_from([3, 16, 33, 70])) if depthwise else groups * per_group
    out = channels if depthwise else groups * draw(st.sampled_from([1, 4, 17, 64]))
    kernel = draw(st.sampled_from([(1, 1), (3, 3), (2, 3)]))
    dilations = draw(st.sampled_from([(1, 1), (2, 1)]))
    size = draw(st.tuples(st.integers(1, 6), st.integers(1, 9)))
    pads = [
        max(draw(st.integers(0, 2)), -(-((k - 1) * d + 1 - n) // 2))
        for k, d, n in zip(kernel * 2, dilations * 2, size * 2, strict=True)
    ]
    activation = draw(st.sampled_from([None, RELU, ActivationAttr(-0.5, 0.75)]))
    linear_check(
        linear.ConvOp,
        dtype,
        normal(draw(st.integers(1, 2)), channels, *size),
        normal(out, 1 if depthwise else per_group, *kernel),
        channels=out,
        result=draw(st.sampled_from([dtype, np.dtype(np.float32)])),
        residual=draw(st.booleans()),
        options={
            "strides": list(draw(st.sampled_from([(1, 1), (2, 1), (2, 2)]))),
            "pads": pads,
            "dilations": list(dilations),
            "groups": channels if depthwise else groups,
            "activation": activation,
        },
    )


@settings(max_examples=15, deadline=None)
@given(st.data())
@every_half
def test_matrix_products(dtype: np.dtype, data: st.DataObject) -> None:
    draw = data.draw
    m, k, n = draw(st.integers(1, 20)), draw(st.integers(1, 67)), draw(st.integers(1, 70))
    linear_check(
        linear.MatmulOp,
        dtype,
        normal(2, m, k),
        normal(k, n),
        channels=n,
        result=draw(st.sampled_from([dtype, np.dtype(np.float32)])),
        residual=draw(st.booleans()),
        options={"activation": draw(st.sampled_from([None, RELU]))},
    )


@every_half
def test_matrix_products_known_at_run_time(dtype: np.dtype) -> None:
    a, b = halves(dtype, 2, 5, 19), halves(dtype, 2, 19, 35)
    check([a, b], lambda _c, v, add: add(linear.MatmulOp.make(v[0], v[1], None, None)))


@every_half
def test_transposed_convolution(dtype: np.dtype) -> None:
    weight = normal(4, 3, 2, 2)

    def build(ctx: OctetContext, v: list[SSAValue], add: Any) -> SSAValue:
        w = add(ConstantOp.of(weight.astype(dtype), ctx.weights))
        options = {"strides": [2, 2], "pads": [0, 1, 0, 1], "dilations": [1, 1]}
        extra = {"groups": 1, "output_padding": [1, 0]}
        return add(linear.ConvTransposeOp.make(v[0], w, None, **options, **extra))

    check([halves(dtype, 1, 4, 5, 3)], build)


def test_halves_are_summed_in_float32() -> None:
    """4096 ones: in bf16 the sum would stop at 256, in f16 at 2048."""
    for dtype in HALVES:
        ones = np.ones((1, 4096), dtype)

        def build(ctx: OctetContext, v: list[SSAValue], add: Any, dtype: Any = dtype) -> SSAValue:
            column = add(ConstantOp.of(np.ones((4096, 1), dtype), ctx.weights))
            return add(linear.MatmulOp.make(v[0], column, None, None, result_elements=[f32]))

        check([ones], build, exact=True)

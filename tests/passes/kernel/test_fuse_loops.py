"""Programs with and without `fuse-loops`: the same bits, near the reference, at any size."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Region, SSAValue

from dialects.context import OctetContext, make_context
from dialects.elements import boolean, dtype_of, i8, ui8
from dialects.errors import OctetError
from dialects.kernel.loops import LoopOp, MapOp, ReduceOp
from dialects.kernel.ops import buffer_shape
from dialects.nn import elementwise, normalization, reduction
from dialects.nn.base import element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.quant import DequantizeCastOp, QuantizeCastOp, UniformQuantizedType
from passes.kernel.assign_layout import AssignLayoutPass
from passes.kernel.fuse_loops import FuseLoopsPass
from passes.kernel.lower_to_kernel import LowerToKernelPass
from passes.kernel.plan_memory import PlanMemoryPass
from runtime.program import Program
from runtime.reference.evaluate import evaluate
from tests.runtime.kernels.test_kernels_quantize_pixels import near_ties

U8 = UniformQuantizedType(ui8, f32, [0.05], [110])
S8 = UniformQuantizedType(i8, f32, [0.04], [-7])


class Builder:
    """A program whose inputs are `shapes`, built op by op."""

    def __init__(self, *shapes: tuple[int, ...], element: Attribute = f32) -> None:
        self.ctx: OctetContext = make_context()
        self.block = Block(arg_types=[TensorType(element, shape) for shape in shapes])

    @property
    def inputs(self) -> tuple[SSAValue, ...]:
        return tuple(self.block.args)

    def add(self, op: Any) -> SSAValue:
        self.block.add_op(op)
        return op.results[0]

    def constant(self, array: Any) -> SSAValue:
        return self.add(ConstantOp.of(np.asarray(array, np.float32), self.ctx.weights))

    def cast(self, value: SSAValue, element: Attribute) -> SSAValue:
        return self.add(elementwise.CastOp.make(value, result_elements=[element]))

    def requantized(self, value: SSAValue, element: UniformQuantizedType) -> SSAValue:
        stored = self.add(QuantizeCastOp(value, TensorType(element, shape_of(value))))
        return self.add(DequantizeCastOp(stored, TensorType(f32, shape_of(value))))

    def module(self, *results: SSAValue) -> ModuleOp:
        self.block.add_op(ReturnOp(*results))
        types = ([v.type for v in self.block.args], [value.type for value in results])
        module = ModuleOp([FuncOp("main", types, Region(self.block))])
        module.verify()
        return module


def lowered(ctx: OctetContext, module: ModuleOp, *, fuse: bool) -> ModuleOp:
    module = cast(ModuleOp, module.clone())
    passes = [AssignLayoutPass(), LowerToKernelPass()]
    passes += [FuseLoopsPass(min_elements=1)] if fuse else []
    for each in (*passes, PlanMemoryPass()):
        each.apply(ctx, module)
        module.verify()
    return module


def loops_of(module: ModuleOp) -> list[LoopOp]:
    return [op for op in module.walk() if isinstance(op, LoopOp)]


def feeds_of(module: ModuleOp, seed: int = 0, batch: int | None = None) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    block = next(op for op in module.ops if isinstance(op, FuncOp)).body.block
    feeds: dict[str, np.ndarray] = {}
    for index, argument in enumerate(block.args):
        shape = shape_of(argument)
        if batch is not None and len(shape) > 2:
            shape = (batch, *shape[1:])
        values = 3 * random.standard_normal(shape).astype(np.float32)
        values.flat[: values.size // 7] *= 100  # saturates, overflows
        feeds[f"arg{index}"] = values.astype(dtype_of(element_of_value(argument)))
    return feeds


def check(
    builder: Builder, *results: SSAValue, batch: int | None = None, tolerance: float | None = 2e-5
) -> list[LoopOp]:
    """Fused and plain programs agree in every bit, and with the reference (None: not compared with
    it); gives the loops."""
    module = builder.module(*results)
    plain, fused = (lowered(builder.ctx, module, fuse=fuse) for fuse in (False, True))
    programs = [Program.from_module(m, builder.ctx.weights, {}) for m in (plain, fused)]
    feeds = feeds_of(module)
    expected, found = (program.run(feeds) for program in programs)
    with np.errstate(all="ignore"):
        reference = evaluate(module, feeds, builder.ctx.weights)
    assert list(found) == list(expected) == list(reference)
    for name, array in expected.items():
        assert found[name].tobytes() == array.tobytes(), name
        if tolerance is not None:
            numbers = (each[name].astype(np.float64) for each in (found, reference))
            np.testing.assert_allclose(*numbers, rtol=tolerance, atol=tolerance)
    threaded = programs[1].run(feeds, threads=2)
    assert all(threaded[name].tobytes() == array.tobytes() for name, array in expected.items())
    if batch is not None:
        feeds = feeds_of(module, 1, batch)
        expected, found = (program.run(feeds) for program in programs)
        assert all(found[name].tobytes() == array.tobytes() for name, array in expected.items())
    return loops_of(fused)


UNARY: dict[str, tuple[Any, dict[str, Any]]] = {
    "relu": (elementwise.ReluOp, {}),
    "clip": (elementwise.ClipOp, {"min": -0.5, "max": 2.0}),
    "leaky_relu": (elementwise.LeakyReluOp, {"alpha": 0.1}),
    "elu": (elementwise.EluOp, {"alpha": 1.5}),
    "hard_swish": (elementwise.HardSwishOp, {}),
    "hard_sigmoid": (elementwise.HardSigmoidOp, {"alpha": 0.2, "beta": 0.5}),
    "sigmoid": (elementwise.SigmoidOp, {}),
    "silu": (elementwise.SiluOp, {}),
    "tanh": (elementwise.TanhOp, {}),
    "erf": (elementwise.ErfOp, {}),
    "gelu": (elementwise.GeluOp, {"approximate": "none"}),
    "gelu_tanh": (elementwise.GeluOp, {"approximate": "tanh"}),
    "sqrt": (elementwise.SqrtOp, {}),
    "exp": (elementwise.ExpOp, {}),
    "log": (elementwise.LogOp, {}),
    "neg": (elementwise.NegOp, {}),
    "abs": (elementwise.AbsOp, {}),
    "reciprocal": (elementwise.ReciprocalOp, {}),
    "floor": (elementwise.FloorOp, {}),
    "ceil": (elementwise.CeilOp, {}),
    "round": (elementwise.RoundOp, {}),
}
BINARY: dict[str, Any] = {
    "add": elementwise.AddOp,
    "sub": elementwise.SubOp,
    "mul": elementwise.MulOp,
    "div": elementwise.DivOp,
    "min": elementwise.MinOp,
    "max": elementwise.MaxOp,
    "prelu": elementwise.PReluOp,
}


@pytest.mark.parametrize("name", UNARY)
def test_unary(name: str):
    kind, options = UNARY[name]
    b = Builder((5, 37))
    x = b.add(kind.make(b.inputs[0], **options))
    (loop,) = check(b, b.add(elementwise.NegOp.make(x)))
    assert isinstance(loop, MapOp)


@pytest.mark.parametrize("name", BINARY)
def test_binary(name: str):
    b = Builder((5, 37), (37,))
    x = b.add(elementwise.NegOp.make(b.inputs[0]))
    (loop,) = check(b, b.add(BINARY[name].make(x, b.inputs[1])))
    assert isinstance(loop, MapOp)


def test_condition():
    """Truth values are loaded, computed and stored."""
    b = Builder((4, 19), (4, 19))
    x, y = b.inputs
    greater = b.add(elementwise.GreaterOp.make(x, y))
    chosen = b.add(elementwise.WhereOp.make(greater, x, y))
    assert element_of_value(greater) == boolean
    stored = b.add(elementwise.LessOp.make(x, b.constant(0.5)))
    other = b.add(elementwise.NotOp.make(stored))
    again = b.add(elementwise.WhereOp.make(other, chosen, y))
    (loop,) = check(b, b.add(elementwise.AbsOp.make(again)), greater)
    assert len(loop.results) == 2


SIZES = st.sampled_from([1, 2, 3, 16, 17, 33, 64])


@st.composite
def shapes(draw: st.DrawFn) -> list[tuple[int, ...]]:
    """A shape, and shapes that broadcast to it."""
    shape = tuple(draw(st.lists(SIZES, min_size=1, max_size=4)))
    keep = st.lists(st.booleans(), min_size=len(shape), max_size=len(shape))
    smaller = [
        tuple(size if kept else 1 for size, kept in zip(shape, draw(keep), strict=True))
        for _ in range(draw(st.integers(0, 2)))
    ]
    return [shape, *(other[draw(st.integers(0, len(shape) - 1)) :] for other in smaller)]


STEPS = st.one_of(
    st.tuples(st.just("unary"), st.sampled_from(sorted({*UNARY} - {"log", "sqrt", "reciprocal"}))),
    st.tuples(st.just("binary"), st.sampled_from(["add", "sub", "mul", "min", "max"])),
    st.tuples(st.just("scale"), st.sampled_from([0.5, -2.0])),
    st.tuples(st.just("quantize"), st.sampled_from(["u8", "s8"])),
    st.tuples(st.just("row"), st.sampled_from(["max", "mean"])),
)
"""One op of a chain, and which."""


def chain(b: Builder, steps: list[tuple[str, Any]]) -> list[SSAValue]:
    """The values of a chain: each step works on the value before it."""
    values, axis = [b.inputs[0]], len(shape_of(b.inputs[0])) - 1
    for number, (step, which) in enumerate(steps):
        x = values[-1]
        match step:
            case "unary":
                kind, options = UNARY[which]
                x = b.add(kind.make(x, **options))
            case "binary":
                others = [*values, *b.inputs[1:]]
                x = b.add(BINARY[which].make(x, others[7 * number % len(others)]))
            case "scale":
                x = b.add(elementwise.MulOp.make(x, b.constant(which)))
            case "quantize":
                x = b.requantized(x, U8 if which == "u8" else S8)
            case _:
                total = reduction.ReduceMaxOp if which == "max" else reduction.ReduceMeanOp
                row = b.add(total.make(x, axes=[axis], keepdims=True))
                x = b.add(elementwise.SubOp.make(x, row))
        values.append(x)
    return values


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,  # a structure is compiled once and then cached on disk
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],  # every smaller program would be compiled
)
@given(shapes(), st.lists(STEPS, min_size=2, max_size=5), st.booleans())
def test_random_chains(
    shapes: list[tuple[int, ...]], steps: list[tuple[str, Any]], inner_result: bool
):
    b = Builder(*shapes)
    values = chain(b, steps)
    results = [values[-1], *([values[len(values) // 2]] if inner_result else [])]
    check(b, *dict.fromkeys(results))


def layer_norm(b: Builder, x: SSAValue, size: int, axis: int = -1) -> SSAValue:
    shape = shape_of(x)[axis:]
    random = np.random.default_rng(5)
    scale, bias = (b.constant(random.standard_normal(shape)) for _ in range(2))
    return b.add(normalization.LayerNormOp.make(x, scale, bias, axis=axis, epsilon=1e-5))


@pytest.mark.parametrize("size", [2, 16, 300, 768])
def test_residual_layer_norm_quantize(size: int):
    """One loop; sums longer than a tile; another batch size."""
    b = Builder((2, 7, size), (2, 7, size))
    x = layer_norm(b, b.add(elementwise.AddOp.make(*b.inputs)), size)
    loops = check(b, x, b.requantized(x, U8), batch=3)
    assert Counter(map(type, loops)) == {ReduceOp: 1}
    assert len(loops[0].results) == 2


def test_layer_norm_over_two_dimensions():
    b = Builder((3, 5, 40))
    x = layer_norm(b, b.add(elementwise.SiluOp.make(b.inputs[0])), 0, axis=-2)
    (loop,) = check(b, x, batch=5)
    assert loop.row_axis == 1


def test_masked_softmax():
    """Exponentials are kept in the result; rows share a broadcast operand."""
    b = Builder((2, 3, 5, 33), (1, 1, 1, 33))
    x, mask = b.inputs
    scaled = b.add(elementwise.DivOp.make(x, b.constant(8.0)))
    masked = b.add(elementwise.AddOp.make(scaled, mask))
    (loop,) = check(b, b.add(normalization.SoftmaxOp.make(masked, axis=3)))
    assert isinstance(loop, ReduceOp)


def test_quantized_softmax_has_no_place_to_keep_exponentials():
    b = Builder((6, 33))
    x = b.add(normalization.SoftmaxOp.make(b.inputs[0], axis=1))
    stored = b.add(QuantizeCastOp(x, TensorType(U8, shape_of(x))))
    check(b, stored)


def test_row_values():
    """What is computed once per row stays in the loop; a dropped dimension is a result."""
    b = Builder((4, 6, 50))
    (x,) = b.inputs
    squares = b.add(elementwise.MulOp.make(x, x))
    mean = b.add(reduction.ReduceMeanOp.make(squares, axes=[-1], keepdims=True))
    root = b.add(elementwise.SqrtOp.make(b.add(elementwise.AddOp.make(mean, b.constant(1e-6)))))
    scaled = b.add(elementwise.DivOp.make(x, root))
    total = b.add(reduction.ReduceSumOp.make(scaled, axes=[-1], keepdims=False))
    (loop,) = check(b, scaled, total, root, batch=1)
    assert [len(buffer_shape(result)) for result in loop.results] == [3, 3, 2]


def test_size_that_only_the_parts_accept():
    """A result that another operand would make larger: the error says how to go on."""
    b = Builder((1, 3, 40), (1, 3, 40))
    x, y = b.inputs
    first = b.add(elementwise.NegOp.make(x))
    module = b.module(first, b.add(elementwise.AddOp.make(first, y)))
    fused = lowered(b.ctx, module, fuse=True)
    assert len(loops_of(fused)) == 1
    program = Program.from_module(fused, b.ctx.weights, {})
    feeds = {"arg0": np.ones((1, 3, 40), np.float32), "arg1": np.ones((2, 3, 40), np.float32)}
    with pytest.raises(OctetError, match="compile again with --shape"):
        program.run(feeds)


def test_idempotent():
    b = Builder((4, 64), (4, 64))
    x = b.add(elementwise.AddOp.make(*b.inputs))
    module = b.module(b.add(elementwise.GeluOp.make(x, approximate="none")))
    once = lowered(b.ctx, module, fuse=True)
    text = str(once)
    FuseLoopsPass(min_elements=1).apply(b.ctx, once)
    assert str(once) == text


@pytest.mark.parametrize("scale", [1e-30, 2.0**-60, 0.037, 3.0, 1e30])
def test_quotients_near_ties(scale: float):
    """Quantized without a division, but for extreme scales: the reference's bytes."""
    element = UniformQuantizedType(ui8, f32, [scale], [110])
    b = Builder((3, 5000))
    negative = b.add(elementwise.NegOp.make(b.inputs[0]))
    module = b.module(b.add(QuantizeCastOp(negative, TensorType(element, (3, 5000)))))
    fused = lowered(b.ctx, module, fuse=True)
    (loop,) = loops_of(fused)
    x = near_ties(np.random.default_rng(3), (3, 5000), np.float32(scale))
    x[0, :4] = np.nan, np.inf, -np.inf, -0.0
    found = Program.from_module(fused, b.ctx.weights, {}).run({"arg0": x})
    with np.errstate(all="ignore"):
        expected = evaluate(module, {"arg0": x}, b.ctx.weights)
    assert isinstance(loop, MapOp)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name].view(np.uint8), array.view(np.uint8))

"""Loops over 16-bit floats: the bits of the kernels that they replace, rounded after every op."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import bf16, f16, f32
from xdsl.ir import Attribute, SSAValue

import compiler
from dialects.elements import HALVES, dtype_of, i32
from dialects.kernel.loops import MapOp, ReduceOp
from dialects.nn import elementwise, normalization, reduction
from dialects.nn.base import element_of_value, shape_of
from runtime.program import Program
from tests.passes.kernel.test_fuse_loops import BINARY, UNARY, Builder, check, loops_of, lowered

STEP = {bf16: 2.0**-8, f16: 2.0**-11}
"""Half a unit in the last place, relative to the number."""


def tolerance(element: Attribute, ops: int = 1) -> float:
    """One rounding to the neighbour per op: a kernel's float32 may be off by its last bits."""
    return 2.5 * ops * STEP[element]


@pytest.mark.parametrize("element", HALVES, ids=str)
@pytest.mark.parametrize("name", ["gelu", "silu", "clip", "neg", "round", "elu", "hard_swish"])
def test_unary(name: str, element: Attribute):
    """Rounded in between, unless nothing is to round."""
    kind, options = UNARY[name]
    b = Builder((5, 37), (37,), element=element)
    x = b.add(kind.make(b.inputs[0], **options))
    (loop,) = check(b, b.add(elementwise.AddOp.make(x, b.inputs[1])), tolerance=tolerance(element))
    assert isinstance(loop, MapOp)
    assert ("arith.truncf" in str(loop)) == (name not in ("neg", "round"))


@pytest.mark.parametrize("element", HALVES, ids=str)
@pytest.mark.parametrize("name", sorted({*BINARY} - {"div"}))
def test_binary(name: str, element: Attribute):
    b = Builder((5, 37), (37,), element=element)
    x = b.add(elementwise.AbsOp.make(b.inputs[0]))
    y = b.add(BINARY[name].make(x, b.inputs[1]))
    (loop,) = check(b, y, b.add(elementwise.NegOp.make(y)), tolerance=tolerance(element))
    assert len(loop.results) == 2


@pytest.mark.parametrize("element", HALVES, ids=str)
def test_casts_join(element: Attribute):
    """From float32 and back: rounded where the cast was."""
    b = Builder((9, 40))
    narrow = b.cast(b.add(elementwise.ExpOp.make(b.inputs[0])), element)
    half = b.add(elementwise.MulOp.make(narrow, narrow))
    wide = b.cast(half, f32)
    (loop,) = check(b, b.add(elementwise.NegOp.make(wide)), tolerance=tolerance(element, 2))
    assert str(loop).count("arith.truncf") == 2


def test_casts_of_integers_do_not():
    b = Builder((64, 64))
    whole = b.cast(b.add(elementwise.AbsOp.make(b.inputs[0])), i32)
    assert not check(b, b.cast(whole, bf16), tolerance=1e-2)


def layer_norm(b: Builder, x: SSAValue) -> SSAValue:
    random = np.random.default_rng(5)
    scale, bias = (b.constant(random.standard_normal(shape_of(x)[-1:])) for _ in range(2))
    return b.add(normalization.LayerNormOp.make(x, scale, bias, axis=-1, epsilon=1e-5))


@pytest.mark.parametrize("element", HALVES, ids=str)
@pytest.mark.parametrize("size", [16, 300])
def test_residual_layer_norm(size: int, element: Attribute):
    b = Builder((2, 7, size), (2, 7, size), element=element)
    x = layer_norm(b, b.add(elementwise.AddOp.make(*b.inputs)))
    loops = check(b, x, b.cast(x, f32), batch=3, tolerance=tolerance(element, 4))
    assert [type(loop) for loop in loops] == [ReduceOp]


def test_softmax_between_casts():
    """Exponentials cannot be kept in 16 bits."""
    b = Builder((2, 3, 5, 33), (1, 1, 1, 33), element=bf16)
    masked = b.cast(b.add(elementwise.AddOp.make(*b.inputs)), f32)
    x = b.cast(b.add(normalization.SoftmaxOp.make(masked, axis=3)), bf16)
    (loop,) = check(b, x, tolerance=tolerance(bf16, 2))
    assert isinstance(loop, ReduceOp)


def test_row_value_is_rounded():
    b = Builder((4, 50), element=bf16)
    (x,) = b.inputs
    mean = b.add(reduction.ReduceMeanOp.make(x, axes=[-1], keepdims=True))
    (loop,) = check(b, b.add(elementwise.SubOp.make(x, mean)), tolerance=1.0)
    assert "arith.truncf" in str(loop)


STEPS = st.sampled_from(
    ["relu", "abs", "sigmoid", "tanh", "gelu", "add", "mul", "max", "cast", "mean"]
)


@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
@given(
    st.sampled_from([(1,), (3, 17), (2, 5, 33)]),
    st.lists(STEPS, min_size=2, max_size=6),
    st.sampled_from(HALVES),
)
def test_random_chains(shape: tuple[int, ...], steps: list[str], element: Attribute):
    b = Builder(shape, shape[-1:], element=element)
    x, other = b.inputs
    for step in steps:
        if step in UNARY:
            x = b.add(UNARY[step][0].make(x, **UNARY[step][1]))
        elif step in BINARY:
            wide = element_of_value(x) == f32
            x = b.add(BINARY[step].make(x, b.cast(other, f32) if wide else other))
        elif step == "cast":
            x = b.cast(x, element if element_of_value(x) == f32 else f32)
        else:
            row = b.add(reduction.ReduceMeanOp.make(x, axes=[len(shape) - 1], keepdims=True))
            x = b.add(elementwise.SubOp.make(x, row))
    check(b, x, tolerance=None)


@pytest.mark.parametrize("element", HALVES, ids=str)
def test_long_function_of_one_number_is_a_table(element: Attribute):
    """All 65536 values: infinities, subnormal numbers and NaN like its kernel."""
    dtype = dtype_of(element)
    b = Builder((256, 256), element=element)
    module = b.module(b.add(elementwise.GeluOp.make(b.inputs[0], approximate="none")))
    kernels: list[list[str]] = []
    results: list[Any] = []
    for fuse in (False, True):
        compiled = lowered(b.ctx, module, fuse=fuse)
        assert len(loops_of(compiled)) == fuse
        program = Program.from_module(compiled, b.ctx.weights, {})
        x = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256).view(dtype)
        results.append(next(iter(program.run({"arg0": x}).values())))
        plan = program._build(((256, 256),))
        kernels.append([call.kernel.key for step in plan.steps for call in step.calls])
    assert results[0].tobytes() == results[1].tobytes()
    assert any("half_lookup_kernel" in key for key in kernels[1])


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_a_dequantize_that_rounds_does_so_in_a_loop(precision: str, tmp_path: Path):
    """int8 into 16 bits and back to float32: the bits do not depend on what is fused."""
    shape = "tensor<4x64xf32>"
    unit = "range = array<f64: -1.0, 1.0>"
    (tmp_path / "p.mlir").write_text(
        f"func.func @main(%x : {shape} {{nn.range = array<f64: -1.0, 1.0>}}) -> {shape} {{\n"
        f'%0 = nn.add %x, %x {{layer = "sum", {unit}}} : ({shape}, {shape}) -> {shape}\n'
        f'%1 = nn.relu %0 {{layer = "act", {unit}}} : ({shape}) -> {shape}\n'
        f"func.return %1 : {shape}\n}}"
    )
    x = np.random.default_rng(2).uniform(-0.5, 0.5, (4, 64)).astype(np.float32)
    results = []
    for least in (1, 1 << 30):
        program = compiler.compile(
            tmp_path / "p.mlir",
            include="name:sum",
            **{precision: "name:act"},  # pyright: ignore[reportArgumentType] - an option's name
            pass_options={"fuse-loops.min_elements": least},
        )
        assert ("kernel.map" in str(program.module)) == (least == 1)
        results.append(next(iter(program.run({"arg0": x}).values())))
    np.testing.assert_array_equal(*results)
    assert np.any(results[0])

"""Programs: any batch size, any thread, the same bits as the reference on every ISA."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.parser import Parser

from dialects.context import OctetContext, make_context
from dialects.errors import OctetError
from dialects.program import FIXED_SHAPE
from passes.kernel.assign_layout import AssignLayoutPass
from passes.kernel.lower_to_kernel import LowerToKernelPass
from passes.kernel.plan_memory import PlanMemoryPass
from runtime.kernels.isa import host_isas
from runtime.program import Program
from runtime.reference.evaluate import evaluate

INPUT = "tensor<1x3x8x8x!quant.uniform<i8:f32, 0.1:-5>>"
WEIGHTS = "tensor<4x3x3x3x!quant.uniform<i8:f32:0, {0.5, 0.25, 0.125, 0.375}>>"
BIAS = "tensor<4x!quant.uniform<i32:f32:0, {0.05, 0.025, 0.0125, 0.0375}>>"
RESULT = "tensor<1x4x4x4x!quant.uniform<u8:f32, 0.7:9>>"
WINDOW = "dilations = [1, 1], groups = 1, pads = [1, 1, 1, 1], strides = [2, 2]"


def source_text(weight: str, bias: str) -> str:
    """A signed input, a convolution with ReLU, and its result as floats and as raw integers."""
    return f"""
func.func @main(%x : tensor<1x3x8x8xf32> {{nn.name = "image"}})
    -> (tensor<1x64xf32> {{nn.name = "features"}}, tensor<1x4x4x4xui8> {{nn.name = "stored"}}) {{
  %w = nn.constant <value = #nn.weight<"{weight}">> : () -> {WEIGHTS}
  %b = nn.constant <value = #nn.weight<"{bias}">> : () -> {BIAS}
  %q = quant.qcast %x : tensor<1x3x8x8xf32> -> {INPUT}
  %y = nn.conv %q, %w, bias = %b <{WINDOW}, activation = #nn.activation<relu>> {{layer = "c"}}
      : ({INPUT}, {WEIGHTS}, {BIAS}) -> {RESULT}
  %s = quant.scast %y : {RESULT} -> tensor<1x4x4x4xui8>
  %d = quant.dcast %y : {RESULT} -> tensor<1x4x4x4xf32>
  %e = nn.add %d, %d : (tensor<1x4x4x4xf32>, tensor<1x4x4x4xf32>) -> tensor<1x4x4x4xf32>
  %r = nn.reshape %e <shape = [-2, -1]> : (tensor<1x4x4x4xf32>) -> tensor<1x64xf32>
  func.return %r, %s : tensor<1x64xf32>, tensor<1x4x4x4xui8>
}}
"""


def source_module(ctx: OctetContext) -> ModuleOp:
    rng = np.random.default_rng(1)
    weight = rng.integers(-128, 128, (4, 3, 3, 3)).astype(np.int8)
    bias = rng.integers(-5000, 5000, 4).astype(np.int32)
    text = source_text(ctx.weights.add(weight), ctx.weights.add(bias))
    module = Parser(ctx, text).parse_module()
    module.verify()
    return module


def compiled(ctx: OctetContext) -> ModuleOp:
    module = source_module(ctx)
    for step in (AssignLayoutPass(), LowerToKernelPass(), PlanMemoryPass()):
        step.apply(ctx, module)
        module.verify()
    return module


@pytest.fixture
def ctx() -> OctetContext:
    return make_context()


def images(batch: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"image": rng.standard_normal((batch, 3, 8, 8)).astype(np.float32) * 5}


@pytest.mark.parametrize("batch", [1, 2, 5])
@pytest.mark.parametrize("isa", [isa.name for isa in host_isas()])
def test_bits_equal_the_reference_for_any_batch(ctx: OctetContext, isa: str, batch: int) -> None:
    program = Program.from_module(compiled(ctx), ctx.weights, {}, isa=isa)
    expected = evaluate(source_module(ctx), images(batch), ctx.weights)
    actual = program.run(images(batch))
    assert sorted(actual) == ["features", "stored"]
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array)
        assert actual[name].dtype == array.dtype


def test_threads_may_share_a_program(ctx: OctetContext) -> None:
    program = Program.from_module(compiled(ctx), ctx.weights, {})
    feeds = [images(1 + seed % 3, seed) for seed in range(24)]
    alone = [program.run(feed)["features"] for feed in feeds]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda feed: program.run(feed)["features"], feeds))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_threads_in_one_run_give_the_same_bits(ctx: OctetContext) -> None:
    program = Program.from_module(compiled(ctx), ctx.weights, {})
    one, two = program.run(images(3)), program.run(images(3), threads=2)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_strided_inputs_are_read_right(ctx: OctetContext) -> None:
    program = Program.from_module(compiled(ctx), ctx.weights, {})
    image = images(1)["image"]
    transposed = np.ascontiguousarray(image.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(
        program.run({"image": transposed})["features"], program.run({"image": image})["features"]
    )


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({}, r"missing \['image'\]"),
        ({"image": np.zeros((1, 3, 8, 8), np.float32), "mask": np.zeros(1)}, r"unknown \['mask'\]"),
        ({"image": np.zeros((1, 3, 8, 8))}, "'image' should be float32, got float64"),
        ({"image": np.zeros((3, 8, 8), np.float32)}, "should have 4 dimensions"),
        ({"image": np.zeros((1, 4, 8, 8), np.float32)}, "c does not fit the new input sizes"),
    ],
)
def test_wrong_inputs(ctx: OctetContext, feeds: dict[str, np.ndarray], message: str) -> None:
    program = Program.from_module(compiled(ctx), ctx.weights, {})
    with pytest.raises(OctetError, match=message):
        program.run(feeds)


def test_a_program_of_fixed_shape_says_why(ctx: OctetContext) -> None:
    module = compiled(ctx)
    module.attributes[FIXED_SHAPE] = StringAttr("node Shape_3 is an output")
    program = Program.from_module(module, ctx.weights, {})
    program.run(images(1))
    with pytest.raises(OctetError, match="node Shape_3 is an output; compile it again"):
        program.run(images(2))


def test_unknown_isa_lists_the_known_ones(ctx: OctetContext) -> None:
    with pytest.raises(OctetError, match=r"avx512_vnni, .*avx2, portable"):
        Program.from_module(compiled(ctx), ctx.weights, {}, isa="sse9")

"""Weight-only and dynamic quantization through the whole compiler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import compiler
from compiler.driver import Compilation, CompileRequest
from compiler.strategy.space import space_of
from dialects.errors import OctetError
from runtime.kernels import cache, warming
from runtime.kernels.abi import Kernel
from runtime.kernels.isa import host_isas
from runtime.program import Program
from runtime.reference.evaluate import evaluate

DYNAMIC = {"dynamic_quantization": "type:matmul"}
FORMATS: list[dict[str, Any]] = [
    {"weight_only": "int4"},
    {"weight_only": "int4:128"},
    {"weight_only": "int8"},
    {"weight_only": "int8:64"},
    DYNAMIC,
    {**DYNAMIC, "weight_only": "name:up=int4:64"},
]
ROWS = (1, 2, 3, 4, 5, 17)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feed-forward block with biases, ReLU and residual: 160 -> 320 -> 160."""
    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32) / 8, name)

    node = helper.make_node
    graph = helper.make_graph(
        [
            node("MatMul", ["x", "w0"], ["m0"], "up"),
            node("Add", ["m0", "b0"], ["a0"], "bias0"),
            node("Relu", ["a0"], ["r0"], "relu"),
            node("MatMul", ["r0", "w1"], ["m1"], "down"),
            node("Add", ["m1", "b1"], ["a1"], "bias1"),
            node("Add", ["a1", "x"], ["y"], "residual"),
        ],
        "block",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 160])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 160])],
        [weight("w0", 160, 320), weight("b0", 320), weight("w1", 320, 160), weight("b1", 160)],
    )
    path = tmp_path_factory.mktemp("model") / "block.onnx"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def rows(count: int) -> np.ndarray:
    return np.random.default_rng(count).standard_normal((count, 160)).astype(np.float32)


def compiled(model: Path, options: dict[str, Any], stop_after: str) -> Compilation:
    compilation = Compilation(CompileRequest(model, options=options, stop_after=stop_after))
    compilation.run()
    return compilation


def decibels(expected: np.ndarray, actual: np.ndarray) -> float:
    noise = np.sum((expected.astype(np.float64) - actual) ** 2)
    return 10 * float(np.log10(np.sum(expected.astype(np.float64) ** 2) / noise))


@pytest.mark.parametrize("options", FORMATS, ids=str)
def test_programs_compute_what_the_reference_says(model: Path, options: dict[str, Any]) -> None:
    """On every instruction set, at every number of rows; dynamic products to the bit."""
    integer = compiled(model, options, "integer")
    program = compiled(model, options, "kernel").program()
    for isa in host_isas():
        on_isa = Program(program.module, program.weights, program.manifest, isa=isa.name)
        for count in ROWS:
            feeds = {"x": rows(count)}
            (expected,) = evaluate(integer.module, feeds, integer.ctx.weights).values()
            actual = on_isa.run(feeds)["y"]
            if options == DYNAMIC:
                np.testing.assert_array_equal(actual, expected)
            else:
                # A last bit may move an activation of a later dynamic product by one step.
                np.testing.assert_allclose(
                    actual, expected, atol=3e-2 if len(options) > 1 else 1e-4
                )


@pytest.mark.parametrize(
    ("options", "least"),
    [(FORMATS[0], 18), (FORMATS[1], 16), (FORMATS[2], 38), (FORMATS[3], 40), (DYNAMIC, 35)],
    ids=str,
)
def test_little_is_lost(model: Path, options: dict[str, Any], least: float) -> None:
    """32 normal numbers span 4.2 deviations: 15 steps of that are 21.8 dB, two layers 3 dB less."""
    feeds = {"x": rows(64)}
    expected = compiler.compile(model).run(feeds)["y"] - feeds["x"]
    actual = compiler.compile(model, **options).run(feeds)["y"] - feeds["x"]
    assert decibels(expected, actual) > least


def test_threads_change_nothing(model: Path) -> None:
    for options in FORMATS:
        program = compiler.compile(model, **options)
        for count in (1, 40):
            feeds = {"x": rows(count)}
            np.testing.assert_array_equal(
                program.run(feeds)["y"], program.run(feeds, threads=3)["y"]
            )


def test_files_are_smaller(model: Path, tmp_path: Path) -> None:
    """The weights are 102,400: 4 bytes each, 1, or half of one and 5 bytes for 32 of them."""
    sizes: dict[str, int] = {}
    for name, options in {"f32": {}, "int8": FORMATS[2], "int4": FORMATS[0]}.items():
        path = tmp_path / f"{name}.octet"
        program = compiler.compile(model, **options)
        program.save(path)
        sizes[name] = path.stat().st_size
        feeds = {"x": rows(2)}
        np.testing.assert_array_equal(compiler.load(path).run(feeds)["y"], program.run(feeds)["y"])
    rest = sizes["f32"] - 4 * 102400
    assert sizes["int8"] < 102400 + rest + 10000
    assert sizes["int4"] < 102400 // 2 + 5 * 102400 // 32 + rest + 10000


def test_compiling_on_from_text_gives_the_same_file(model: Path, tmp_path: Path) -> None:
    """The format stands in the IR, and so does the recipe."""
    options = {"weight_only": "int4:64"}
    direct, resumed = tmp_path / "a.octet", tmp_path / "b.octet"
    compiled(model, options, "kernel").write(direct)
    compiled(model, options, "place").write(tmp_path / "m.mlir")
    compiled(tmp_path / "m.mlir", {}, "kernel").write(resumed)
    assert direct.read_bytes() == resumed.read_bytes()


def test_a_search_leaves_the_formats_that_were_asked_for(model: Path) -> None:
    compilation = compiled(model, {}, "calibrate")
    pipeline = "place-precision{rules=\"select = 'name:up', weights = 'int4'\"}"
    space = space_of(compilation.module, compilation.ctx, pipeline)
    assert [choice.name for choice in space.choices] == ["down"]


@pytest.mark.parametrize("precision", ["bf16", "f16"])
def test_between_ops_of_16_bits(model: Path, precision: str) -> None:
    """A product with weights of few bits takes and gives float32: casts stand around it."""
    options = {"precision": precision, "weight_only": "name:down=int8"}
    feeds = {"x": rows(7)}
    expected = compiler.compile(model).run(feeds)["y"]
    program = compiler.compile(model, **options)
    assert decibels(expected, program.run(feeds)["y"]) > 35
    kernels = str(program.module)
    assert "matmul_nbits" in kernels
    assert f"#nn<precision {precision}>" in kernels


def test_beside_calibrated_ops(model: Path) -> None:
    """With calibration data the other products are int8 with fixed scales."""
    feeds = {"x": rows(40)}
    program = compiler.compile(model, calibration_data=feeds, dynamic_quantization="name:down")
    expected = compiler.compile(model).run(feeds)["y"]
    assert decibels(expected, program.run(feeds)["y"]) > 30
    kernels = str(program.module)
    assert "matmul_dynamic" in kernels
    assert 'kernel.call "matmul" ' in kernels


def test_a_recipe_says_the_same_as_flags(model: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        '[[rule]]\nselect = "type:matmul"\nactivations = "dynamic"\n\n'
        '[[rule]]\nselect = "name:up"\nweights = "int4"\ngroup_size = 64\n'
    )
    by_recipe = compiler.compile(model, recipe=recipe)
    feeds = {"x": rows(3)}
    by_flags = compiler.compile(model, **FORMATS[-1])
    np.testing.assert_array_equal(by_recipe.run(feeds)["y"], by_flags.run(feeds)["y"])


def test_a_target_without_the_kernels_says_so(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine.toml"
    target.write_text(
        'extends = "portable"\n[weight_only]\nmatmul = ["int8"]\n[dynamic]\noperators = []\n'
    )
    for options, missing in ((FORMATS[0], "int4 weights alone"), (DYNAMIC, "dynamic quantization")):
        compilation = Compilation(CompileRequest(model, options=options, target=str(target)))
        compilation.run()
        row = compilation.placements[0]
        assert row.precision == "f32"
        assert f"no matmul kernel for {missing}" in row.reason


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_only": "int3"}, "--weight-only 'int3': expected int8, int4, or one of them"),
        ({"weight_only": "int4:33"}, "--weight-only 'int4:33': 'group_size' should be one of 16"),
        ({"weight_only": "=int4"}, "the selector before '=' is missing"),
        ({"weight_only": "dynamic"}, "use --dynamic-quantization"),
        ({"dynamic_quantization": "name:gone"}, "'name:gone' matches no op"),
    ],
)
def test_bad_requests_are_errors(model: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OctetError, match=message):
        compiler.compile(model, **options)


def test_every_kernel_asked_for_is_listed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Kernel] = []
    address_of = cache.address_of

    def recorded(kernel: Kernel) -> int:
        asked.append(kernel)
        return address_of(kernel)

    monkeypatch.setattr(cache, "address_of", recorded)
    for options in FORMATS:
        program = compiler.compile(model, **options)
        for count in ROWS:
            program.run({"x": rows(count)})
    listed = warming.kernels_of(program.isa, warming.families())
    missing = {kernel.key for kernel in asked if kernel.key not in listed}
    assert not {key for key in missing if not key.startswith("runtime.kernels.loops")}

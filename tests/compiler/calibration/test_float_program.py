"""Calibration on the compiled float program: the values of the IR, all of them, up to rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from compiler.calibration.compiled import FloatProgram
from compiler.calibration.session import Session
from compiler.driver import Compilation, CompileRequest
from dialects.elements import is_float
from dialects.nn.base import element_of_value
from dialects.nn.constant import ConstantOp
from dialects.program import body_of, main_function, range_of
from passes.calibrate.calibrate import CalibratePass
from passes.calibrate.measuring.measurement import Evaluate, by_reference, observed_values
from tests.compiler.small_model import images


def simplified(model: Path) -> Compilation:
    compilation = Compilation(CompileRequest(model, stop_after="simplify"))
    compilation.run()
    return compilation


def values_of(evaluate: Evaluate, feed: dict[str, np.ndarray]) -> dict[SSAValue, np.ndarray]:
    seen: dict[SSAValue, np.ndarray] = {}
    evaluate(feed, lambda value, array: seen.__setitem__(value, np.array(array)))
    return seen


def never(text: str) -> None:
    pytest.fail(f"no note was expected: {text}")


def small_graph(nodes: list[Any], element: int, shape: list[Any], path: Path) -> Path:
    """A model with one input "x" and one output "y" of that element type and shape."""
    x, y = (helper.make_tensor_value_info(name, element, shape) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.mark.parametrize("batch", [1, 5])
def test_every_float_value_is_shown(model: Path, batch: int) -> None:
    compilation = simplified(model)
    module, ctx = compilation.module, compilation.ctx
    feed = {"image": images(batch)}
    expected = values_of(by_reference(module, ctx.weights), feed)
    seen = values_of(FloatProgram(module, ctx, never), feed)
    block = body_of(main_function(module))
    floats = [
        value
        for value in (*block.args, *(result for op in block.ops for result in op.results))
        if is_float(element_of_value(value))
    ]
    assert set(floats) <= set(seen)
    for value in floats:
        np.testing.assert_allclose(seen[value], expected[value], rtol=1e-4, atol=1e-5)


def test_fused_and_aliased_values_are_shown_too(tmp_path: Path) -> None:
    """A chain that lowering would fuse into one loop, and a concatenation without a copy."""
    node = helper.make_node
    nodes = [
        node("Exp", ["x"], ["a"], "exp"),
        node("Tanh", ["a"], ["b"], "tanh"),
        node("Mul", ["b", "x"], ["c"], "mul"),
        node("Concat", ["a", "c"], ["d"], "concat", axis=1),
        node("Slice", ["d", "first", "last", "axes"], ["e"], "slice"),
        node("Sigmoid", ["e"], ["y"], "sigmoid"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4, 3])
    bounds = [
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in (("first", 2), ("last", 6), ("axes", 1))
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], initializer=bounds)
    opset = [helper.make_opsetid("", 17)]
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    compilation = simplified(path)
    module, ctx = compilation.module, compilation.ctx
    feed = {"x": np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)}
    expected = values_of(by_reference(module, ctx.weights), feed)
    seen = values_of(FloatProgram(module, ctx, never), feed)
    results = [
        result
        for op in body_of(main_function(module)).ops
        if not isinstance(op, ConstantOp)
        for result in op.results
    ]
    assert len(results) >= 6
    for value in results:
        np.testing.assert_allclose(seen[value], expected[value], rtol=1e-5, atol=1e-6)


def test_the_program_is_left_as_it_was(model: Path) -> None:
    compilation = simplified(model)
    before, counted = str(compilation.module), dict(compilation.ctx.statistics)
    FloatProgram(compilation.module, compilation.ctx, never)
    assert str(compilation.module) == before
    assert dict(compilation.ctx.statistics) == counted


def test_what_has_no_kernels_runs_by_the_reference_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [helper.make_node("Tanh", ["x"], ["a"], "t"), helper.make_node("Neg", ["a"], ["y"])]
    path = small_graph(nodes, TensorProto.DOUBLE, ["n", 4], tmp_path / "m.onnx")
    compilation = simplified(path)
    module, ctx = compilation.module, compilation.ctx
    notes: list[str] = []
    program = FloatProgram(module, ctx, notes.append)
    feed = {"x": np.linspace(-1.0, 1.0, 8).reshape(2, 4)}
    expected = values_of(by_reference(module, ctx.weights), feed)
    for _ in range(2):
        seen = values_of(program, feed)
        assert {v: a.tolist() for v, a in seen.items()} == {
            v: a.tolist() for v, a in expected.items()
        }
    assert len(notes) == 1
    assert "runs the reference arithmetic, which is slower than kernels" in notes[0]
    Compilation(CompileRequest(path, calibration_data=[feed], stop_after="calibrate")).run()
    assert "calibrate: note: calibration runs the reference" in capsys.readouterr().err


def test_ranges_are_those_of_the_reference_up_to_rounding(model: Path) -> None:
    compilation = simplified(model)
    module, ctx = compilation.module, compilation.ctx
    ctx.calibration_data = lambda: [{"image": images(8)}, {"image": images(3, seed=2)}]
    ranges: list[list[tuple[float, float]]] = []
    for calibrator in (None, Session()):
        ctx.calibrator = calibrator
        copy = cast(ModuleOp, module.clone())
        CalibratePass().apply(ctx, copy)
        ranges.append([tuple(r) for r in _ranges(copy)])
    np.testing.assert_allclose(ranges[0], ranges[1], rtol=1e-5, atol=1e-6)


def _ranges(module: ModuleOp) -> list[tuple[float, float]]:
    found = [range_of(value) for value in observed_values(module)]
    assert None not in found
    return cast(list[tuple[float, float]], found)


def test_the_same_data_give_the_same_text(model: Path) -> None:
    def text() -> str:
        request = CompileRequest(
            model, {"image": images(20)}, stop_after="calibrate",
            options={"calibration_method": "entropy"},
        )  # fmt: skip
        compilation = Compilation(request)
        compilation.run()
        return str(compilation.module)

    assert text() == text()

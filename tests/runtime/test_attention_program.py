"""Attention in whole programs: recognized, in float and int8, at other sizes, with threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import compiler
from compiler.driver import Compilation, CompileRequest
from dialects.kernel.ops import CallOp
from dialects.program import body_of, main_function
from runtime.program import Program
from runtime.reference.evaluate import evaluate

LENGTH, COLUMNS, HEADS = 10, 24, 3
RNG = np.random.default_rng(41)


def feed(batch: int) -> dict[str, np.ndarray]:
    kept = RNG.integers(3, LENGTH + 1, batch)
    mask = np.where(np.arange(LENGTH) < kept[:, None], 0, -1e4).astype(np.float32)
    x = RNG.standard_normal((batch, LENGTH, COLUMNS)).astype(np.float32)
    return {"x": x, "mask": mask.reshape(batch, 1, 1, LENGTH)}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Self-attention with projections before and after, as exporters write it."""
    nodes, constants = [], {}

    def constant(name: str, values: np.ndarray) -> str:
        constants[name] = values
        return name

    def linear(x: str, name: str) -> str:
        weight = RNG.standard_normal((COLUMNS, COLUMNS)) / np.sqrt(COLUMNS)
        constant(f"{name}.w", weight.astype(np.float32))
        nodes.append(helper.make_node("MatMul", [x, f"{name}.w"], [f"{name}.y"], name))
        return f"{name}.y"

    def node(kind: str, inputs: list[str], name: str, **options: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [name], name, **options))
        return name

    split = constant("split", np.array([0, 0, HEADS, COLUMNS // HEADS]))
    permutations = {"q": [0, 2, 1, 3], "k": [0, 2, 3, 1], "v": [0, 2, 1, 3]}
    q, k, v = (
        node("Transpose", [node("Reshape", [linear("x", n), split], f"{n}4")], f"{n}t", perm=perm)
        for n, perm in permutations.items()
    )
    root = constant("root", np.float32(np.sqrt(COLUMNS / HEADS)))
    scores = node("Div", [node("MatMul", [q, k], "qk"), root], "scaled")
    weights = node("Softmax", [node("Add", [scores, "mask"], "masked")], "weights", axis=-1)
    merged = node("Transpose", [node("MatMul", [weights, v], "av")], "merged", perm=[0, 2, 1, 3])
    joined = node("Reshape", [merged, constant("join", np.array([0, 0, COLUMNS]))], "joined")
    result = linear(joined, "out")
    graph = helper.make_graph(
        nodes,
        "attention",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", LENGTH, COLUMNS]),
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["N", 1, 1, LENGTH]),
        ],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    path = tmp_path_factory.mktemp("attention") / "attention.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path
    )
    return path


def expected(model: Path, feeds: dict[str, np.ndarray]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, ["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


def kernels_of(program: Program) -> list[str]:
    ops = body_of(main_function(program.module)).ops
    return [op.callee.data for op in ops if isinstance(op, CallOp)]


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (3, 1), (3, 2)])
def test_float(model: Path, batch: int, threads: int) -> None:
    program, feeds = compiler.compile(model), feed(batch)
    result = program.run(feeds, threads=threads)[program.outputs[0].name]
    np.testing.assert_allclose(result, expected(model, feeds), rtol=0, atol=1e-5)
    assert kernels_of(program) == ["matmul", "matmul", "matmul", "attention", "matmul"]


def test_int8(model: Path) -> None:
    calibration, feeds = [feed(4) for _ in range(4)], feed(3)
    compilation = Compilation(CompileRequest(model=model, calibration_data=calibration))
    compilation.run()
    program = compilation.program()
    kernels = ["quantize", "matmul", "matmul", "matmul", "attention", "matmul"]
    assert kernels_of(program) == kernels
    name = program.outputs[0].name
    result = program.run(feeds)[name]
    np.testing.assert_array_equal(program.run(feeds, threads=2)[name], result)
    real = expected(model, feeds)
    assert np.sum(real**2) > 100 * np.sum((result - real) ** 2)

    integer = Compilation(
        CompileRequest(model=model, calibration_data=calibration, stop_after="integer")
    )
    integer.run()
    exact = evaluate(integer.module, feeds, integer.ctx.weights)[name]
    np.testing.assert_array_equal(result, exact)

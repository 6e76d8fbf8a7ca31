"""The pass `split-outlier-channels`: exact in float, and better in int8 where it fires."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import compiler
from compiler.driver import Compilation, CompileRequest
from dialects.errors import OctetError
from dialects.nn.linear import MatmulOp
from dialects.program import nn_ops
from passes.calibrate.split_outlier_channels import (
    Extremes,
    SplitOutlierChannelsPass,
    outliers,
)
from passes.facts import FACTS, RANGES_KNOWN
from runtime.program import Program
from runtime.reference.evaluate import evaluate
from tests.compiler.transformers.bert import HIDDEN, LAYERS, sentences, small_bert

OPTION = "split-outlier-channels"
CALIBRATION = [sentences(4, 16, seed) for seed in range(4)]
EVALUATION = sentences(16, 20, seed=77)


def calibrated(path: Path, **options: int) -> Compilation:
    named = {f"{OPTION}.{name}": value for name, value in options.items()}
    compilation = Compilation(
        CompileRequest(
            path,
            calibration_data=CALIBRATION,
            stop_after="calibrate",
            options={"pass_options": named},
        )
    )
    compilation.run()
    return compilation


def products(path: Path, **options: int) -> list[MatmulOp]:
    module = calibrated(path, **options).module
    return [op for op in nn_ops(module) if isinstance(op, MatmulOp)]


def kept_rows(program: Program) -> np.ndarray:
    (output,) = program.run(EVALUATION).values()
    return output[EVALUATION["keep"] > 0]


def noise(path: Path, **options: object) -> float:
    """Power of what quantization changes, relative to the float outputs."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    expected = session.run(None, EVALUATION)[0][EVALUATION["keep"] > 0]
    found = kept_rows(compiler.compile(path, calibration_data=CALIBRATION, **options))
    return float(np.sum((found - expected) ** 2) / np.sum(expected**2))


@pytest.fixture(scope="module")
def with_outlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bert(tmp_path_factory.mktemp("outlier") / "bert.onnx", outlier=25.0)


@pytest.fixture(scope="module")
def even(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bert(tmp_path_factory.mktemp("even") / "bert.onnx")


def test_only_outliers_are_split_off(with_outlier: Path, even: Path) -> None:
    whole = len(products(with_outlier, samples=0))
    split = products(with_outlier)
    assert len(split) == whole + 2 * LAYERS
    assert len(products(even)) == whole
    widths = {op.b.type.get_shape()[1] for op in split}
    assert widths - {16, HIDDEN} <= set(range(1, HIDDEN // 32 + 1))


def test_what_it_splits_has_to_be_measured_again(with_outlier: Path) -> None:
    """Its contract: it invalidates `ranges-known` and nothing else."""
    compilation = calibrated(with_outlier, samples=0)
    held = {fact for fact in FACTS if fact.holds(compilation.module)}
    assert RANGES_KNOWN in held
    split = SplitOutlierChannelsPass()
    split.apply(compilation.ctx, compilation.module)
    lost = {fact for fact in held if not fact.holds(compilation.module)}
    assert lost == split.INVALIDATES == {RANGES_KNOWN}


def test_it_takes_noise_away(with_outlier: Path) -> None:
    before = noise(with_outlier, pass_options={f"{OPTION}.samples": 0})
    assert noise(with_outlier) < before / 2


def test_float_results_do_not_change(with_outlier: Path) -> None:
    """Placed in float, the split program computes what the model does."""
    program = compiler.compile(
        with_outlier, calibration_data=CALIBRATION, place=["type:matmul=f32"]
    )
    session = onnxruntime.InferenceSession(str(with_outlier), providers=["CPUExecutionProvider"])
    expected = session.run(None, EVALUATION)[0][EVALUATION["keep"] > 0]
    np.testing.assert_allclose(kept_rows(program), expected, rtol=1e-3, atol=1e-4)


def chain_of_products(path: Path, count: int) -> Path:
    """`count` products with a function between each two, a great channel before each function."""
    random = np.random.default_rng(0)
    nodes, weights, name = [], [], "x"
    for index in range(count):
        weight = random.standard_normal((64, 64)).astype(np.float32) / 8
        weight[:, 5] *= 40 if index < count - 1 else 1
        weights.append(numpy_helper.from_array(weight, f"w{index}"))
        nodes.append(helper.make_node("MatMul", [name, f"w{index}"], [f"m{index}"], f"m{index}"))
        nodes.append(helper.make_node("HardSwish", [f"m{index}"], [f"f{index}"], f"f{index}"))
        name = f"f{index}"
    x, y = (
        helper.make_tensor_value_info(value, TensorProto.FLOAT, ["n", 64])
        for value in ("x", f"m{count - 1}")
    )
    graph = helper.make_graph(nodes[:-1], "chain", [x], [y], initializer=weights)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


@pytest.mark.parametrize(("count", "pairs"), [(2, 1), (3, 1), (4, 2)])
def test_of_pairs_that_share_a_product_the_first_is_split(
    tmp_path: Path, count: int, pairs: int
) -> None:
    feeds = {"x": np.random.default_rng(1).standard_normal((64, 64)).astype(np.float32)}
    path = chain_of_products(tmp_path / "chain.onnx", count)
    compilation = Compilation(CompileRequest(path, calibration_data=feeds, stop_after="calibrate"))
    compilation.run()
    once = str(compilation.module)
    assert once.count("nn.matmul") == count + 2 * pairs
    compilation.ctx.calibration_data = lambda: [feeds]
    SplitOutlierChannelsPass().apply(compilation.ctx, compilation.module)
    assert str(compilation.module) == once
    (expected,) = onnxruntime.InferenceSession(str(path)).run(None, feeds)
    (found,) = evaluate(compilation.module, feeds, compilation.ctx.weights).values()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_a_table_alone_holds_for_the_program_that_is_whole(tmp_path: Path) -> None:
    feeds = {"x": np.random.default_rng(1).standard_normal((64, 64)).astype(np.float32)}
    path = chain_of_products(tmp_path / "chain.onnx", 2)
    whole, split = tmp_path / "whole.json", tmp_path / "split.json"
    off = {f"{OPTION}.samples": 0}
    measured = {"calibration_data": feeds, "save_calibration_table": whole}
    expected = compiler.compile(path, **measured, pass_options=off).run(feeds)
    found = compiler.compile(path, calibration_table=whole).run(feeds)
    np.testing.assert_array_equal(found["m1"], expected["m1"])
    expected = compiler.compile(path, **{**measured, "save_calibration_table": split}).run(feeds)
    found = compiler.compile(path, calibration_data=feeds, calibration_table=split).run(feeds)
    np.testing.assert_array_equal(found["m1"], expected["m1"])
    with pytest.raises(OctetError, match="outlier channels are split only with data"):
        compiler.compile(path, calibration_table=split)


def extremes(high: np.ndarray) -> Extremes:
    measured = Extremes()
    measured.update(np.stack([high, np.zeros_like(high)]))
    return measured


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 6), factor=st.floats(8.0, 100.0))
def test_the_great_ones_are_found(seed: int, count: int, factor: float) -> None:
    random = np.random.default_rng(seed)
    high = random.uniform(0.9, 1.0, 128).astype(np.float32)
    great = np.sort(random.choice(128, count, replace=False))
    high[great] *= factor
    np.testing.assert_array_equal(outliers(extremes(high), extremes(high), 8), great)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_choice_leaves_less_noise(seed: int) -> None:
    random = np.random.default_rng(seed)
    high = np.exp(random.normal(size=64)).astype(np.float32)
    measured = extremes(high)
    found = outliers(measured, measured, 8)
    order = np.argsort(-high)

    def power(count: int) -> float:
        few, rest = order[:count], order[count:]
        return count * measured.width(few) ** 2 + len(rest) * measured.width(rest) ** 2

    least = min(map(power, range(9)))
    if found.size:
        assert power(found.size) == least <= power(0) / 2
    else:
        assert least > power(0) / 2


def test_nothing_stands_out_of_zeros_and_infinities() -> None:
    zeros = extremes(np.zeros(32, np.float32))
    assert not outliers(zeros, zeros, 4).size
    infinite = extremes(np.full(32, np.inf, np.float32))
    assert not outliers(infinite, infinite, 4).size
    assert not outliers(Extremes(), Extremes(), 4).size

"""The pass `split-outlier-channels`: exact in float, and better in int8 where it fires."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import compiler
from compiler.driver import Compilation, CompileRequest
from dialects.nn.linear import MatmulOp
from dialects.program import nn_ops
from passes.calibrate.split_outlier_channels import Extremes, outliers
from runtime.program import Program
from tests.compiler.transformers.bert import HIDDEN, LAYERS, sentences, small_bert

OPTION = "split-outlier-channels"
CALIBRATION = [sentences(4, 16, seed) for seed in range(4)]
EVALUATION = sentences(16, 20, seed=77)


def products(path: Path, **options: int) -> list[MatmulOp]:
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
    return [op for op in nn_ops(compilation.module) if isinstance(op, MatmulOp)]


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

"""Exported models in other runtimes, beside Octet's own programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import compiler
from compiler.backends.onnx import export_onnx
from compiler.driver import Compilation, CompileRequest

DIGITS = Path(__file__).parents[4] / "examples" / "digits"
DATA = str(DIGITS / "calibration.npz")
LEVELS = onnxruntime.GraphOptimizationLevel


def images() -> np.ndarray:
    return np.load(DIGITS / "held_out.npz")["image"]


def exported(path: Path, data: str | None, **options: str) -> Path:
    request = CompileRequest(
        DIGITS / "digits.onnx", calibration_data=data, stop_after="quantize", options=options
    )
    compilation = Compilation(request, instruments=[])
    compilation.run()
    export_onnx(compilation.module, compilation.ctx.weights).write(path)
    return path


def sqnr(expected: np.ndarray, actual: np.ndarray) -> float:
    noise = np.sum((expected.astype(np.float64) - actual) ** 2)
    return float(10 * np.log10(np.sum(expected.astype(np.float64) ** 2) / max(noise, 1e-300)))


def in_onnxruntime(path: Path, level: LEVELS) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return session.run(None, {"image": images()})[0]


@pytest.mark.parametrize("level", [LEVELS.ORT_DISABLE_ALL, LEVELS.ORT_ENABLE_ALL])
def test_onnxruntime_agrees(tmp_path: Path, level: LEVELS) -> None:
    found = in_onnxruntime(exported(tmp_path / "q.onnx", DATA), level)
    expected = compiler.compile(DIGITS / "digits.onnx", DATA).run({"image": images()})["logits"]
    assert np.mean(found.argmax(1) == expected.argmax(1)) > 0.99
    assert sqnr(expected, found) > 35


@pytest.mark.parametrize(("precision", "least"), [("bf16", 50), ("f16", 70)])
def test_16_bit_floats_are_rounded_where_octet_rounds(
    tmp_path: Path, precision: str, least: float
) -> None:
    path = exported(tmp_path / "h.onnx", None, precision=precision)
    found = in_onnxruntime(path, LEVELS.ORT_DISABLE_ALL)
    program = compiler.compile(DIGITS / "digits.onnx", precision=precision)
    expected = program.run({"image": images()})["logits"]
    assert sqnr(expected, found) > least


def test_openvino_agrees(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    path = exported(tmp_path / "q.onnx", DATA)
    model = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = model({"image": images()})[0]
    expected = compiler.compile(DIGITS / "digits.onnx", DATA).run({"image": images()})["logits"]
    assert np.mean(found.argmax(1) == expected.argmax(1)) > 0.99
    assert sqnr(expected, found) > 35

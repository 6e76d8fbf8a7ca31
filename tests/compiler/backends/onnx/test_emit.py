"""`compile --emit onnx-qdq` and `--io`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import compiler
from compiler.cli.compile import main
from tests.compiler.small_model import images


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_the_output_is_the_model(model: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "q.onnx"
    assert run(model, "--calibration-data", data, "--emit", "onnx-qdq", "-o", out) == 0
    assert list(tmp_path.iterdir()) == [out]
    assert any(node.op_type == "QuantizeLinear" for node in onnx.load(out).graph.node)


def test_beside_an_artifact(model: Path, data: Path, tmp_path: Path) -> None:
    emit = "--emit=place,onnx-qdq"
    assert run(model, "--calibration-data", data, emit, "-o", tmp_path / "m.octet") == 0
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == ["m.octet", "m.place.mlir", "m.place.safetensors", "m.qdq.onnx"]


def test_from_ir_at_the_stage(model: Path, data: Path, tmp_path: Path) -> None:
    direct, resumed = tmp_path / "a.onnx", tmp_path / "b.onnx"
    text = tmp_path / "m.mlir"
    assert run(model, "--calibration-data", data, "--emit=onnx-qdq", "-o", direct) == 0
    assert run(model, "--calibration-data", data, "--stop-after=quantize", "-o", text) == 0
    assert run(text, "--emit=onnx-qdq", "-o", resumed) == 0
    assert direct.read_bytes() == resumed.read_bytes()


def test_a_model_without_ranges_stays_float_and_says_so(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "q.onnx"
    assert run(model, "--emit", "onnx-qdq", "-o", out) == 0
    assert "nothing in the ONNX model is quantized" in capsys.readouterr().err
    (found,) = onnxruntime.InferenceSession(str(out)).run(None, {"image": images(3)})
    (expected,) = onnxruntime.InferenceSession(str(model)).run(None, {"image": images(3)})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("flag", ["--weight-only=int8", "--dynamic-quantization"])
def test_formats_without_a_form_in_qdq_name_the_flag(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    out = tmp_path / "q.onnx"
    assert run(model, flag, "--emit", "onnx-qdq", "-o", out) == 1
    error = capsys.readouterr().err
    assert "'head': standard ONNX has no such operator for" in error
    assert f"compile without {flag.partition('=')[0]}" in error
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "q.onnx"], "q.onnx: an ONNX model is written with --emit onnx-qdq"),
        (["--emit=onnx-qdq", "-o", "-"], "--emit onnx-qdq writes a file: give -o OUT.onnx"),
        (["--emit=onnx-qdq", "--explain"], "--emit onnx-qdq writes a file: give -o OUT.onnx"),
        (
            ["--emit=onnx-qdq", "--stop-after=place", "-o", "q.onnx"],
            "after stage 'quantize', which --stop-after=place does not reach",
        ),
        (["--emit=onnx", "-o", "q.onnx"], "--emit: there is no stage 'onnx'"),
        (["--io=int8", "-o", "q.octet"], "quantize-io: input 'image', output 'scores'"),
        (["--io=int16", "-o", "q.octet"], "--io: expected float or int8, got 'int16'"),
    ],
)
def test_misuse(
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(model, *arguments) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_lowered_program_is_too_late(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "m.mlir"
    assert run(model, "--stop-after=kernel", "-o", text) == 0
    assert run(text, "--emit=onnx-qdq", "-o", tmp_path / "q.onnx") == 1
    assert "is at stage 'kernel' already" in capsys.readouterr().err


def test_an_artifact_of_stored_integers(model: Path, data: Path) -> None:
    real = compiler.compile(model, str(data))
    stored = compiler.compile(model, str(data), io="int8")
    (image,), (scores,) = stored.inputs, stored.outputs
    assert (image.dtype, scores.dtype) == (np.uint8, np.uint8)
    assert image.quantized is not None
    assert scores.quantized is not None
    scale, zero = (
        image.quantized.scales.get_values()[0],
        image.quantized.zero_points.get_values()[0],
    )
    x = images(4)
    taken = np.clip(np.rint(x / np.float32(scale)) + zero, 0, 255).astype(np.uint8)
    step = scores.quantized.scales.get_values()[0]
    given = stored.run({"image": taken})["scores"].astype(np.float32)
    given = (given - scores.quantized.zero_points.get_values()[0]) * np.float32(step)
    expected = real.run({"image": x})["scores"]
    assert np.abs(given - expected).max() <= 0.51 * step + 1e-5


def test_numeric_verification_speaks_real_numbers(model: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.octet"
    arguments = (model, "--calibration-data", data, "--io=int8", "--verify-each=numeric")
    assert run(*arguments, "-o", out) == 0

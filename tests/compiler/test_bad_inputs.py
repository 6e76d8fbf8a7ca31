"""Everything that can be wrong with what a user gives: one line, exit code 1, no output file."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from compiler.cli import compile as compile_tool
from compiler.cli import opt, run
from tests.compiler.small_model import images


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder in which nothing may appear."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def error_of(
    capsys: pytest.CaptureFixture[str], tool: Callable[[list[str]], int], *arguments: object
) -> str:
    """The one line that `tool` prints on stderr while it fails."""
    assert tool([str(argument) for argument in arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    assert len(lines) == 1, captured.err
    assert "Traceback" not in lines[0]
    return lines[0]


# --- compile ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "input 'image' is missing"),
        ({"picture": images(4)}, "'picture' is not an input of the program; its inputs are image"),
        ({"image": images(4), "x": images(4)}, "'x' is not an input"),
        ({"image": images(0)}, "no samples"),
        ({"image": images(4)[:, :, 0]}, "expected samples of [3, 8, 8]"),
        ({"image": images(4)[:, :2]}, "should have shape ['any', 3, 8, 8], got [4, 2, 8, 8]"),
        ({"image": images(4).astype(np.float64)}, "should be float32, got float64"),
        ({"image": np.where(images(4) > 2, np.nan, images(4))}, "holds NaN or Inf"),
        ({"image": np.where(images(4) > 2, np.inf, images(4))}, "holds NaN or Inf"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_calibration_data(
    arrays: dict[str, np.ndarray],
    message: str,
    model: Path,
    out: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = out.parent / "x.npz"
    np.savez(data, **{name: np.asarray(array, array.dtype) for name, array in arrays.items()})
    error = error_of(
        capsys, compile_tool.main, model, "--calibration-data", data, "-o", out / "a.octet"
    )
    assert message in error
    assert not list(out.iterdir())


def test_calibration_files_that_are_none(
    model: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken, objects, empty = out.parent / "b.npz", out.parent / "o.npz", out.parent / "empty"
    broken.write_bytes(b"PK\x03\x04 this is no zip")
    np.savez(objects, image=np.array([{"a": 1}]))
    empty.mkdir()
    for data, message in (
        (broken, "not a readable .npz"),
        (objects, "it holds Python objects"),
        (empty, "no .npy and no .npz file"),
        (out.parent / "missing.npz", "No such file"),
    ):
        error = error_of(
            capsys, compile_tool.main, model, "--calibration-data", data, "-o", out / "a.octet"
        )
        assert message in error
        assert str(data) in error
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stop-after=simplfy"], "there is no stage 'simplfy'; stages: import, simplify"),
        (["--emit=nowhere"], "--emit: there is no stage 'nowhere'"),
        (["--target=x87"], "there is no target 'x87'; targets: host, portable"),
        (["--pass-pipeline=fold"], "there is no pass 'fold'"),
        (["--shape=image"], "expected INPUT=1x3x224x224"),
        (["--shape=image=1x0x8x8"], "sizes of at least 1"),
        (["--calibration-method=best"], "expected min-max or moving-average or percentile"),
        (["--pass-option=bins"], "expected PASS.OPTION=VALUE"),
        (["--print-ir-after=cee"], "there is no such pass; did you mean"),
        (["--pass-pipeline=cse", "--per-channel"], "write options into it"),
    ],
)
def test_flags(
    arguments: list[str], message: str, model: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = out / ("a.mlir" if "--stop" in arguments[0] else "a.octet")
    assert message in error_of(capsys, compile_tool.main, model, *arguments, "-o", output)
    assert not list(out.iterdir())


def test_a_selector_is_shown_below_its_error(
    model: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        compile_tool.main([str(model), "--nodes-to-exclude=hed", "-o", str(out / "a.octet")]) == 1
    )
    assert capsys.readouterr().err.splitlines() == [
        "compile: error: --nodes-to-exclude: selector 'name:hed' matches no op; nearest: head",
        "  name:hed",
        "  ^^^^^^^^",
    ]
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("a.txt", [], "an output ends in .octet or .mlir"),
        ("a.octet", ["--stop-after=place"], "cannot be written after stage 'place'; write .mlir"),
        ("none/a.octet", [], "there is no folder"),
    ],
)
def test_output_names(
    name: str,
    arguments: list[str],
    message: str,
    model: Path,
    out: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert message in error_of(capsys, compile_tool.main, model, *arguments, "-o", out / name)
    assert not list(out.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_cannot_be_written(
    model: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out.chmod(0o500)
    error = error_of(capsys, compile_tool.main, model, "-o", out / "a.octet")
    assert "cannot write" in error
    assert not list(out.iterdir())


@pytest.mark.parametrize(
    ("name", "contents", "message"),
    [
        ("m.onnx", b"", "m.onnx"),
        ("m.onnx", b"\x00\x01not a protobuf", "m.onnx"),
        ("m.txt", b"", "expected a .onnx model or .mlir text"),
        ("m.octet", b"", "is a compiled program already"),
        ("m.mlir", b"func.func @main(", "m.mlir:1:"),
        ("m.mlir", b"\xff\xfe\x00", "not text"),
        ("m.mlir", b"builtin.module {}", "a program is a module with one function, got 0"),
        ("m.mlir", b'builtin.module attributes {octet.stage = "x"} {}', "no stage 'x'"),
    ],
)
def test_models(
    name: str, contents: bytes, message: str, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = out.parent / name
    path.write_bytes(contents)
    assert message in error_of(capsys, compile_tool.main, path, "-o", out / "a.octet")
    assert not list(out.iterdir())


def test_a_missing_model(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("none.onnx", "none.mlir"):
        error = error_of(capsys, compile_tool.main, out / name, "-o", out / "a.octet")
        assert "none." in error
    assert not list(out.iterdir())


def test_a_truncated_model(model: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = out.parent / "cut.onnx"
    path.write_bytes(model.read_bytes()[:-500])
    assert "cut.onnx" in error_of(capsys, compile_tool.main, path, "-o", out / "a.octet")
    assert not list(out.iterdir())


def test_weights_that_are_missing_or_changed(
    model: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = out.parent / "s.mlir"
    assert compile_tool.main([str(model), "--stop-after=import", "-o", str(text)]) == 0
    weights = text.with_suffix(".safetensors")
    contents = bytearray(weights.read_bytes())
    contents[-1] ^= 1
    weights.write_bytes(bytes(contents))
    error = error_of(capsys, compile_tool.main, text, "-o", out / "a.octet")
    assert "does not match its digest" in error
    weights.unlink()
    error = error_of(capsys, compile_tool.main, text, "-o", out / "a.octet")
    assert "is not in the weight store" in error
    assert not list(out.iterdir())


# --- targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "isa = 'avx2'\nspeed = 3",
            "unknown key 'speed'; expected extends, description, isa, int8, bf16, f16",
        ),
        ("isa = 'avx2'\nbf16 = ['conv']", "'bf16' should be a table, got ['conv']"),
        ("isa = 'avx2'\n[f16]\noperators = ['lrn']", "lists 'lrn', which has no 16-bit form"),
        ("isa = 'avx2'\n[bf16]\nconv = 1", "unknown key 'bf16.conv'; expected operators"),
        ("isa = 'mmx'", "'isa' should be one of"),
        ("[int8]", "key 'isa' is missing"),
        ("isa = 'avx2'\nint8 = 3", "'int8' should be a table"),
        ("isa = 'avx2'\n[int8]\nconv = 3", "'int8.conv' should be a table"),
        (
            "isa = 'avx2'\n[int8]\nactivations = ['u4']",
            "'int8.activations' should be one of u8, s8, got 'u4'",
        ),
        ("isa = 'avx2'\n[int8.conv]\nactivation = ['u8']", "unknown key 'int8.conv.activation'"),
        ("isa = ", "not a valid TOML file"),
    ],
)
def test_target_files(
    text: str, message: str, model: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = out.parent / "mine.toml"
    path.write_text(text)
    error = error_of(capsys, compile_tool.main, model, "--target", path, "-o", out / "a.octet")
    assert message in error
    assert "mine.toml" in error
    assert not list(out.iterdir())


# --- octet-opt and octet-run ----------------------------------------------------------------------


def test_octet_opt_writes_nothing_when_a_pass_fails(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = out.parent / "f.mlir"
    text.write_text("func.func @main() { func.return }")
    error = error_of(capsys, opt.main, text, "-p", "calibrate", "-o", out / "g.mlir")
    assert "no calibration data was given" in error
    assert not list(out.iterdir())


def test_artifacts_that_are_damaged(
    model: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = out.parent / "a.octet"
    assert compile_tool.main([str(model), "-o", str(artifact)]) == 0
    contents = artifact.read_bytes()
    damaged = out.parent / "d.octet"
    for bad in (b"", b"PK", contents[:-100], contents.replace(b"nn.name", b"nn.mane")):
        damaged.write_bytes(bad)
        assert "d.octet" in error_of(capsys, run.main, damaged)
    edited = out.parent / "e.octet"
    with zipfile.ZipFile(artifact) as source, zipfile.ZipFile(edited, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data + b"\n" if name.endswith(".mlir") else data)
    assert "was edited" in error_of(capsys, run.main, edited)


def test_inputs_of_octet_run(model: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artifact = out.parent / "a.octet"
    assert compile_tool.main([str(model), "-o", str(artifact)]) == 0
    inputs, outputs = out.parent / "x.npz", out / "y.npz"
    for arrays, message in (
        ({"picture": images(1)}, "missing ['image'], unknown ['picture']"),
        ({"image": images(1).astype(np.float64)}, "should be float32, got float64"),
        ({"image": images(1)[0]}, "should have 4 dimensions"),
    ):
        np.savez(inputs, **arrays)
        error = error_of(capsys, run.main, artifact, "--inputs", inputs, "--outputs", outputs)
        assert message in error
    error = error_of(capsys, run.main, artifact, "--outputs", outputs)
    assert "--outputs without --inputs" in error
    assert not list(out.iterdir())
    np.savez(inputs, image=images(2))
    assert run.main([str(artifact), "--inputs", str(inputs), "--outputs", str(outputs)]) == 0
    with np.load(outputs) as written:
        assert written["scores"].shape == (2, 5)

"""Stopping after a stage and going on from the text is the same as not stopping."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import compiler
from compiler.cli.compile import main
from compiler.stages import STAGE_NAMES
from dialects.errors import OctetError
from tests.compiler.small_model import images


def compiled(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module")
def straight(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("straight") / "a.octet"
    compiled(model, "--calibration-data", data, "-o", path)
    return path.read_bytes()


def test_two_compilations_give_the_same_bytes(
    straight: bytes, model: Path, data: Path, tmp_path: Path
) -> None:
    compiled(model, "--calibration-data", data, "-o", tmp_path / "b.octet")
    assert (tmp_path / "b.octet").read_bytes() == straight


@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_resuming_gives_the_same_bytes(
    stage: str, straight: bytes, model: Path, data: Path, tmp_path: Path
) -> None:
    text, artifact = tmp_path / "s.mlir", tmp_path / "s.octet"
    given = ["--calibration-data", data]
    compiled(model, *given, f"--stop-after={stage}", "-o", text)
    compiled(text, *(given if stage in ("import", "simplify") else []), "-o", artifact)
    assert artifact.read_bytes() == straight


def test_options_given_before_the_stop_hold_after_it(
    model: Path, data: Path, tmp_path: Path
) -> None:
    options = ["--no-per-channel", "--nodes-to-exclude", "head", "--target", "portable"]
    given = ["--calibration-data", data]
    compiled(model, *given, *options, "-o", tmp_path / "a.octet")
    compiled(model, *given, *options, "--stop-after=calibrate", "-o", tmp_path / "s.mlir")
    compiled(tmp_path / "s.mlir", "-o", tmp_path / "b.octet")
    assert (tmp_path / "a.octet").read_bytes() == (tmp_path / "b.octet").read_bytes()
    text = (tmp_path / "s.mlir").read_text()
    assert "select = 'name:head', precision = 'f32', origin = '--nodes-to-exclude'" in text


def test_emit_writes_the_stages_beside_the_output(model: Path, data: Path, tmp_path: Path) -> None:
    compiled(model, "--calibration-data", data, "--emit=place,kernel", "-o", tmp_path / "a.octet")
    assert {path.name for path in tmp_path.iterdir()} == {
        "a.octet",
        "a.place.mlir",
        "a.place.safetensors",
        "a.kernel.mlir",
        "a.kernel.safetensors",
    }
    compiled(tmp_path / "a.place.mlir", "-o", tmp_path / "b.octet")
    assert (tmp_path / "b.octet").read_bytes() == (tmp_path / "a.octet").read_bytes()


def test_emit_numba_is_the_source_of_the_loops(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Valid Python, the same every time, beside the output or alone on stdout."""
    compiled(model, "--calibration-data", data, "--emit=numba", "-o", tmp_path / "a.octet")
    text = (tmp_path / "a.numba.py").read_text()
    ast.parse(text)
    compiled(model, "--calibration-data", data, "--emit=numba", "-o", "-")
    assert capsys.readouterr().out == text


def test_ir_on_stdout(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(model, "--stop-after=simplify", "-o", "-")
    text = capsys.readouterr().out
    assert text.startswith("builtin.module")
    assert "nn.conv" in text
    assert "nn.batch_norm" not in text


def test_a_pipeline_replaces_the_stages(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(model, "--pass-pipeline=fold-batch-norm,fuse-activation", "-o", "-")
    text = capsys.readouterr().out
    assert 'octet.pipeline = "fold-batch-norm,fuse-activation"' in text
    assert 'octet.stage = "simplify"' in text
    assert "#nn.activation<relu>" in text


def test_explain_lists_every_layer(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import json

    compiled(model, "--calibration-data", data, "--explain=json")
    rows = {row["names"][0]: row for row in json.loads(capsys.readouterr().out)["ops"]}
    assert rows["stem"]["precision"] == "int8"
    assert rows["stem"]["placed_by"]
    compiled(model, "--calibration-data", data, "--explain")
    assert re.search(r"│ +0 │ stem.+│ conv", capsys.readouterr().out)


# --- Python -----------------------------------------------------------------------------------


def test_compile_save_load_run(model: Path, data: Path, tmp_path: Path) -> None:
    program = compiler.compile(model, calibration_data={"image": images(20)})
    first = program.run({"image": images(3)})["scores"]
    assert first.shape == (3, 5)
    program.save(tmp_path / "p.octet")
    again = compiler.load(tmp_path / "p.octet").run({"image": images(3)})["scores"]
    assert np.array_equal(first, again)


def test_without_calibration_data_the_program_is_float(model: Path) -> None:
    program = compiler.compile(model)
    assert "precision int8" not in str(program.module)


@pytest.mark.parametrize("form", ["mapping", "list", "generator", "function", "npz", "folder"])
def test_forms_of_calibration_data(form: str, model: Path, data: Path, tmp_path: Path) -> None:
    batches = [{"image": images(20)[i : i + 8]} for i in (0, 8, 16)]
    for index, image in enumerate(images(20)):
        np.save(tmp_path / f"{index:02}.npy", image)
    source = {
        "mapping": {"image": images(20)},
        "list": batches,
        "generator": (batch for batch in batches),
        "function": lambda: iter(batches),
        "npz": data,
        "folder": tmp_path,
    }[form]
    reference = compiler.compile(model, calibration_data={"image": images(20)})
    assert str(compiler.compile(model, calibration_data=source).module) == str(reference.module)


def test_options_reach_their_passes(model: Path) -> None:
    given = {"image": images(8)}
    program = compiler.compile(
        model,
        calibration_data=given,
        calibration_method="percentile",
        per_channel=False,
        op_types_to_quantize=("conv",),
        pass_options={"calibrate.bins": 512},
    )
    pipeline = program.manifest["pipeline"]
    assert "method=percentile" in pipeline
    assert "bins=512" in pipeline
    assert "per-channel=false" in pipeline
    assert "op-types=conv" in pipeline


def test_nodes_to_quantize_are_the_only_ones(model: Path) -> None:
    program = compiler.compile(
        model, calibration_data={"image": images(8)}, nodes_to_quantize=("stem",)
    )
    text = str(program.module)
    assert text.count('kernel.call "conv"') == 2
    assert len(re.findall(r'kernel\.call "conv".*precision int8', text)) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per_chanel": True}, "no compile option 'per_chanel'; did you mean per_channel"),
        ({"calibration_method": "best"}, "--calibration-method: expected min-max"),
        ({"pass_options": {"bins": 1}}, "should be PASS.OPTION"),
        ({"pass_options": {"calibrate.bin": 1}}, "has no option 'bin'"),
        ({"pass_options": {"licm.x": 1}}, "that pass is not among those still to run"),
        ({"percentile": 99.0, "calibration_method": "min-max"}, "both set calibrate{method}"),
    ],
)
def test_wrong_options(options: dict[str, object], message: str, model: Path) -> None:
    with pytest.raises(OctetError) as error:
        compiler.compile(model, calibration_data={"image": images(8)}, **options)
    assert message in str(error.value)

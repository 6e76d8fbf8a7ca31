"""`compile diff`: what two programs place differently."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import compiler
from compiler.cli.compile import main
from compiler.explain.difference import SCHEMA_FILE, Comparison, Side, compare
from compiler.explain.reading import read_placed
from passes.placement.decision import KINDS
from tests.compiler.explain.conftest import Compile
from tests.compiler.explain.json_schema import violations
from tests.compiler.explain.programs import LOOP, TABLES


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def artifacts(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """a.octet: all int8; b.octet: the head in float."""
    folder = tmp_path_factory.mktemp("artifacts")
    compiler.compile(model, data).save(folder / "a.octet")
    compiler.compile(model, data, exclude="name:head").save(folder / "b.octet")
    return folder


def compared(a: Path, b: Path) -> Comparison:
    return compare(Side.of(str(a), read_placed(a)), Side.of(str(b), read_placed(b)))


def test_a_program_does_not_differ_from_itself(
    artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a = artifacts / "a.octet"
    comparison = compared(a, a)
    assert comparison.differences == ()
    assert comparison.same == len(compiler.explanation(a))
    assert run("diff", a, a, "--exit-code") == 0
    assert capsys.readouterr() == ("", "")


def test_precision_and_reason_differ(artifacts: Path) -> None:
    comparison = compared(artifacts / "a.octet", artifacts / "b.octet")
    head = next(one for one in comparison.differences if "head" in one.names)
    assert head.a is not None
    assert head.b is not None
    assert (head.a.precision, head.b.precision) == ("int8", "f32")
    assert {"precision", "reason"} <= set(head.fields)
    assert head.b.why == "exclude name:head: user"
    changed = {name for one in comparison.differences for name in one.names}
    assert "stem" not in changed


def test_another_calibration_differs_in_types_alone(
    model: Path, data: Path, artifacts: Path, tmp_path: Path
) -> None:
    wide = compiler.compile(model, data, percentile=90.0)
    wide.save(tmp_path / "wide.octet")
    comparison = compared(artifacts / "a.octet", tmp_path / "wide.octet")
    stem = next(one for one in comparison.differences if "stem" in one.names)
    assert stem.fields == ("types",)
    old, new = stem.types
    assert old["x"] != new["x"]
    assert old["x"].startswith("!quant.uniform<u8:f32,")


def test_an_op_that_only_one_has(compile_text: Compile, tmp_path: Path) -> None:
    compile_text(LOOP).write(tmp_path / "a.octet")
    compile_text(LOOP.replace('"b"', '"d"')).write(tmp_path / "b.mlir")
    compile_text(TABLES).write(tmp_path / "c.mlir")
    # Fused into one loop with others, it is found by their names.
    both = compared(tmp_path / "a.octet", tmp_path / "b.mlir")
    assert [one.names for one in both.differences] == []
    none = compared(tmp_path / "a.octet", tmp_path / "c.mlir")
    assert {one.fields for one in none.differences} == {("presence",)}
    assert [one.a is None for one in none.differences] == [False, True, True, True]


def test_text_at_stage_place_is_compared_by_precision(
    model: Path, data: Path, artifacts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    placed = tmp_path / "p.mlir"
    assert run(model, "--calibration-data", data, "--stop-after=place", "-o", placed) == 0
    assert run("diff", artifacts / "a.octet", placed, "--exit-code") == 0
    assert "is at stage 'kernel'" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        run("diff", artifacts / "b.octet", placed, "--exit-code")
    assert end.value.code == 1


def test_exit_codes_and_output(artifacts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = (artifacts / "a.octet", artifacts / "b.octet")
    assert run("diff", *files) == 0
    out = capsys.readouterr().out
    assert "- int8" in out
    assert "+ f32" in out
    with pytest.raises(SystemExit) as end:
        run("diff", *files, "--json", "--exit-code")
    assert end.value.code == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["version"]) == ("octet-placement-diff", 1)
    assert document["a"]["path"] == str(files[0])
    head = next(one for one in document["differences"] if "head" in one["names"])
    assert (head["a"]["precision"], head["b"]["precision"]) == ("int8", "f32")
    assert head["differs"][0] == "precision"


def test_json_fits_its_schema(compile_text: Compile, artifacts: Path, tmp_path: Path) -> None:
    schema = json.loads(SCHEMA_FILE.read_text())
    compile_text(LOOP).write(tmp_path / "c.octet")
    for other in (artifacts / "a.octet", artifacts / "b.octet", tmp_path / "c.octet"):
        document = json.loads(compared(artifacts / "a.octet", other).as_json())
        assert violations(document, schema) == []
        assert bool(document["differences"]) == (other.name != "a.octet")
        assert violations({**document, "same": -1}, schema)
    row = schema["$defs"]["row"]["properties"]
    assert row["placed_by"]["enum"] == list(KINDS)


def test_files_that_cannot_be_compared(
    artifacts: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early = tmp_path / "early.mlir"
    assert run(model, "--stop-after=simplify", "-o", early) == 0
    (tmp_path / "broken.octet").write_bytes(b"PK")
    for path, message in (
        (early, "no op has a precision at stage 'simplify'; placement is known from stage"),
        (model, "expected a .octet file, or .mlir text at stage 'place'"),
        (tmp_path / "broken.octet", "not a valid .octet file"),
        (tmp_path / "absent.octet", "no such file"),
        (tmp_path / "absent.mlir", "No such file"),
    ):
        assert run("diff", artifacts / "a.octet", path) == 1
        error = capsys.readouterr().err
        assert message in error
        assert str(path) in error


def test_a_model_named_diff_is_a_model(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(model, "diff")
    assert run("./diff") == 1
    assert "diff: expected a .onnx model or .mlir text" in capsys.readouterr().err
    shutil.copy(model, "diff.onnx")
    assert run("diff.onnx", "-o", "d.octet") == 0
    with pytest.raises(SystemExit):
        run("diff")
    assert "the following arguments are required: A, B" in capsys.readouterr().err

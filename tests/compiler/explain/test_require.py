"""`--require`: a compilation fails when an op does not end at its precision."""

from __future__ import annotations

from pathlib import Path

import pytest

import compiler
from compiler.cli.compile import main
from compiler.stages import STAGE_NAMES
from dialects.errors import OctetError
from tests.compiler.explain.conftest import Compile
from tests.compiler.explain.programs import HUGE_BIAS, TABLES
from tests.compiler.small_model import images

FLOAT_HEAD = ("--nodes-to-exclude", "head", "--require", "int8=name:head")


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_what_is_required_and_so_changes_nothing(model: Path, data: Path, tmp_path: Path) -> None:
    given = (model, "--calibration-data", data)
    assert run(*given, "-o", tmp_path / "a.octet") == 0
    required = ("--require", "int8=type:conv", "--require", "int8=name:head")
    assert run(*given, *required, "-o", tmp_path / "b.octet") == 0
    a, b = (compiler.explanation(tmp_path / f"{name}.octet") for name in "ab")
    assert a.ops == b.ops


def test_failing_says_what_ended_where_and_why(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.octet"
    assert run(model, "--calibration-data", data, *FLOAT_HEAD, "-o", out) == 1
    assert list(tmp_path.iterdir()) == []
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "1 op(s) did not end at the precision required: op 4 'head' as matmul" in message
    assert "(required to be int8 by 'name:head') ended in f32 (exclude name:head: user)" in message


def test_a_name_that_was_fused_is_followed(model: Path, data: Path) -> None:
    """The batch norm and the activations are part of convolutions."""
    names = [f"name:{name}" for name in ("norm", "relu0", "add", "relu1")]
    compiler.compile(model, data, require={"int8": names})
    with pytest.raises(OctetError, match=r"'stem' as conv .* by 'name:relu0'.* ended in f32"):
        compiler.compile(model, data, exclude="name:norm", require={"int8": "name:relu0"})


@pytest.mark.parametrize("stage", STAGE_NAMES[:-1])
def test_a_requirement_holds_after_a_stop(
    stage: str, model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "s.mlir"
    given = ("--calibration-data", data)
    assert run(model, *given, *FLOAT_HEAD, f"--stop-after={stage}", "-o", text) == 0
    again = given if stage in ("import", "simplify") else ()
    assert run(text, *again, "-o", tmp_path / "a.octet") == 1
    assert "'head' as matmul (required to be int8 by 'name:head')" in capsys.readouterr().err


@pytest.mark.parametrize("stage", STAGE_NAMES[:4])
def test_a_resumed_compilation_may_require(stage: str, model: Path, data: Path, tmp_path: Path):
    text = tmp_path / "s.mlir"
    given = ("--calibration-data", data)
    assert run(model, *given, f"--stop-after={stage}", "-o", text) == 0
    again = given if stage in ("import", "simplify") else ()
    assert run(text, *again, "--require", "int8=type:conv", "-o", tmp_path / "a.octet") == 0
    assert run(text, *again, "--require", "bf16=type:conv", "-o", tmp_path / "b.octet") == 1
    assert not (tmp_path / "b.octet").exists()


def test_too_late_to_require(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "s.mlir"
    assert run(model, "--stop-after=quantize", "-o", text) == 0
    assert run(text, "--require", "f32=type:conv", "-o", tmp_path / "a.octet") == 1
    assert "give --require when compiling from stage 'place' or before" in capsys.readouterr().err


def test_a_pass_that_falls_back_is_found_out(compile_text: Compile) -> None:
    require = {"pass_options": {"require-precision.int8": "name:first"}}
    with pytest.raises(OctetError, match=r"ended in f32 .insert-qdq: its sums or its bias"):
        compile_text(HUGE_BIAS, options=require)


def test_a_table_is_int8(compile_text: Compile) -> None:
    for name in ("gate", "bend"):
        require = {"pass_options": {"require-precision.int8": f"name:{name}"}}
        compile_text(TABLES, options=require)


def test_every_precision_can_be_required(model: Path, data: Path) -> None:
    program = compiler.compile(
        model,
        data,
        bf16="name:stem",
        f16="name:body",
        exclude="name:head",
        require={"bf16": "name:stem", "f16": ["name:body"], "f32": "name:head"},
    )
    ended = {row.layer: row.precision for row in compiler.explanation(program).ops}
    assert (ended["stem"], ended["body"], ended["head"]) == ("bf16", "f16", "f32")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("int9=name:stem", "--require int9=name:stem: expected PRECISION=SELECTOR"),
        ("name:stem", "--require name:stem: expected PRECISION=SELECTOR"),
        ("int8=", "--require int8=: expected PRECISION=SELECTOR"),
        ("int8=name:stme", "'name:stme' matches no op; nearest: stem"),
    ],
)
def test_wrong_requirements(
    text: str, message: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(model, "--require", text, "--explain") == 1
    assert message in capsys.readouterr().err


def test_a_wrong_precision_in_python(model: Path) -> None:
    with pytest.raises(OctetError, match="require: expected one of f32, bf16, f16, int8, got 'i8'"):
        compiler.compile(model, images(4), require={"i8": "name:stem"})  # pyright: ignore[reportArgumentType]

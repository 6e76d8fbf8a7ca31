"""Selectors on the command line: lists of them, and `--select`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import compiler
from compiler.cli import compile as compile_tool
from compiler.cli import opt
from compiler.options import values_from_text
from dialects.errors import OctetError


def test_select_prints_what_is_picked(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_tool.main([str(model), "--select", "type:conv or name:head"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0  conv    stem, norm, relu0",
        "1  conv    body, add, relu1",
        "4  matmul  head",
    ]
    arguments = [str(model), "--stop-after", "import", "--select", "type:relu"]
    assert compile_tool.main([*arguments, "--select", "first(1)"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "type:relu", "2  relu  relu0", "5  relu  relu1", "first(1)", "0  conv  stem",
    ]  # fmt: skip


def test_select_counts_as_explain_does(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compile_tool.main([str(model), "--select", "glob:*"]) == 0
    selected = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert compile_tool.main([str(model), "--explain=json"]) == 0
    explained = json.loads(capsys.readouterr().out)["ops"]
    assert selected == [[str(row["index"]), row["op"]] for row in explained]


def test_select_of_nothing(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_tool.main([str(model), "--select", "type:conv and name:haed"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "compile: error: selector 'name:haed' matches no op; nearest: head, add",
        "  type:conv and name:haed",
        "                ^^^^^^^^^",
    ]
    lowered = tmp_path / "lowered.mlir"
    assert compile_tool.main([str(model), "--stop-after=kernel", "-o", str(lowered)]) == 0
    assert opt.main([str(lowered), "--select", "type:conv"]) == 1
    assert "the program has no nn ops (any more)" in capsys.readouterr().err


def placed_by(model: Path, *flags: str) -> dict[str, str]:
    """Reasons by name; nothing is int8 without data, so that rules for bf16 can be seen."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert compile_tool.main([str(model), "--explain=json", *flags]) == 0
    rows = json.loads(out.getvalue())["ops"]
    return {row["names"][0]: f"{row['decider']}: {row['reason']}" for row in rows}


def test_commas_in_brackets_and_quotes_separate_nothing(model: Path) -> None:
    reasons = placed_by(model, "--precision", "bf16", "--exclude",
                        "between(name:stem, name:relu0),first(1, type:Gemm)")  # fmt: skip
    assert "between(name:stem, name:relu0)" in reasons["stem"]
    assert "first(1, type:Gemm)" in reasons["head"]
    assert "user" not in reasons["body"]


def test_names_of_layers_on_the_command_line(model: Path) -> None:
    reasons = placed_by(model, "--precision", "bf16", "--nodes-to-exclude", "'stem',head")
    assert "name:stem" in reasons["stem"]
    assert "name:head" in reasons["head"]


def test_pass_options_are_split_the_same_way() -> None:
    assert values_from_text("first(2, type:conv),name:'a, b',3") == (
        "first(2, type:conv)", "name:'a, b'", 3,
    )  # fmt: skip


def test_allow_unmatched(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--exclude", "name:stem or name:steam", "--precision", "bf16"]
    assert compile_tool.main([str(model), "--explain=json", *flags]) == 1
    assert "selector 'name:steam' matches no op; nearest: stem" in capsys.readouterr().err
    assert compile_tool.main([str(model), "--explain=json", *flags, "--allow-unmatched"]) == 0
    captured = capsys.readouterr()
    assert "place-precision: note: selector 'name:steam' matches no op" in captured.err
    stem = next(row for row in json.loads(captured.out)["ops"] if "stem" in row["names"])
    assert stem["precision"] == "f32"


def test_from_python(model: Path) -> None:
    with pytest.raises(OctetError, match="nearest: body"):
        compiler.compile(model, precision="bf16", exclude=("pattern(conv->conv)", "name:bdy"))

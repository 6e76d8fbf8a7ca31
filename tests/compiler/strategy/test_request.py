"""What `--strategy` takes, and what it says about what it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compiler.cli import compile as compile_tool
from compiler.strategy.metrics import Budget
from compiler.strategy.request import strategy_of
from dialects.errors import OctetError


def test_defaults() -> None:
    assert strategy_of(None, {}).name == "all"
    auto = strategy_of("auto", {"min_sqnr": 30, "seed": None}).auto
    assert auto is not None
    assert (auto.budget, auto.seed, auto.state) == (Budget("min-sqnr", 30), 0, None)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("best", {}, "--strategy best: expected rules, all, auto"),
        ("all", {"max_drop": 1}, "--max-drop: these options belong to --strategy auto"),
        (None, {"seed": 0}, "--seed: these options belong to --strategy auto"),
        ("auto", {}, "needs one budget, --max-drop, --min-sqnr, --min-agreement; got none"),
        ("auto", {"min_sqnr": 1, "min_agreement": 1}, "got --min-sqnr and --min-agreement"),
        ("auto", {"max_drop": 1}, "give --evaluation-data x.npz with the inputs and an array"),
        ("auto", {"min_agreement": 99}, "expected a number from 0 to 1, got 99"),
        ("auto", {"max_drop": -1, "evaluation_data": "x"}, "--max-drop: expected a number from 0"),
        ("auto", {"min_sqnr": float("nan")}, "got nan"),
        ("auto", {"min_sqnr": 1, "seed": 1.5}, "--seed: expected a whole number"),
        ("auto", {"min_sqnr": 1, "jobs": 0}, "--jobs: expected a whole number from 1"),
        ("auto", {"min_sqnr": 1, "max_evaluations": 2}, "--max-evaluations: expected"),
        ("auto", {"min_sqnr": 1, "time_limit": -1}, "--time-limit: expected"),
    ],
)
def test_what_is_wrong_is_said(name: str | None, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OctetError) as error:
        strategy_of(name, options)
    assert message in str(error.value)


AUTO = ("--strategy", "auto", "--min-sqnr", "20")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (AUTO, "give --evaluation-data, or --calibration-data to hold samples out of"),
        ((*AUTO, "--precision", "bf16"), "out --precision"),
        ((*AUTO, "--nodes-to-quantize", "stem"), "out --nodes-to-quantize"),
        ((*AUTO, "--pass-pipeline", "cse"), "leave out --pass-pipeline"),
        ((*AUTO, "--stop-after", "simplify"), "precisions are chosen in stage 'place'"),
        (("--strategy", "rules", "--precision", "bf16"), "--precision bf16 does not"),
        (("--strategy", "rules", "--pass-pipeline", "cse"), "leave out --pass-pipeline"),
    ],
)
def test_contradictions(
    arguments: tuple[str, ...],
    message: str,
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out.mlir"
    assert compile_tool.main([str(model), "-o", str(out), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_ir_that_is_placed_already(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    placed = tmp_path / "placed.mlir"
    calibration = ("--calibration-data", str(data))
    assert not compile_tool.main(
        [str(model), *calibration, "--stop-after=place", "-o", str(placed)]
    )
    out = str(tmp_path / "out.octet")
    assert compile_tool.main([str(placed), *calibration, *AUTO, "-o", out]) == 1
    assert "at stage 'place': precisions are chosen already" in capsys.readouterr().err

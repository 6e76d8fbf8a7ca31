"""Profiles beside the cost model."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import compiler
from compiler.cli.run import main
from compiler.profile_table import as_table
from compiler.rates.table import rates_text
from dialects.rates import RATES_OF_ISA
from runtime.profiling.comparison import compare, spearman
from runtime.program import Program
from runtime.work import estimated_ns

MODEL = Path(__file__).parents[2] / "examples/digits/digits.onnx"
DATA = MODEL.with_name("calibration.npz")


@pytest.fixture(scope="module", params=["f32", "bf16", "int8"])
def program(request: pytest.FixtureRequest) -> Program:
    data = DATA if request.param == "int8" else None
    return compiler.compile(MODEL, data, precision=request.param)


def feeds(program: Program) -> dict[str, np.ndarray]:
    return {spec.name: np.zeros(spec.shape, spec.dtype) for spec in program.inputs}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 2, 3], [10, 100, 1000], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
        # Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4.
        ([1, 5, 5, 9], [1, 2, 3, 4], 4.5 / math.sqrt(4.5 * 5)),
    ],
)
def test_rank_correlation(a: list[float], b: list[float], expected: float) -> None:
    assert spearman(np.array(a), np.array(b)) == pytest.approx(expected)


def test_without_an_order_there_is_no_correlation() -> None:
    assert math.isnan(spearman(np.array([1.0, 1.0]), np.array([1.0, 2.0])))
    assert math.isnan(spearman(np.array([1.0]), np.array([1.0])))


def test_every_op_is_predicted(program: Program) -> None:
    rates = RATES_OF_ISA[program.isa.name]
    found = compare(program.profile(feeds(program), runs=2), rates)
    assert len(found.predicted) == len(found.profile.ops)
    assert all(seconds >= rates.call_ns * 1e-9 for seconds in found.predicted)
    read = json.loads(json.dumps(found.to_json()))
    assert [op["predicted_seconds"] for op in read["ops"]] == found.predicted
    assert read["model"]["predicted_seconds"] == pytest.approx(sum(found.predicted))
    assert -1 <= read["model"]["rank_correlation"] <= 1
    plain = json.loads(json.dumps(found.profile.to_json()))
    assert "model" not in plain
    assert "op" not in plain["ops"][0]


def test_the_table_shows_both(program: Program) -> None:
    found = compare(program.profile(feeds(program), runs=2), RATES_OF_ISA[program.isa.name])
    console = Console(width=200)
    with console.capture() as captured:
        console.print(as_table(found.profile, found))
    text = captured.get()
    assert "model us" in text
    assert f"(Spearman): {found.rank_correlation:.3f}" in text


def test_more_work_takes_longer(program: Program) -> None:
    """A larger batch is never estimated to be faster, op by op."""
    rates = RATES_OF_ISA[program.isa.name]
    small, large = (
        program.profile(
            {name: np.repeat(x, batch, axis=0) for name, x in feeds(program).items()}, runs=1
        )
        for batch in (1, 8)
    )
    for before, after in zip(small.ops, large.ops, strict=True):
        assert estimated_ns(before.op, rates) <= estimated_ns(after.op, rates)


def test_the_command(program: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "digits.octet"
    program.save(path)
    assert main([str(path), "--profile=json", "--compare-model"]) == 0
    first = json.loads(capsys.readouterr().out)
    target = tmp_path / "mine.toml"
    target.write_text('isa = "avx2"\n' + rates_text(RATES_OF_ISA["portable"]))
    assert main([str(path), "--profile=json", "--compare-model", str(target)]) == 0
    second = json.loads(capsys.readouterr().out)
    assert first["model"]["predicted_seconds"] < second["model"]["predicted_seconds"]
    assert main([str(path), "--compare-model", "--profile"]) == 0
    assert "rank correlation" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["--profile", "--threads", "2"]])
def test_what_it_goes_with(
    arguments: list[str], tmp_path: Path, program: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    program.save(tmp_path / "digits.octet")
    assert main([str(tmp_path / "digits.octet"), "--compare-model", *arguments]) == 1
    assert "--compare-model goes with --profile" in capsys.readouterr().err

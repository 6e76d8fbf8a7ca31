"""`--bisect-accuracy`: the op and the pass after which accuracy drops."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from compiler.accuracy.bisect import AccuracyTrace, Drop, Step
from compiler.cli.compile import main
from tests.compiler.accuracy.test_comparison import fixed, scale_of


def bisected(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    assert main([*map(str, arguments), "--bisect-accuracy=json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(("result", "op"), [("relu0", "stem"), ("relu1", "body")])
def test_the_sabotaged_op_is_found(
    model: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    result: str,
    op: str,
) -> None:
    recipe = tmp_path / "sabotage.toml"
    recipe.write_text(fixed(result, 30 * scale_of(model, data, result)))
    found = bisected(capsys, model, "--calibration-data", data, "--recipe", recipe)
    assert found["op"]["at"]["name"] == op
    assert found["pass"]["at"]["name"] == "insert-qdq"
    counts = [step["index"] for step in found["op"]["steps"]]
    assert counts == sorted(counts)


def test_a_limit_below_everything_finds_nothing(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (model, "--calibration-data", data, "--bisect-limit", "1")
    found = bisected(capsys, *arguments)
    assert found["op"]["at"] is None
    assert found["pass"]["at"] is None
    assert main([*map(str, arguments), "--bisect-accuracy"]) == 0
    assert "no op takes the outputs below 1.0 dB" in " ".join(capsys.readouterr().out.split())


def test_a_float_program_has_no_drop(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = bisected(
        capsys, model, "--calibration-data", data, "--precision", "f32", "--bisect-limit", "60"
    )
    assert found["op"]["at"] is None
    assert found["pass"]["at"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--bisect-accuracy"], "needs --calibration-data"),
        (["--bisect-limit", "3"], "--bisect-limit goes with --bisect-accuracy"),
        (["--bisect-accuracy", "--calibration-data", "DATA", "-o", "x.octet"], "leave out -o"),
        (
            ["--bisect-accuracy", "--calibration-data", "DATA", "--pass-pipeline", "cse"],
            "leave out --pass-pipeline",
        ),
    ],
)
def test_bad_uses_are_named(
    model: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    given = [str(data) if argument == "DATA" else argument for argument in arguments]
    assert main([str(model), *given]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(5))
def test_the_pass_is_the_last_that_crosses_the_limit(seed: int) -> None:
    sqnr = np.random.default_rng(seed).uniform(10, 50, 12)
    trace = AccuracyTrace()
    trace.steps = [Step(i, f"pass-{i}", float(db)) for i, db in enumerate(sqnr)]
    drop: Drop = trace.drop(30.0)
    if sqnr[-1] >= 30:
        assert drop.at is None
    else:
        assert drop.at is not None
        assert all(db < 30 for db in sqnr[drop.at.index :])
        assert drop.at.index == 0 or sqnr[drop.at.index - 1] >= 30
    assert math.isfinite(drop.limit)

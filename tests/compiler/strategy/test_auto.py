"""`--strategy auto` from end to end, on the small network."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import numpy as np
import pytest

import compiler
from compiler.cli import compile as compile_tool
from compiler.driver import Compilation, CompileRequest
from compiler.strategy.builder import Builder
from compiler.strategy.state import LOG
from dialects.kernel.ops import CallOp
from runtime.program import Program
from tests.compiler.small_model import images

RESULTS = ("recipe.toml", "pareto.csv")


def search(model: Path, data: Path, folder: Path, *options: str) -> int:
    """Compiles into `folder`; results are in its `small.search`."""
    folder.mkdir(exist_ok=True)
    return compile_tool.main(
        [
            *(str(model), "--calibration-data", str(data), "--strategy", "auto"),
            *("-o", str(folder / "small.octet"), *options),
        ]
    )


def precisions(program: Program) -> dict[str, str]:
    """The precision of convolutions and matrix products by layer."""
    return {
        op.source_name: str(op.precision.data)
        for op in program.module.walk()
        if isinstance(op, CallOp) and op.callee.data in ("conv", "matmul") and op.precision
    }


def results(folder: Path) -> dict[str, bytes]:
    found = {name: (folder / "small.search" / name).read_bytes() for name in RESULTS}
    return {**found, "program": (folder / "small.octet").read_bytes()}


def test_labelled(model: Path, data: Path, labelled: Path, tmp_path: Path) -> None:
    """The program keeps the budget, its rules name every op, and the files say the same."""
    budget = ("--max-drop", "2", "--evaluation-data", str(labelled))
    assert search(model, data, tmp_path, *budget) == 0
    evaluation = np.load(labelled)
    scores = Program.load(tmp_path / "small.octet").run({"image": evaluation["image"]})["scores"]
    assert 100 * np.mean(scores.argmax(1) == evaluation["labels"]) >= 98
    rules = tomllib.loads((tmp_path / "small.search" / "recipe.toml").read_text())["rule"]
    assert [rule["select"] for rule in rules] == [
        "name:stem", "name:body", "name:pool", "name:head",
    ]  # fmt: skip
    with (tmp_path / "small.search" / "pareto.csv").open() as file:
        rows = list(csv.DictReader(file))
    times = [float(row["modelled_us"]) for row in rows]
    assert times == sorted(times)
    within = [row["placement"] for row in rows if row["within_budget"] == "1"]
    letters = {"int8": "8", "bf16": "b", "f16": "h", "f32": "f"}
    assert "".join(letters[rule["precision"]] for rule in rules) == within[0]


def test_again_without_the_search(model: Path, data: Path, labelled: Path, tmp_path: Path) -> None:
    """The recipe alone gives the program that was found."""
    budget = ("--min-sqnr", "54", "--evaluation-data", str(labelled))
    assert search(model, data, tmp_path, *budget) == 0
    found = Program.load(tmp_path / "small.octet")
    recipe = tmp_path / "small.search" / "recipe.toml"
    again = compiler.compile(model, data, recipe=str(recipe))
    x = images(8, seed=4)
    np.testing.assert_array_equal(
        found.run({"image": x})["scores"], again.run({"image": x})["scores"]
    )
    assert precisions(found) == precisions(again)
    assert "auto: " in found.manifest["recipe"]


def test_requirements_are_about_the_result(
    model: Path, data: Path, labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They do not stop the search at a placement that breaks them."""
    options = ("--evaluation-data", str(labelled), "--require", "int8=name:head")
    assert search(model, data, tmp_path / "loose", *options, "--max-drop", "100") == 0
    assert search(model, data, tmp_path / "tight", *options, "--min-sqnr", "150") == 1
    assert "required to be int8 by 'name:head'" in capsys.readouterr().err


def test_held_out_samples(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without evaluation data a quarter of the calibration data measures, and that is said."""
    assert search(model, data, tmp_path, "--min-sqnr", "20", "--explain=json") == 0
    captured = capsys.readouterr()
    assert "5 samples held out" in captured.err
    reasons = [row["reason"] for row in json.loads(captured.out)["ops"]]
    assert sum(reason.startswith("auto: int8 ") for reason in reasons) >= 2
    x = images(16, seed=5)
    expected = compiler.compile(model, precision="f32").run({"image": x})["scores"]
    actual = Program.load(tmp_path / "small.octet").run({"image": x})["scores"]
    noise = float(np.sum((expected - actual) ** 2) / np.sum(expected**2))
    assert 10 * np.log10(1 / noise) > 19


def test_a_tighter_budget_is_cleaner(
    model: Path, data: Path, labelled: Path, tmp_path: Path
) -> None:
    evaluation = np.load(labelled)
    x = evaluation["image"]
    expected = compiler.compile(model, precision="f32").run({"image": x})["scores"]
    noise: list[float] = []
    for limit in (20.0, 55.0, 80.0):
        program = compiler.compile(
            model,
            data,
            strategy="auto",
            min_sqnr=limit,
            evaluation_data={"image": x},
        )
        scores = program.run({"image": x})["scores"]
        noise.append(float(np.sum((expected - scores) ** 2) / np.sum(expected**2)))
        assert noise[-1] <= 10 ** (-limit / 10)
    assert noise[0] > noise[1] > noise[2]


def test_the_same_again(model: Path, data: Path, labelled: Path, tmp_path: Path) -> None:
    """Same seed, same bytes, however many placements are measured at a time."""
    budget = ("--min-sqnr", "40", "--evaluation-data", str(labelled))
    assert search(model, data, tmp_path / "one", *budget) == 0
    assert search(model, data, tmp_path / "two", *budget, "--jobs", "3") == 0
    assert results(tmp_path / "one") == results(tmp_path / "two")
    log = [(tmp_path / name / "small.search" / LOG).read_bytes() for name in ("one", "two")]
    assert log[0] == log[1]


def test_killed_and_resumed(model: Path, data: Path, labelled: Path, tmp_path: Path) -> None:
    """Killed in the middle without a chance to clean up, the search ends as if it had not been."""
    budget = ("--min-sqnr", "40", "--evaluation-data", str(labelled))
    assert search(model, data, tmp_path / "whole", *budget) == 0
    folder = tmp_path / "killed"
    folder.mkdir()
    arguments = [
        *(str(model), "--calibration-data", str(data), "--strategy", "auto", *budget),
        *("-o", str(folder / "small.octet")),
    ]
    log = folder / "small.search" / LOG
    lines = (tmp_path / "whole" / "small.search" / LOG).read_bytes().count(b"\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "compiler.cli.compile", *arguments], stderr=subprocess.DEVNULL
    )
    try:
        while not log.exists() or log.read_bytes().count(b"\n") < lines // 2:
            assert process.poll() is None, "the search ended before it could be killed"
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    killed = log.read_bytes().count(b"\n")
    assert killed < lines
    assert not (folder / "small.octet").exists()
    assert search(model, data, folder, *budget) == 0
    assert results(folder) == results(tmp_path / "whole")
    assert log.read_bytes().count(b"\n") == lines


def test_a_resumed_search_measures_nothing_again(
    model: Path,
    data: Path,
    labelled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from compiler.strategy.evaluator import Evaluator

    budget = ("--min-sqnr", "40", "--evaluation-data", str(labelled))
    assert search(model, data, tmp_path, *budget) == 0
    first = results(tmp_path)

    def refuse(self: Evaluator, assignment: object) -> None:
        raise AssertionError(f"{assignment} is measured again")

    monkeypatch.setattr(Evaluator, "_measure_one", refuse)
    assert search(model, data, tmp_path, *budget) == 0
    assert results(tmp_path) == first


def test_budget_that_cannot_be_met(
    model: Path, data: Path, labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule of the user keeps one op in int8: the closest program is written, exit code 3."""
    options = ("--min-sqnr", "150", "--evaluation-data", str(labelled), "--include", "name:body")
    # Where ranges clip, rounding to f16 may by luck come nearer than f32 does.
    options += ("--calibration-method", "min-max")
    assert search(model, data, tmp_path, *options, "--explain=json") == 3
    captured = capsys.readouterr()
    assert "no placement within the budget was found" in captured.err
    rows = {row["names"][0]: row for row in json.loads(captured.out)["ops"]}
    assert (rows["body"]["precision"], rows["body"]["reason"]) == ("int8", "user")
    assert rows["stem"]["precision"] == "f32"
    assert Program.load(tmp_path / "small.octet").run({"image": images(1)})["scores"].shape == (
        1,
        5,
    )
    assert "beyond the budget" in (tmp_path / "small.search" / "recipe.toml").read_text()


def test_budget_that_cannot_be_met_from_python(model: Path, data: Path) -> None:
    with pytest.warns(UserWarning, match="no placement within the budget"):
        compiler.compile(
            model,
            data,
            strategy="auto",
            min_sqnr=150,
            evaluation_data={"image": images(8)},
            include=("name:body",),
        )


def test_rules_of_the_user_are_kept(
    model: Path, data: Path, labelled: Path, tmp_path: Path
) -> None:
    options = ("--min-sqnr", "20", "--evaluation-data", str(labelled))
    assert search(model, data, tmp_path, *options, "--bf16", "name:body") == 0
    rules = tomllib.loads((tmp_path / "small.search" / "recipe.toml").read_text())["rule"]
    assert "name:body" not in [rule["select"] for rule in rules]
    steps = precisions(Program.load(tmp_path / "small.octet"))
    assert steps["body"] == "bf16"


def test_evaluations_bound_the_search(
    model: Path, data: Path, labelled: Path, tmp_path: Path
) -> None:
    options = ("--min-sqnr", "40", "--evaluation-data", str(labelled), "--max-evaluations", "12")
    assert search(model, data, tmp_path, *options) == 0
    assert (tmp_path / "small.search" / LOG).read_bytes().count(b"\n") <= 12


def test_no_time_still_gives_a_program(
    model: Path, data: Path, labelled: Path, tmp_path: Path
) -> None:
    options = ("--min-sqnr", "40", "--evaluation-data", str(labelled), "--time-limit", "0")
    assert search(model, data, tmp_path, *options) == 0
    assert (tmp_path / "small.octet").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"image": images(4)}, "no array 'labels'"),
        ({"image": images(4), "labels": np.arange(3)}, "one integer per sample, 4 of them"),
        ({"image": images(4), "labels": np.zeros(4, np.float32)}, "got float32"),
        ({"image": images(4), "labels": -np.ones(4, np.int64)}, "classes count from 0"),
        ({"labels": np.zeros(4, np.int64)}, "input 'image' is missing"),
        ({"image": images(4), "extra": np.zeros(4)}, "'extra' is not an input"),
    ],
)
def test_bad_evaluation_data(
    arrays: dict[str, np.ndarray],
    message: str,
    model: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, allow_pickle=False, **arrays)
    assert search(model, data, tmp_path, "--max-drop", "1", "--evaluation-data", str(path)) == 1
    error = capsys.readouterr().err
    assert message in error
    assert str(path) in error or "no array" in message
    assert not (tmp_path / "small.octet").exists()


def test_too_little_data_to_hold_out(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few.npz"
    np.savez(few, image=images(3))
    assert search(model, few, tmp_path, "--min-sqnr", "20") == 1
    assert "too few to hold some out" in capsys.readouterr().err


def test_strategy_rules(model: Path, data: Path, tmp_path: Path) -> None:
    """Only what a rule asks for is quantized."""
    out = tmp_path / "rules.octet"
    arguments = [str(model), "--calibration-data", str(data), "-o", str(out), "--strategy", "rules"]
    assert not compile_tool.main([*arguments, "--include", "name:body"])
    steps = precisions(Program.load(out))
    assert (steps["stem"], steps["body"], steps["head"]) == ("f32", "int8", "f32")


def test_strategy_all_is_the_default(model: Path, data: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.octet", tmp_path / "b.octet"
    arguments = [str(model), "--calibration-data", str(data), "-o"]
    assert not compile_tool.main([*arguments, str(first)])
    assert not compile_tool.main([*arguments, str(second), "--strategy", "all"])
    assert first.read_bytes() == second.read_bytes()


def test_ops_whose_numbers_are_fixed_are_no_choices(model: Path, data: Path) -> None:
    rule = (
        'select = "name:relu0", tensor = "result", storage = "u8", scale = 0.25, zero_point = 0, '
        'origin = "fixed"'
    )
    compilation = Compilation(
        CompileRequest(
            model,
            calibration_data=data,
            stop_after="calibrate",
            options={"pass_options": {"assign-scheme.rules": (rule,)}},
        )
    )
    compilation.run()
    builder = Builder.of(compilation)
    assert "stem" not in {choice.name for choice in builder.space.choices}
    assert builder.space.choices
    reference = builder.reference().run({"image": images(1)})
    assert np.isfinite(reference["scores"]).all()

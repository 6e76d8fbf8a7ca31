"""Recorded lines hold when they are executed again, and only if nobody touched them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compiler.cli.lab import main, run
from compiler.lab.record import Line, read_record, text_of
from compiler.lab.replay import Replayer
from dialects.errors import OctetError
from tests.compiler.small_model import images

PASSES = "insert-qdq,correct-bias{samples=8},propagate-qdq"


@pytest.fixture(scope="module")
def record(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines of all kinds."""
    output = tmp_path_factory.mktemp("record") / "runs.jsonl"
    common = [str(model), "--calibration-data", str(data), "--passes", PASSES]
    run(["search", *common, "--output", str(output), "--ignore-contracts"])
    run(["pairs", *common, "--output", str(output), "--contexts", "2"])
    return output


def test_every_line_holds(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = read_record(record)
    kinds = {line["kind"] for line in lines}
    assert kinds == {"run", "step", "evaluation", "order", "pair", "idempotence"}
    assert main(["replay", str(record)]) == 0
    assert f"{len(lines)} of {len(lines)} lines" in capsys.readouterr().out


def leaves(value: Any, path: tuple = ()) -> list[tuple]:
    if isinstance(value, dict) and value:
        return [leaf for name in value for leaf in leaves(value[name], (*path, name))]
    return [path]


def changed(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}0"
        case None:
            return "something"
        case list():
            return [*value, "dce"]
        case _:
            return {"more": 1}


@pytest.mark.parametrize("kind", ["step", "evaluation", "order", "pair", "idempotence"])
def test_a_line_that_was_tampered_with_does_not(record: Path, kind: str) -> None:
    lines = read_record(record)
    line = [one for one in lines if one["kind"] == kind][-1]
    replayer = Replayer(lines)
    assert replayer.replay(line) == []
    skipped = {"time", "kind", "run_id", "run", "reproducer"}
    for path in leaves({name: value for name, value in line.items() if name not in skipped}):
        tampered: Line = copy.deepcopy(line)
        parent: Any = tampered
        for name in path[:-1]:
            parent = parent[name]
        parent[path[-1]] = changed(parent[path[-1]])
        try:
            held = replayer.replay(tampered) == []
        except OctetError:
            held = False
        assert not held, path


def test_a_run_that_was_tampered_with_is_refused(record: Path) -> None:
    lines = read_record(record)
    lines[0]["run"]["seed"] = 7
    with pytest.raises(OctetError, match="not what its id was made of"):
        Replayer(lines).replay(lines[1])


def test_other_data_are_noticed(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, output = tmp_path / "data.npz", tmp_path / "runs.jsonl"
    np.savez(data, image=images(16))
    run(["search", str(model), "--calibration-data", str(data), "--passes", "insert-qdq",
         "--output", str(output)])  # fmt: skip
    np.savez(data, image=images(16, seed=5))
    assert main(["replay", str(output), "--line", "2"]) == 1
    assert "the data is not that of the record" in capsys.readouterr().err


def test_diff_shows_the_ir(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = read_record(record)
    numbers = {
        tuple(name.split("{")[0] for name in line["path"]): str(number)
        for number, line in enumerate(lines, 1)
        if line["kind"] == "step"
    }
    first, second = numbers["insert-qdq",], numbers["insert-qdq", "correct-bias"]
    capsys.readouterr()
    assert main(["diff", str(record), first, second]) == 1
    shown = capsys.readouterr().out
    assert "+" in shown
    assert "bias_corrected" in shown
    assert main(["diff", str(record), first, first]) == 0
    assert capsys.readouterr().out == ""


def test_export_has_a_row_per_line(record: Path, tmp_path: Path) -> None:
    import csv

    output = tmp_path / "orders.csv"
    run(["export", str(record), "--kind", "order", "-o", str(output)])
    with output.open() as file:
        rows = list(csv.DictReader(file))
    orders = [line for line in read_record(record) if line["kind"] == "order"]
    assert [row["pipeline"] for row in rows] == [line["pipeline"] for line in orders]
    assert {row["metrics.sqnr_db"] for row in rows} >= {str(orders[0]["metrics"]["sqnr_db"])}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json\n", "not a line of JSON"),
        ("{}\n", "not a line of a record"),
        ('{"kind":"step","id":"a","run_id":"b"}\n', "no line of kind 'run'"),
    ],
)
def test_what_is_no_record_is_refused(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    assert main(["replay", str(path)]) == 1
    assert message in capsys.readouterr().err


def test_a_line_that_lacks_something_is_refused(record: Path, tmp_path: Path) -> None:
    lines = read_record(record)
    line = next(one for one in lines if one["kind"] == "pair")
    del line["before"]
    path = tmp_path / "lacking.jsonl"
    path.write_text("".join(map(text_of, lines)))
    with pytest.raises(OctetError, match="lacks or spoils"):
        Replayer(lines).replay(line)

"""Transfer, coresets, fronts and tables of rows, on made-up scores."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.cli.lab import main
from compiler.lab.experiments.coreset import coreset_rows, coverage, greedy_cover
from compiler.lab.experiments.pareto import pareto_rows
from compiler.lab.experiments.transfer import OTHERS, learned, transfers
from compiler.lab.front import undominated
from compiler.lab.objective import Objective
from compiler.lab.record import read_record, text_of
from compiler.lab.results import common_scores, tables_of
from dialects.errors import OctetError

A, B, C = ("cse",), ("dce",), ("canonicalize",)
SCORES = {
    A: {"m": 10.0, "n": 30.0, "o": 5.0},
    B: {"m": 9.0, "n": 40.0, "o": 5.0},
    C: {"m": float("-inf"), "n": 41.0, "o": 4.0},
}


def order_line(model: str, order: tuple[str, ...], number: int, **metrics: Any) -> dict[str, Any]:
    return {
        "kind": "order", "id": f"{model}{number}{order}", "run_id": model, "model": model,
        "experiment": "default" if number == 0 else "search:random:sqnr_db:0", "number": number,
        "path": list(order), "ir": "".join(order), "final": "".join(order), "semantic": "s",
        "status": "ok", "metrics": metrics,
    }  # fmt: skip


def test_regret_of_an_order_learned_elsewhere() -> None:
    found = {(t.learned_on, t.applied_to): t for t in transfers(SCORES, dict.fromkeys("mno", A))}
    assert all(found[model, model].regret == 0 for model in "mno")
    assert found["m", "n"].regret == 11.0
    assert found["n", "m"].regret == float("inf")
    assert found["n", "m"].row()["regret"] is None
    # On n and o, B loses 1 of 11 and nothing.
    assert found[OTHERS, "m"].order == B
    assert found[OTHERS, "m"].regret == 1.0
    assert found["m", "n"].default_regret == 11.0


def test_no_models_unit_outweighs_the_others() -> None:
    scores = {A: {"m": 1.0, "n": 0.0}, B: {"m": 0.0, "n": 0.1}, C: {"m": 0.9, "n": 0.09}}
    assert learned(scores, ["m", "n"]) == C


def test_coverage_is_relative_to_each_models_best() -> None:
    assert coverage(SCORES, 0.0) == {A: {"m", "o"}, B: {"o"}, C: {"n"}}
    assert coverage(SCORES, 0.1) == {A: {"m", "o"}, B: {"m", "n", "o"}, C: {"n"}}
    assert [row["adds"] for row in coreset_rows(SCORES, 0.0)] == [["m", "o"], ["n"]]
    assert [row["covered"] for row in coreset_rows(SCORES, 0.1)] == [3]


@given(st.lists(st.integers(0, 63), min_size=1, max_size=6))
def test_greedy_cover_against_brute_force(sets: list[int]) -> None:
    covers = {
        (str(index),): frozenset(model for bit, model in enumerate("abcdef") if mask >> bit & 1)
        for index, mask in enumerate(sets)
    }
    chosen = greedy_cover(covers)
    everything = frozenset().union(*covers.values())
    assert frozenset().union(*(covers[order] for order in chosen)) == everything
    fewest = next(
        size
        for size in range(len(covers) + 1)
        for some in itertools.combinations(covers.values(), size)
        if frozenset().union(*some) == everything
    )
    harmonic = sum(1 / k for k in range(1, max(map(len, covers.values())) + 1))
    assert fewest <= len(chosen) <= max(harmonic, 1) * fewest


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_the_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    values = {index: tuple(map(float, point)) for index, point in enumerate(points)}
    front = undominated(values)
    for index, one in values.items():
        beaten = any(
            other[0] >= one[0] and other[1] >= one[1] and other != one for other in values.values()
        )
        assert (index in front) != beaten


def test_rows_of_a_front() -> None:
    lines = [
        order_line("m", A, 0, latency_ns=10.0, sqnr_db=30.0),
        order_line("m", B, 1, latency_ns=12.0, sqnr_db=29.0),
        order_line("m", C, 2, latency_ns=20.0, sqnr_db=None),
    ]
    rows = pareto_rows(tables_of(lines)["m"], "sqnr_db")
    assert {row["program"]: (row["front"], row["default"]) for row in rows} == {
        "cse": (True, True), "dce": (False, False), "canonicalize": (True, False)
    }  # fmt: skip


def test_tables_refuse_records_that_disagree() -> None:
    lines = [order_line("m", A, 0, sqnr_db=1.0), order_line("m", A, 1, sqnr_db=2.0)]
    with pytest.raises(OctetError, match="two lines differ about cse"):
        tables_of(lines)
    with pytest.raises(OctetError, match="no evaluated orders"):
        tables_of([])
    del lines[0]["metrics"]
    with pytest.raises(OctetError, match="not a line about an order"):
        tables_of(lines)


def test_scores_are_of_orders_that_all_models_know() -> None:
    lines = [
        order_line("m", A, 0, sqnr_db=1.0),
        order_line("m", B, 1, sqnr_db=2.0),
        order_line("n", A, 0, sqnr_db=3.0),
    ]
    assert common_scores(tables_of(lines), Objective()) == {A: {"m": 1.0, "n": 3.0}}
    with pytest.raises(OctetError, match="no order was evaluated on all of m, n"):
        common_scores(tables_of(lines[1:]), Objective())


def test_commands_read_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "runs.jsonl"
    lines = [
        order_line(m, order, n, sqnr_db=SCORES[order][m], latency_ns=1e3 + n, int8_macs=1.0)
        for m in "no"
        for n, order in enumerate((A, B, C))
    ]
    record.write_text("".join(map(text_of, lines)))
    said: dict[str, str] = {}
    for command in ("transfer", "coreset", "pareto", "stats"):
        assert main([command, "--records", str(record)]) == 0
        said[command] = capsys.readouterr().out
        rows = (tmp_path / f"runs.{command}.jsonl").read_text().splitlines()
        table = (tmp_path / f"runs.{command}.csv").read_text().splitlines()
        assert rows
        assert len(table) == len(rows) + 1
    assert "without n: cse" in said["transfer"]
    assert "2 of 2" in said["coreset"]
    assert len(said["pareto"].splitlines()) == 7
    assert "95 %" in said["stats"]


def test_commands_run_models(model: Path, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "runs.jsonl"
    command = ["coreset", str(model), "--calibration-data", str(data), "--output", str(output),
               "--passes", "insert-qdq,propagate-qdq,squash-qdq", "--budget", "4"]  # fmt: skip
    assert main(command) == 0
    orders = [line for line in read_record(output) if line["kind"] == "order"]
    assert len(orders) == 6  # four, and the default twice
    assert main(command) == 0
    assert len([line for line in read_record(output) if line["kind"] == "order"]) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["transfer"], "nothing to look at"),
        (["pareto", "x.onnx"], "--output is missing"),
        (["transfer", "--records", "R"], "compares models"),
        (["stats", "--records", "R", "--budget", "0"], "--budget 0"),
        (["coreset", "--records", "R", "--epsilon", "-1"], "--epsilon -1"),
        (["stats", "--records", "R", "--require", "x"], "--require x"),
        (["pareto", "--records", "nowhere.jsonl"], "nowhere.jsonl"),
        (["figures", "R", "--output-dir", "D", "--only", "pie"], "--only pie"),
        (["figures", "R", "--output-dir", "R"], "--output-dir"),
        (["figures", "E", "--output-dir", "D"], "nothing to draw"),
        (["search", "x.onnx", "--output", "O", "--runs", "0"], "--runs 0"),
        (["ablate", "x.onnx", "--output", "O", "--share", "2"], "--share 2"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("R").write_text(text_of(order_line("m", A, 0, sqnr_db=1.0, latency_ns=1.0)))
    Path("E").write_text("")
    assert main(arguments) == 1
    assert message in capsys.readouterr().err.splitlines()[-1]

"""Pairs and searches: what they conclude follows from the programs."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.cli.lab import main, run
from compiler.lab.experiments.pairs import changes, contexts_of, influence, run_pairs
from compiler.lab.experiments.search import run_search
from compiler.lab.lab import Lab
from compiler.lab.record import Record, read_record
from compiler.lab.search import Arena, Objective, search_named
from compiler.lab.subject import SubjectRequest
from dialects.errors import OctetError

Requests = Callable[..., SubjectRequest]


def short(text: str) -> str:
    return text.split("{")[0]


@pytest.fixture
def lab(request_for: Requests) -> Lab:
    return Lab(request_for(), record=Record())


def test_the_order_of_a_pair_is_all_that_contexts_leave_open(lab: Lab) -> None:
    space = lab.space()
    a, b = lab.subject.sections.default[1:3]
    contexts = contexts_of(lab, space, a, b, 4, seed=0)
    assert contexts == contexts_of(lab, space, a, b, 4, seed=0)
    assert len(contexts) == len(set(contexts)) == 4
    for context in contexts:
        both = context.order(a, b), context.order(b, a)
        assert any(map(space.contains, both))
        assert set(both[0]) == set(both[1]) == set(lab.subject.sections.default)


def test_verdicts_on_pairs(lab: Lab) -> None:
    found = {(short(p.a), short(p.b)): p for p in run_pairs(lab).pairs}
    assert len(found) == 10
    # Biases are not corrected once ops work on integers.
    assert found["correct-bias", "quantize-ops"].verdict == "different"
    # Nothing to correct before there are casts: correct-bias does not apply.
    assert found["insert-qdq", "correct-bias"].verdict == "fails"
    assert found["insert-qdq", "correct-bias"].enables > 0
    assert found["propagate-qdq", "squash-qdq"].verdict == "equal-ir"
    for line in lab.record:
        if line["kind"] == "pair" and line["verdict"] == "equal-ir":
            assert line["ab"]["final"] == line["ba"]["final"]
        if line["kind"] == "pair" and line["verdict"] == "different":
            assert line["distance"] > line["epsilon"]
            assert line["ab"]["semantic"] != line["ba"]["semantic"]


def test_passes_are_idempotent(lab: Lab) -> None:
    for text, (same, contexts) in run_pairs(lab, contexts=2).idempotent.items():
        assert same == contexts > 0, text


def test_influence(lab: Lab) -> None:
    insert, correct = lab.subject.sections.default[:2]
    assert changes(lab, (), insert) is True
    assert changes(lab, (insert,), insert) is False
    assert influence(lab, (), insert, correct) == "enables"
    assert influence(lab, (), insert, insert) == "disables"
    assert influence(lab, (insert,), "dce", correct) == "neither"


def test_exhaustive_search_finds_the_best(lab: Lab) -> None:
    space = lab.space()
    found = run_search(lab, space, search_named("exhaustive"), Objective())
    assert len(found.outcomes) == space.count()
    assert found.best is not None
    assert found.best.metrics["sqnr_db"] == max(
        outcome.metrics["sqnr_db"] for outcome in found.outcomes
    )
    orders = [line for line in lab.record if line["kind"] == "order"]
    assert len(orders) == space.count() + 1


def test_random_search_keeps_to_its_budget_and_seed(request_for: Requests) -> None:
    def tried(seed: int, budget: int | None) -> list[tuple[str, ...]]:
        lab = Lab(request_for())
        found = run_search(
            lab, lab.space(), search_named("random"), Objective(), budget=budget, seed=seed
        )
        return [outcome.order for outcome in found.outcomes]

    assert tried(1, 5) == tried(1, 5) != tried(2, 5)
    assert len(set(tried(1, 5))) == 5
    assert tried(1, 9)[:5] == tried(1, 5)
    everything = Lab(request_for()).space()
    assert set(tried(1, None)) == set(everything.orders())


def test_an_arena_counts_an_order_once(lab: Lab) -> None:
    arena = Arena(lab, lab.space(), Objective(), 3, random.Random(0))
    orders = list(arena.space.orders())[:5]
    assert len(arena.evaluate([orders[0], orders[0]])) == 2
    assert arena.left == 2
    assert len(arena.evaluate(orders)) == 3
    assert arena.left == 0
    assert arena.best() is not None


def test_failures_score_below_everything(request_for: Requests) -> None:
    lab = Lab(request_for())
    objective = Objective("latency_ns")
    good, bad = lab.evaluate([lab.subject.sections.default, lab.subject.sections.default[::-1]])
    assert bad.status == "inapplicable"
    assert objective.score(bad) == float("-inf") < objective.score(good) < 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "divination"], "--method: expected one of exhaustive, random"),
        (["--objective", "beauty"], "--objective: expected one of"),
        (["--passes", "no-such"], "there is no pass 'no-such'"),
        (["--from", "nowhere"], "there is no stage 'nowhere'"),
        (["--after", "x"], "expected A:B"),
        (["--workers", "0"], "--workers: at least 1"),
        (["--calibration-data", "a", "--calibration-data", "b"], "once per model"),
        (["--scheduler", "tcp://127.0.0.1:1"], "cannot connect"),
    ],
)
def test_mistakes_are_one_line(
    model: Path,
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "--scheduler" in arguments:
        pytest.importorskip("distributed")
    code = main(["search", str(model), "--output", str(tmp_path / "r.jsonl"), *arguments])
    error = capsys.readouterr().err
    assert code == 1
    assert message in error.splitlines()[-1]


def test_ir_past_the_start_is_refused(model: Path, data: Path, tmp_path: Path) -> None:
    from compiler.driver import Compilation, CompileRequest

    compilation = Compilation(CompileRequest(model, str(data), stop_after="quantize"))
    compilation.run()
    late = tmp_path / "late.mlir"
    compilation.write(late)
    with pytest.raises(OctetError, match="'quantize'"):
        Lab(SubjectRequest(late, str(data)))


def test_ir_is_a_model_too(model: Path, data: Path, tmp_path: Path) -> None:
    from compiler.driver import Compilation, CompileRequest

    compilation = Compilation(CompileRequest(model, stop_after="simplify"))
    compilation.run()
    early = tmp_path / "early.mlir"
    compilation.write(early)
    default = [
        lab.evaluate([lab.subject.sections.default])[0]
        for lab in (Lab(SubjectRequest(path, str(data))) for path in (model, early))
    ]
    assert default[0].final == default[1].final


def test_only_programs_that_none_beats_are_timed(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "runs.jsonl"
    run(["search", str(model), "--calibration-data", str(data), "--ignore-contracts", "--time",
         "--passes", "insert-qdq,correct-bias,propagate-qdq", "--output", str(output)])  # fmt: skip
    lines = read_record(output)
    timed = {line["final"] for line in lines if line["kind"] == "timing"}
    found = {line["ir"]: line["metrics"] for line in lines if line["kind"] == "evaluation"}
    assert timed
    assert len(timed) < len(found)
    for ir in timed:
        assert not any(
            other["latency_ns"] < found[ir]["latency_ns"]
            and other["sqnr_db"] > found[ir]["sqnr_db"]
            for other in found.values()
        )
    (some, *_) = [line for line in lines if line["kind"] == "timing"]
    assert len(some["time"]["seconds"]) == some["rounds"]
    assert "median us" in capsys.readouterr().out
    assert main(["replay", str(output)]) == 0


def test_passes_prints_contracts(capsys: pytest.CaptureFixture[str]) -> None:
    run(["passes", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["insert-qdq"]["establishes"] == ["qdq-inserted"]
    assert said["correct-bias"]["reads_data"] is True
    run(["passes"])
    assert "insert-qdq" in capsys.readouterr().out
    run(["passes", "--facts"])
    assert "no-adjacent-dcast-qcast" in capsys.readouterr().out


def test_space_counts_and_lists(capsys: pytest.CaptureFixture[str]) -> None:
    run(["space", "--passes", "propagate-qdq,squash-qdq,dce"])
    assert "legal        6" in capsys.readouterr().out
    run(["space", "--passes", "propagate-qdq,squash-qdq,dce", "--after", "dce:squash-qdq",
         "--list"])  # fmt: skip
    listed = capsys.readouterr().out.splitlines()
    assert len(listed) == 3
    assert all(line.index("squash-qdq") < line.index("dce") for line in listed)
    run(["space", "--sample", "2", "--seed", "3"])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_every_public_name_is_there() -> None:
    import compiler.lab

    for name in compiler.lab.__all__:
        assert getattr(compiler.lab, name) is not None
    with pytest.raises(AttributeError):
        _ = compiler.lab.nothing

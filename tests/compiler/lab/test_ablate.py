"""Delta debugging finds what was planted, and explains a difference between two orders."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.cli.lab import main
from compiler.lab.experiments.ablate import differing_pairs, order_with, run_ablation
from compiler.lab.lab import Lab
from compiler.lab.minimize import ddmin
from compiler.lab.objective import Objective
from compiler.lab.record import read_record
from compiler.lab.subject import SubjectRequest
from dialects.errors import OctetError

Requests = Callable[..., SubjectRequest]


@given(st.integers(1, 40), st.data())
def test_a_planted_set_is_found(size: int, data: st.DataObject) -> None:
    planted = data.draw(st.sets(st.integers(0, size - 1)))
    asked: list[tuple[int, ...]] = []

    def shows(part: tuple[int, ...]) -> bool:
        asked.append(part)
        return planted.issubset(part)

    assert ddmin(range(size), shows) == tuple(sorted(planted))
    assert len(asked) == len(set(asked))


@given(st.sets(st.frozensets(st.integers(0, 7)), min_size=1))
def test_nothing_smaller_by_one_shows(causes: set[frozenset[int]]) -> None:
    def shows(part: tuple[int, ...]) -> bool:
        return any(cause.issubset(part) for cause in causes) or len(part) == 8

    found = ddmin(range(8), shows)
    assert shows(found)
    assert not any(shows(found[:i] + found[i + 1 :]) for i in range(len(found)))


def test_what_never_shows_is_refused() -> None:
    with pytest.raises(ValueError, match="does not show"):
        ddmin(range(3), lambda part: False)


orders = st.permutations("abcdef").map(tuple)


@given(orders, orders, st.data())
def test_orders_between_two_orders(
    base: tuple[str, ...], other: tuple[str, ...], data: st.DataObject
) -> None:
    pairs = differing_pairs(base, other)
    assert order_with(base, other, ()) == base
    assert order_with(base, other, pairs) == other
    some = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    between = order_with(base, other, some)
    place = {text: index for index, text in enumerate(between)}
    assert all(place[a] < place[b] for a, b in some)
    for a, b in itertools.combinations(base, 2):
        if (b, a) not in pairs:  # both orders agree
            assert place[a] < place[b]


def test_only_orders_of_the_same_passes_are_compared() -> None:
    with pytest.raises(OctetError, match="differ in dce"):
        differing_pairs(("cse",), ("cse", "dce"))
    with pytest.raises(OctetError, match="differ in cse"):
        differing_pairs(("cse", "cse"), ("cse", "cse"))


def test_the_pair_that_matters_is_found(request_for: Requests) -> None:
    lab = Lab(request_for())
    insert, correct, propagate, squash, quantize = lab.subject.sections.default
    other = (insert, squash, propagate, quantize, correct)
    found = run_ablation(lab, lab.subject.sections.default, other, Objective())
    assert found.critical == ((quantize, correct),)
    assert found.minimal.metrics["sqnr_db"] == pytest.approx(found.other.metrics["sqnr_db"])
    assert found.tried <= 2 ** len(found.differing)
    same = (insert, correct, squash, propagate, quantize)
    with pytest.raises(OctetError, match="nothing to explain"):
        run_ablation(lab, lab.subject.sections.default, same, Objective())
    with pytest.raises(OctetError, match="requires"):
        run_ablation(lab, lab.subject.sections.default, (correct, *other[:-1]), Objective())


def test_the_command(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "runs.jsonl"
    passes = "insert-qdq,correct-bias{samples=8},propagate-qdq,quantize-ops"
    command = ["ablate", str(model), "--calibration-data", str(data), "--output", str(output),
               "--passes", passes]  # fmt: skip
    assert main(command) == 1
    assert "`octet-lab search`" in capsys.readouterr().err
    assert main([*command, "--order", "insert-qdq,propagate-qdq,quantize-ops,correct-bias"]) == 0
    assert "quantize-ops before correct-bias" in capsys.readouterr().out
    (line,) = [one for one in read_record(output) if one["kind"] == "ablation"]
    assert len(line["critical"]) == 1
    assert (tmp_path / "runs.ablate.csv").read_text().startswith("kind,id")
    assert main(["replay", str(output)]) == 0

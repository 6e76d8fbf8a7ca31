"""Objectives: a metric and conditions on others."""

from __future__ import annotations

import pytest

from compiler.lab.lab import Outcome
from compiler.lab.objective import Condition, Objective
from dialects.errors import OctetError


def outcome(sqnr: float | None, share: float) -> Outcome:
    return Outcome((), "ok", metrics={"sqnr_db": sqnr, "int8_macs": share})


def test_what_misses_a_condition_is_worse_than_what_meets_it() -> None:
    objective = Objective("sqnr_db", (Condition.of("int8_macs >= 0.9"),))
    good, better = outcome(-50.0, 0.9), outcome(20.0, 1.0)
    near, far, exact = outcome(60.0, 0.8), outcome(60.0, 0.1), outcome(None, 0.0)
    failed = Outcome((), "crash")
    scores = [objective.score(one) for one in (better, good, near, far, exact, failed)]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)
    assert [objective.meets(one) for one in (good, near, exact, failed)] == [True] + [False] * 3


def test_without_a_condition_no_noise_is_best() -> None:
    assert Objective().score(outcome(None, 0.0)) == float("inf")
    assert Objective().admits(outcome(None, 0.0))
    assert not Objective().meets(outcome(None, 0.0))


def test_an_upper_bound() -> None:
    objective = Objective("sqnr_db", (Condition.of("int8_macs<=0.5"),))
    assert objective.meets(outcome(20.0, 0.5))
    assert not objective.meets(outcome(20.0, 0.6))
    assert str(objective) == "sqnr_db,int8_macs<=0.5"


@pytest.mark.parametrize("text", ["int8_macs", "int8_macs>0.9", "beauty>=1", "accuracy>=x",
                                  "accuracy>=nan"])  # fmt: skip
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(OctetError, match="--require"):
        Condition.of(text)

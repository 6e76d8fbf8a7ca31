"""The audit finds passes that do not do as they say, and shows each on a minimal program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp
from xdsl.rewriter import InsertPoint, Rewriter

import compiler.lab.audit as auditing
from compiler.cli.lab import main
from compiler.lab.audit import Auditor, run_audit
from compiler.lab.contracts import contract_of
from compiler.lab.reduce import reduced, sliced
from compiler.lab.subject import Subject, SubjectRequest
from compiler.verification import verify_structure
from dialects.context import OctetContext
from dialects.nn.constant import ConstantOp
from dialects.program import body_of, main_function, nn_ops, placeable_ops
from passes.base import Numerics, OctetPass
from passes.facts import (
    FACTS,
    NO_UNUSED_OPS,
    OPS_NUMBERED,
    PRECISION_PLACED,
    RANGES_KNOWN,
    facts_of,
)


@pytest.fixture(scope="module")
def subject(model: Any, data: Any) -> Subject:
    return Subject.open(SubjectRequest(model, str(data)))


@dataclass(frozen=True)
class Forgets(OctetPass):
    """Drops the ranges of the pools, and does not say so."""

    name = "forgets"

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        for op in placeable_ops(module):
            if op.mnemonic == "reduce_mean":
                op.range = None


@dataclass(frozen=True)
class Boasts(OctetPass):
    """Establishes nothing that it says."""

    name = "boasts"
    ESTABLISHES: ClassVar = frozenset({NO_UNUSED_OPS})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        first = next(iter(body_of(main_function(module)).ops))
        constant = ConstantOp.of(np.ones(20, np.float32), ctx.weights)
        Rewriter.insert_op(constant, InsertPoint.before(first))


@dataclass(frozen=True)
class Lies(OctetPass):
    """Takes activations away and calls it rounding."""

    name = "lies"
    NUMERICS: ClassVar = Numerics.ROUNDING

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        for op in nn_ops(module):
            op.properties.pop("activation", None)


@dataclass(frozen=True)
class Peeks(OctetPass):
    """Reads data and does not say so."""

    name = "peeks"

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        assert ctx.calibration_data is not None
        next(iter(ctx.calibration_data()))


@dataclass(frozen=True)
class Honest(OctetPass):
    """Drops ranges and says so."""

    name = "honest"
    INVALIDATES: ClassVar = frozenset({RANGES_KNOWN})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        Forgets().run(ctx, module)


@pytest.fixture
def check(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Auditor]:
    """Audits one pass on the subject's program."""

    def run(one: OctetPass) -> Auditor:
        monkeypatch.setattr(auditing, "pass_of_text", lambda _text: one)
        auditor = Auditor(subject)
        auditor.check(subject.module, one.name, ())
        return auditor

    return run


@pytest.mark.parametrize(
    ("one", "kinds", "fact"),
    [
        (Forgets(), {"lost"}, "ranges-known"),
        (Boasts(), {"not-established", "unstable"}, "no-unused-ops"),
        (Lies(), {"numerics"}, ""),
        (Peeks(), {"reads-data"}, ""),
    ],
)
def test_a_false_declaration_is_found_and_reduced(
    check: Callable[..., Auditor], subject: Subject, one: OctetPass, kinds: set[str], fact: str
) -> None:
    report = check(one).report
    assert {found.kind for found in report.disagreements} == kinds
    assert fact in {found.fact for found in report.disagreements}
    for found in report.disagreements:
        # A weight, a bias, the op, and the function around them.
        assert len(found.ir.splitlines()) <= 9, found.ir
    assert len(str(subject.module).splitlines()) > 12


def test_a_true_declaration_is_not(check: Callable[..., Auditor]) -> None:
    auditor = check(Honest())
    assert auditor.report.disagreements == []
    assert auditor.report.invalidated["honest", "ranges-known"] == 1


def test_octets_own_passes_do_as_they_say(subject: Subject) -> None:
    report = run_audit(subject, orders=3, walks=6, seed=5)
    assert [(one.name, one.kind, one.fact) for one in report.disagreements] == []
    assert report.steps > 100


def test_the_command_fails_if_something_disagrees(
    model: Any, data: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["audit", str(model), "--calibration-data", str(data), "--orders", "0"]
    arguments += ["--walks", "0", "--no-numerics"]
    assert main(arguments) == 0
    assert "0 disagreements" in capsys.readouterr().out
    honest = auditing.contract_of

    def dishonest(one: Any) -> Any:
        from dataclasses import replace

        promised = frozenset({OPS_NUMBERED}) if one.name == "cse" else frozenset()
        found = honest(one)
        return replace(found, establishes=found.establishes | promised)

    monkeypatch.setattr(auditing, "contract_of", dishonest)
    assert main(arguments) == 1
    shown = capsys.readouterr()
    assert "cse: declares to establish a fact" in shown.out
    assert "func.func" in shown.out
    assert "1 declarations do not agree" in shown.err


# --- reducing -----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_slice_is_a_program(data: st.DataObject) -> None:
    module = _PROGRAM[0]
    ops = [op for op in body_of(main_function(module)).ops if op.name != "func.return"]
    kept = [op for op in ops if data.draw(st.booleans())]
    small = sliced(module, kept)
    verify_structure(small)
    left = [op.name for op in body_of(main_function(small)).ops]
    assert left == [*(op.name for op in kept), "func.return"]


_PROGRAM: list[ModuleOp] = []


@pytest.fixture(autouse=True)
def _program(subject: Subject) -> None:
    _PROGRAM[:] = [subject.module]


def test_what_is_left_is_needed(subject: Subject) -> None:
    def two_convolutions(module: ModuleOp) -> bool:
        return sum(op.name == "nn.conv" for op in module.walk()) >= 2

    small = reduced(subject.module, two_convolutions)
    assert [op.name for op in body_of(main_function(small)).ops] == [
        "nn.conv", "nn.conv", "func.return",
    ]  # fmt: skip


def test_what_holds_nowhere_stays(subject: Subject) -> None:
    assert reduced(subject.module, lambda _module: False) is subject.module


# --- facts --------------------------------------------------------------------------------------


def test_facts_have_names_and_meanings() -> None:
    assert len({fact.name for fact in FACTS}) == len(FACTS)
    assert all(fact.meaning for fact in FACTS)


def test_facts_hold_where_they_should(subject: Subject) -> None:
    assert {PRECISION_PLACED, OPS_NUMBERED, RANGES_KNOWN} <= facts_of(subject.module)
    assert not {PRECISION_PLACED, OPS_NUMBERED, RANGES_KNOWN} & facts_of(subject.imported)


def test_contracts_say_nothing_contradictory() -> None:
    from compiler.lab.contracts import contracts

    for name, contract in contracts().items():
        assert not contract.establishes & contract.invalidates, name


def test_an_unknown_pass_promises_nothing() -> None:
    from compiler.pipeline import available_passes

    assert contract_of(available_passes()["lower-affine"]()).establishes == frozenset()

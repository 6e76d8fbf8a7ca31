"""Checks what passes declare against what they do.

Programs come from the model: the default pipeline is walked from import to the end, then legal
orders of the reordered passes, then walks by chance through everything that contracts allow, so
that passes meet programs that no pipeline would show them. Before and after each pass all facts are
looked at, and what it promises about results is checked by running the program. Every disagreement
is reported once per pass and kind, with the smallest program found that shows it. A program that is
refused with an error for the user disagrees with nothing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, cast

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import DiagnosticException, VerifyException

from compiler.instrumentation.numeric import difference, random_inputs, run_module
from compiler.lab.contracts import Facts, contract_of
from compiler.lab.engine import pass_of_text
from compiler.lab.reduce import reduced
from compiler.lab.space import Order, Space
from compiler.lab.subject import Subject
from compiler.pipeline import first_line
from compiler.verification import verify_structure
from dialects.context import Feed, OctetContext
from dialects.errors import OctetError
from dialects.program import input_names, main_function
from passes.facts import Fact, facts_of
from runtime.artifact import program_text

Kind = Literal["not-established", "lost", "numerics", "reads-data", "invalid", "crash", "unstable"]
MEANINGS: dict[Kind, str] = {
    "not-established": "declares to establish a fact that does not hold afterwards",
    "lost": "a fact that held does not hold afterwards, and it does not declare to invalidate it",
    "numerics": "changes results by more than it promises",
    "reads-data": "reads calibration data and does not declare it",
    "invalid": "leaves IR that does not verify",
    "crash": "fails with an internal error",
    "unstable": "changes its own output when it runs again",
}
WALK_LENGTH = 12
"""Passes of a walk by chance."""


@dataclass(frozen=True)
class Disagreement:
    """A pass that does not do as it says. `ir` is the program before the pass that shows it."""

    text: str
    kind: Kind
    fact: str
    detail: str
    path: Order
    ir: str

    @property
    def name(self) -> str:
        return self.text.split("{")[0]


@dataclass
class Report:
    """What an audit found. `invalidated` counts facts that were seen to be lost as declared."""

    steps: int = 0
    disagreements: list[Disagreement] = field(default_factory=list[Disagreement])
    invalidated: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])


@dataclass(frozen=True)
class _Finding:
    kind: Kind
    fact: Fact | None = None
    detail: str = ""


class Auditor:
    """Runs passes on programs of one subject and compares."""

    def __init__(self, subject: Subject, *, numeric: bool = True) -> None:
        self.subject = subject
        self.numeric = numeric
        self.report = Report()
        self._seen: set[tuple[str, Kind, Fact | None]] = set()

    def walk(self, module: ModuleOp, order: Order) -> None:
        """Checks every pass of an order in turn; ends where one cannot go on."""
        for position, text in enumerate(order):
            after = self.check(module, text, order[:position])
            if after is None:
                return
            module = after

    def walk_by_chance(self, module: ModuleOp, texts: Order, source: random.Random) -> None:
        """Checks passes drawn from those that contracts allow."""
        path: Order = ()
        for _ in range(WALK_LENGTH):
            facts = facts_of(module)
            legal = [text for text in texts if not contract_of(pass_of_text(text)).missing(facts)]
            if not legal:
                return
            text = source.choice(legal)
            after = self.check(module, text, path)
            if after is None:
                return
            module, path = after, (*path, text)

    def check(self, module: ModuleOp, text: str, path: Order) -> ModuleOp | None:
        """Runs a pass, notes what disagrees, and gives the program after it."""
        one = pass_of_text(text)
        facts = facts_of(module)
        if contract_of(one).missing(facts):
            return None
        self.report.steps += 1
        after, findings = self._run(module, one)
        for finding in findings:
            key = (one.name, finding.kind, finding.fact)
            if key not in self._seen:
                self._seen.add(key)
                self._note(module, one, text, path, finding)
        if after is not None:
            held = facts_of(after)
            for fact in contract_of(one).invalidates & facts - held:
                self.report.invalidated[one.name, fact.name] += 1
        return after

    def _note(
        self, module: ModuleOp, one: ModulePass, text: str, path: Order, finding: _Finding
    ) -> None:
        def shows(candidate: ModuleOp) -> bool:
            if contract_of(one).missing(facts_of(candidate)):
                return False
            _, findings = self._run(candidate, one)
            return any((f.kind, f.fact) == (finding.kind, finding.fact) for f in findings)

        self.report.disagreements.append(
            Disagreement(
                text,
                finding.kind,
                "" if finding.fact is None else finding.fact.name,
                finding.detail,
                path,
                program_text(reduced(module, shows)),
            )
        )

    # --- one pass -------------------------------------------------------------------------------

    def _run(self, module: ModuleOp, one: ModulePass) -> tuple[ModuleOp | None, list[_Finding]]:
        contract, facts = contract_of(one), facts_of(module)
        ctx, reads = self._context(module)
        after = cast(ModuleOp, module.clone())
        try:
            one.apply(ctx, after)
            verify_structure(after)
        except OctetError:
            return None, []  # it refuses, and says why
        except VerifyException as error:
            return None, [_Finding("invalid", detail=first_line(error))]
        except DiagnosticException as error:
            return None, [_Finding("crash", detail=first_line(error))]
        except Exception as error:
            detail = f"{type(error).__name__}: {first_line(error)}"
            return None, [_Finding("crash", detail=detail)]
        held = facts_of(after)
        findings = list(_broken_facts(contract.establishes, contract.invalidates, facts, held))
        if reads and not contract.reads_data:
            findings.append(_Finding("reads-data"))
        if self.numeric and (problem := self._changed(module, after, one)):
            findings.append(_Finding("numerics", detail=problem))
        if problem := self._unstable(after, one):
            findings.append(_Finding("unstable", detail=problem))
        return after, findings

    def _unstable(self, after: ModuleOp, one: ModulePass) -> str | None:
        if contract_of(one).missing(facts_of(after)):
            return None
        again = cast(ModuleOp, after.clone())
        try:
            one.apply(self._context(after)[0], again)
        except OctetError:
            return None
        except Exception as error:
            return f"{type(error).__name__}: {first_line(error)}"
        return None if program_text(again) == program_text(after) else "a second run changes more"

    def _changed(self, before: ModuleOp, after: ModuleOp, one: ModulePass) -> str | None:
        if program_text(before) == program_text(after):
            return None
        feed = random_inputs(before) if self._is_slice(before) else dict(self.subject.probes[0])
        try:
            expected = run_module(self.subject.ctx, before, feed)
        except Exception:
            return None  # a program in an intermediate form that nothing can run
        try:
            actual = run_module(self.subject.ctx, after, feed)
        except OctetError:
            return None
        except Exception as error:
            return f"the program does not run: {type(error).__name__}: {first_line(error)}"
        return difference(expected, actual, contract_of(one).numerics)

    def _is_slice(self, module: ModuleOp) -> bool:
        """Not the subject's own program: its inputs are others."""
        ours, theirs = (input_names(main_function(m)) for m in (module, self.subject.module))
        return ours != theirs

    def _context(self, module: ModuleOp) -> tuple[OctetContext, list[bool]]:
        """A context, and a list that is not empty once somebody has read calibration data."""
        ctx = self.subject.ctx.clone()
        ctx.statistics = Counter()
        reads: list[bool] = []
        given: Callable[[], object] = ctx.calibration_data or (lambda: ())
        feeds = [random_inputs(module)] if self._is_slice(module) else given()

        def data() -> list[Feed]:
            reads.append(True)
            return cast(list[Feed], feeds)

        ctx.calibration_data = data
        return ctx, reads


def _broken_facts(
    establishes: Facts, invalidates: Facts, before: Facts, after: Facts
) -> Iterator[_Finding]:
    for fact in sorted(establishes - after, key=str):
        yield _Finding("not-established", fact, fact.meaning)
    for fact in sorted(before - after - invalidates - establishes, key=str):
        yield _Finding("lost", fact, fact.meaning)


def run_audit(
    subject: Subject, *, orders: int = 8, walks: int = 8, seed: int = 0, numeric: bool = True
) -> Report:
    """Audits all passes that pipelines of the subject reach."""
    auditor = Auditor(subject, numeric=numeric)
    source = random.Random(f"audit:{seed}:{subject.request.name}")
    cut = subject.sections
    imported = subject.imported
    auditor.walk(imported, (*cut.head, *cut.default, *cut.tail))
    space = Space.of(cut.passes, subject.facts, anchors=subject.request.anchors, tail=cut.tail)
    for _ in range(orders if space.count() else 0):
        auditor.walk(subject.module, (*space.random_order(source), *cut.tail))
    texts = tuple(dict.fromkeys((*cut.head, *cut.default, *cut.tail)))
    for number in range(walks):
        start = imported if number % 2 else subject.module
        auditor.walk_by_chance(start, texts, source)
    return auditor.report

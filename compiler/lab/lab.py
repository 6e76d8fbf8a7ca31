"""The lab of one subject: orders in, outcomes out, and everything shared on the way.

Orders are walked a pass at a time, all together. A program is known by its hash, so what one order
has made of the subject, every other order that comes to the same program shares: a step is taken
once for each (hash of the program, text of the pass, digest of the data if it reads them), and each
distinct final program is evaluated once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from compiler.lab.contracts import Facts, contract_of
from compiler.lab.engine import Engine, Evaluation, Rules, Status, Step, pass_of_text
from compiler.lab.failures import Failures
from compiler.lab.lines import evaluation_line, evaluation_of, run_line, step_line, step_of
from compiler.lab.progress import Watcher
from compiler.lab.provenance import ENVIRONMENT, digest_of, provenance
from compiler.lab.record import Record
from compiler.lab.space import Order, Space
from compiler.lab.subject import Subject, SubjectRequest
from compiler.lab.workers import Bench, InProcess, Task, Workers, install


class Key(NamedTuple):
    """What the result of a step depends on."""

    ir: str
    text: str
    data: str


@dataclass(frozen=True)
class Outcome:
    """What became of an order.

    `ir` is the hash of the program after the order, `final` after the tail; `failed` is the pass
    that went wrong, if one did.
    """

    order: Order
    status: Status
    ir: str | None = None
    final: str | None = None
    semantic: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    failed: str = ""
    error: str = ""

    @property
    def pipeline(self) -> str:
        return ",".join(self.order)


@dataclass
class Counts:
    """How much was asked for, and how much had to be done."""

    orders: int = 0
    steps: int = 0
    """Passes of all orders, tails included."""
    taken: int = 0
    """Steps that were really taken, now or in an earlier run that this one resumes."""
    evaluated: int = 0


class Lab:
    """Evaluates orders of passes on one subject.

    Parameters
    - request: the subject.
    - rules: how steps are judged.
    - workers: where steps run; this process by default.
    - record: where lines are kept; in memory by default.
    - failures: where reproducers are written; nowhere by default.
    - watcher: is told about progress.
    """

    def __init__(
        self,
        request: SubjectRequest,
        rules: Rules | None = None,
        *,
        workers: Workers | None = None,
        record: Record | None = None,
        failures: Failures | None = None,
        watcher: Watcher | None = None,
    ) -> None:
        self.request, self.rules = request, rules or Rules()
        self.workers = workers or InProcess()
        self.record = Record() if record is None else record
        self.failures = failures
        self.watcher = watcher or Watcher()
        self.engine = Engine(Subject.open(request), self.rules)
        self.subject = self.engine.subject
        self.bench = Bench.of(self.subject, self.rules)
        install(self.bench, self.engine)
        self.run = provenance(self.subject, self.rules)
        self.run_id = digest_of(self.run)
        self.environment = {name: self.run[name] for name in ENVIRONMENT}
        self.record.add(run_line(self))
        self.counts = Counts()
        self._data_of: dict[str, str] = {}
        self.paths: dict[str, Order] = {self.subject.root: ()}
        """The passes that first led to each program, by its hash."""
        self.steps: dict[Key, Step] = {}
        self.evaluations: dict[str, Evaluation] = {}

    @property
    def facts(self) -> Facts:
        """What holds of the subject where orders begin."""
        return self.subject.facts

    @property
    def tail(self) -> Order:
        return self.subject.sections.tail

    def space(self, **more: Any) -> Space:
        """The space of the subject's passes, legal by contracts; see `Space`."""
        given = {"start": self.facts, "anchors": self.request.anchors, "tail": self.tail, **more}
        return Space.of(self.subject.sections.passes, **given)

    # --- walking --------------------------------------------------------------------------------

    def evaluate(self, orders: Iterable[Order], *, tail: bool = True) -> list[Outcome]:
        """The outcomes of orders, in their order. Without `tail` they end where the order does and
        nothing is measured."""
        wanted = list(orders)
        full = [(*order, *self.tail) if tail else order for order in wanted]
        self.counts.orders += len(wanted)
        self.counts.steps += sum(map(len, full))
        self.walk(full)
        ends = [self.follow(path) for path in full]
        if tail:
            self._evaluate([ir for ir, failed, _ in ends if not failed and ir is not None])
        return [self._outcome(order, end, tail) for order, end in zip(wanted, ends, strict=True)]

    def walk(self, paths: Sequence[Order]) -> None:
        """Takes every step of `paths` that was not taken yet."""
        position = dict.fromkeys(dict.fromkeys(paths), self.subject.root)
        depth = 0
        while position:
            self._take([(ir, path[depth]) for path, ir in position.items() if depth < len(path)])
            position = {
                path: step.ir_out
                for path, ir in position.items()
                if depth < len(path)
                and (step := self.steps[self.key(ir, path[depth])]).ir_out is not None
            }
            depth += 1

    def follow(self, path: Order) -> tuple[str | None, str, Step | None]:
        """Where a path that was walked leads: the hash of its program, or the pass that failed
        and its step."""
        ir = self.subject.root
        for text in path:
            step = self.steps[self.key(ir, text)]
            if step.ir_out is None:
                return None, text, step
            ir = step.ir_out
        return ir, "", None

    def follow_or_walk(self, path: Order) -> tuple[str | None, str, Step | None]:
        """As `follow`, for any path."""
        self.walk([path])
        return self.follow(path)

    def step(self, ir: str, text: str) -> Step:
        """What a pass did to a program, after `walk`."""
        return self.steps[self.key(ir, text)]

    def key(self, ir: str, text: str) -> Key:
        if text not in self._data_of:
            reads = contract_of(pass_of_text(text)).reads_data
            self._data_of[text] = self.subject.digests["data"] if reads else ""
        return Key(ir, text, self._data_of[text])

    def _take(self, wanted: Sequence[tuple[str, str]]) -> None:
        """Takes steps (program, pass), those from one program together."""
        missing: dict[str, list[str]] = {}
        for ir, text in dict.fromkeys(wanted):
            key = self.key(ir, text)
            if key in self.steps:
                continue
            recalled = step_of(self, self.paths[ir], text)
            if recalled is None:
                missing.setdefault(ir, []).append(text)
            else:
                self._learn(key, recalled, record=False)
        tasks = [Task(self.paths[ir], tuple(texts)) for ir, texts in missing.items()]
        self.watcher.begin("passes", sum(len(task.texts) for task in tasks))
        replies = self.workers.run(self.bench, tasks)
        for (ir, texts), reply in zip(missing.items(), replies, strict=True):
            for text, step in zip(texts, reply.steps, strict=True):
                self._learn(self.key(ir, text), step)
                self.watcher.advance()

    def _learn(self, key: Key, step: Step, *, record: bool = True) -> None:
        path = self.paths[key.ir]
        if record:
            reproducer = "" if self.failures is None else self.failures.write(self, path, key, step)
            self.record.add(step_line(self, path, key, step, reproducer))
        self.steps[key] = step
        self.counts.taken += 1
        if step.ir_out is not None:
            self.paths.setdefault(step.ir_out, (*path, key.text))

    # --- evaluating -----------------------------------------------------------------------------

    def _evaluate(self, finals: Sequence[str]) -> None:
        missing: list[str] = []
        for ir in dict.fromkeys(finals):
            if ir in self.evaluations:
                continue
            recalled = evaluation_of(self, self.paths[ir])
            if recalled is None:
                missing.append(ir)
            else:
                self.evaluations[ir] = recalled
                self.counts.evaluated += 1
        self.watcher.begin("programs", len(missing))
        tasks = [Task(self.paths[ir], evaluate=True) for ir in missing]
        replies = self.workers.run(self.bench, tasks)
        for ir, reply in zip(missing, replies, strict=True):
            assert reply.evaluation is not None
            self.evaluations[ir] = reply.evaluation
            self.record.add(evaluation_line(self, self.paths[ir], ir, reply.evaluation))
            self.counts.evaluated += 1
            self.watcher.advance()

    def _outcome(
        self, order: Order, end: tuple[str | None, str, Step | None], tail: bool
    ) -> Outcome:
        final, failed, step = end
        ir, _, _ = self.follow(order)
        if step is not None:
            return Outcome(order, step.status, ir, failed=failed, error=step.error)
        if not tail:
            return Outcome(order, "ok", ir)
        assert final is not None
        found = self.evaluations[final]
        return Outcome(
            order, found.status, ir, final, found.semantic, found.metrics, error=found.error
        )

"""Experiment `pairs`: does the order of two passes matter, and does one help the other.

For passes a and b, *contexts* are legal orders in which they stand side by side. In each context
only these two are exchanged, so that whatever differs is theirs. The first contexts are the default
order with one moved next to the other; the rest are drawn, the same for the same seed.

- *Commutation*: what the two orders come to (`compiler.lab.experiments.comparison`); `same_after`
  says that the programs are equal right behind the pair already.
- *Enabling*: b changes the program after a, and before a it would not; *disabling*: the reverse. A
  pass that is inapplicable changes nothing.
- *Idempotence*: a second a changes nothing.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from compiler.lab.experiments.comparison import (
    EPSILON,
    VERDICTS,
    Verdict,
    compared,
    distance,
)
from compiler.lab.lab import Lab
from compiler.lab.lines import identity, now, outcome_summary
from compiler.lab.record import Line
from compiler.lab.space import Order, Space

TRIES = 64
"""Orders drawn for a context before it is given up."""


@dataclass(frozen=True)
class Context:
    """Passes before a pair and after it."""

    before: Order
    after: Order

    def order(self, *pair: str) -> Order:
        return (*self.before, *pair, *self.after)


@dataclass(frozen=True)
class Pair:
    """Two passes, as texts, and the contexts they are exchanged in."""

    a: str
    b: str
    contexts: tuple[Context, ...]


@dataclass(frozen=True)
class PairResult:
    """How often each verdict was reached over the contexts, and what one pass does to the other."""

    a: str
    b: str
    verdicts: Counter[Verdict]
    enables: int
    disables: int
    enabled_by: int
    disabled_by: int

    @property
    def verdict(self) -> Verdict:
        """The least alike of the verdicts; `fails` without a context."""
        reached: list[Verdict] = [verdict for verdict in VERDICTS if self.verdicts[verdict]]
        return reached[-1] if reached else "fails"


@dataclass(frozen=True)
class PairsResult:
    pairs: list[PairResult]
    idempotent: dict[str, tuple[int, int]]
    """For each pass: contexts where a second run changed nothing, and all contexts."""


def run_pairs(
    lab: Lab, *, contexts: int = 4, seed: int = 0, epsilon: float = EPSILON
) -> PairsResult:
    """Runs the experiment on the passes of the lab's subject; adds lines to its record."""
    space = lab.space()
    texts = lab.subject.sections.default
    pairs = [
        Pair(a, b, contexts_of(lab, space, a, b, contexts, seed))
        for index, a in enumerate(texts)
        for b in texts[index + 1 :]
    ]
    # One walk for all: steps are shared, and workers stay busy.
    lab.evaluate(
        context.order(*both)
        for pair in pairs
        for context in pair.contexts
        for both in ((pair.a, pair.b), (pair.b, pair.a))
    )
    results = [_pair(lab, pair, epsilon) for pair in pairs]
    return PairsResult(results, _idempotence(lab, pairs))


def contexts_of(
    lab: Lab, space: Space, a: str, b: str, count: int, seed: int
) -> tuple[Context, ...]:
    """Contexts in which a before b, or b before a, is legal; at most `count`."""
    default = lab.subject.sections.default
    found: dict[Context, None] = {}
    for first, second in ((a, b), (b, a)):
        found.update(_adjacent(space, default, first, second))
    source = random.Random(f"pairs:{seed}:{lab.request.name}:{a}:{b}")
    if space.count():
        for _ in range(TRIES * count):
            if len(found) >= count:
                break
            order = space.random_order(source)
            first, second = (a, b) if source.random() < 0.5 else (b, a)
            found.update(_adjacent(space, order, first, second))
    return tuple(found)[:count]


def _adjacent(space: Space, order: Order, first: str, second: str) -> dict[Context, None]:
    """`order` with `second` moved next to `first`, as a context, if one of both ways is legal."""
    if first not in order or second not in order:
        return {}
    rest = [text for text in order if text != second]
    position = rest.index(first)
    context = Context(tuple(rest[:position]), tuple(rest[position + 1 :]))
    legal = any(space.contains(context.order(*two)) for two in ((first, second), (second, first)))
    return {context: None} if legal else {}


def _pair(lab: Lab, pair: Pair, epsilon: float) -> PairResult:
    verdicts: Counter[Verdict] = Counter()
    enables = disables = enabled_by = disabled_by = 0
    for number, context in enumerate(pair.contexts):
        line = pair_line(lab, pair.a, pair.b, context, number, epsilon)
        lab.record.add(line)
        verdicts[line["verdict"]] += 1
        enables += line["a_to_b"] == "enables"
        disables += line["a_to_b"] == "disables"
        enabled_by += line["b_to_a"] == "enables"
        disabled_by += line["b_to_a"] == "disables"
    return PairResult(pair.a, pair.b, verdicts, enables, disables, enabled_by, disabled_by)


def pair_line(lab: Lab, a: str, b: str, context: Context, number: int, epsilon: float) -> Line:
    """What exchanging a and b in one context comes to."""
    left, right = lab.evaluate([context.order(a, b), context.order(b, a)])
    after = [lab.follow((*context.before, *two))[0] for two in ((a, b), (b, a))]
    verdict = compared(lab, left, right, epsilon)
    apart = verdict in ("within-epsilon", "different")
    return {
        "kind": "pair",
        "id": identity("pair", lab.run_id, a, b, str(number), str(epsilon), *context.order(a, b)),
        "run_id": lab.run_id,
        "model": lab.request.name,
        "a": a,
        "b": b,
        "context": number,
        "before": list(context.before),
        "after": list(context.after),
        "epsilon": epsilon,
        "verdict": verdict,
        "same_after": after[0] is not None and after[0] == after[1],
        "distance": distance(lab, left, right) if apart else None,
        "a_to_b": influence(lab, context.before, a, b),
        "b_to_a": influence(lab, context.before, b, a),
        "ab": outcome_summary(left),
        "ba": outcome_summary(right),
        "time": {"at": now()},
    }  # fmt: skip


def influence(lab: Lab, before: Order, first: str, second: str) -> str:
    """Whether `first` enables or disables `second` behind `before`, or neither."""
    alone = changes(lab, before, second)
    together = changes(lab, (*before, first), second)
    if alone is None or together is None or alone == together:
        return "neither"
    return "enables" if together else "disables"


def changes(lab: Lab, path: Order, text: str) -> bool | None:
    """A pass changes the program at `path`; None if there is none."""
    ir, _, _ = lab.follow_or_walk(path)
    if ir is None:
        return None
    lab.walk([(*path, text)])
    out = lab.step(ir, text).ir_out
    return out is not None and out != ir


def _idempotence(lab: Lab, pairs: Sequence[Pair]) -> dict[str, tuple[int, int]]:
    """Every pass twice, wherever a context has it."""
    prefixes: dict[str, dict[Order, None]] = {}
    for pair in pairs:
        for context in pair.contexts:
            for text in (pair.a, pair.b):
                prefixes.setdefault(text, {})[context.before] = None
    lab.walk([(*path, text, text) for text, paths in prefixes.items() for path in paths])
    counted: dict[str, tuple[int, int]] = {}
    for text, paths in prefixes.items():
        lines = list(_idempotence_lines(lab, text, paths))
        for line in lines:
            lab.record.add(line)
        counted[text] = (sum(line["idempotent"] for line in lines), len(lines))
    return counted


def _idempotence_lines(lab: Lab, text: str, paths: Iterable[Order]) -> Iterable[Line]:
    for path in paths:
        line = idempotence_line(lab, text, path)
        if line is not None:
            yield line


def idempotence_line(lab: Lab, text: str, path: Order) -> Line | None:
    """Whether a pass twice is the pass once behind `path`; None where it does not apply."""
    once, _, _ = lab.follow_or_walk((*path, text))
    if once is None:
        return None
    twice, _, _ = lab.follow_or_walk((*path, text, text))
    return {
        "kind": "idempotence",
        "id": identity("idempotence", lab.run_id, text, *path),
        "run_id": lab.run_id,
        "model": lab.request.name,
        "pass": text,
        "before": list(path),
        "idempotent": once == twice,
        "time": {"at": now()},
    }

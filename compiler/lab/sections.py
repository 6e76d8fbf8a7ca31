"""The three sections of a pipeline under study: a fixed head, passes to reorder, a fixed tail.

They are cut from the stage table, so that a pass that joins the table joins the lab. The head ends
where the first pass to reorder stands in the table, in stage `start` or later. Each pass to reorder
takes its first place there; what is left, in the table's order, is the tail. With nothing named,
the passes of the stages `start` to `until` are reordered, with their own default options, without
those that only annotate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.lab.contracts import Facts, contract_of
from compiler.lab.space import Order
from compiler.lab.variants import variants_of
from compiler.pipeline import parse_pipeline, print_pipeline
from compiler.stages import STAGES, stage_index
from passes.base import OctetPass
from passes.facts import ON_TENSORS

START = UNTIL = "quantize"
"""The first and the last stage in which passes are reordered by default."""


@dataclass(frozen=True)
class Sections:
    """`head` and `tail` are canonical texts; `passes` are as given, alternatives included."""

    head: Order
    passes: tuple[str, ...]
    tail: Order

    @property
    def default(self) -> Order:
        """The passes that are reordered, in the table's order, each in its first variant."""
        return tuple(variants_of(text).texts[0] for text in self.passes)

    def facts(self) -> Facts:
        """What contracts say of any program after the head."""
        facts: Facts = frozenset({ON_TENSORS})
        for one in parse_pipeline(",".join(self.head)):
            facts = contract_of(one).after(facts)
        return facts


def stage_table() -> dict[str, tuple[str, ...]]:
    """The passes of each stage as the stage table has them."""
    return {stage.name: stage.passes for stage in STAGES}


def sections(
    passes: Sequence[str] = (),
    anchors: Sequence[str] = (),
    start: str = START,
    until: str = UNTIL,
    stages: Mapping[str, Sequence[str]] | None = None,
) -> Sections:
    """Cuts the stage table, or `stages`: those still to come, with the options asked for.

    Raises OctetError for an unknown stage or pass.
    """
    first = stage_index(start, "--from")
    last = max(first, stage_index(until, "--until"))
    table = [
        (stage_index(stage), text)
        for stage, texts in (stages or stage_table()).items()
        for text in texts
    ]
    studied = {
        name_of(text): _as_studied(text)
        for index, text in table
        if first <= index <= last and _is_reorderable(text)
    }
    given = list(passes) or list(studied.values())
    names = [variants_of(text).name for text in (*given, *anchors)]
    taken: dict[str, int] = {}
    for position, (index, text) in enumerate(table):
        if index >= first and name_of(text) in names:
            taken.setdefault(name_of(text), position)
    begin = min(taken.values(), default=next(p for p, (i, _) in enumerate(table) if i >= first))
    head = [text for _, text in table[:begin]]
    left = set(range(begin, len(table))) - set(taken.values())
    ordered = sorted(given, key=lambda text: taken.get(variants_of(text).name, -1))
    return Sections(
        _canonical(head),
        tuple(ordered),
        _canonical([table[position][1] for position in sorted(left)]),
    )


def name_of(text: str) -> str:
    """The name of a pass given as text."""
    return text.split("{", 1)[0].strip()


def _canonical(texts: Sequence[str]) -> Order:
    return tuple(print_pipeline([one]) for text in texts for one in parse_pipeline(text))


def _as_studied(text: str) -> str:
    """A pass as it is asked for; with its own defaults where nobody asked for anything, because
    the table switches some passes off."""
    listed = {canonical for stage in STAGES for canonical in _canonical(stage.passes)}
    return name_of(text) if _canonical([text])[0] in listed else text


def _is_reorderable(text: str) -> bool:
    (one,) = parse_pipeline(text)
    return isinstance(one, OctetPass) and not one.ANNOTATES

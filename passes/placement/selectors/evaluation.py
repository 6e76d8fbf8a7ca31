"""From syntax to ops. docs/selectors.md says what each form selects."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import assert_never

from xdsl.ir import Operation

from dialects.nn.base import NnOp
from passes.placement.selectors import hints
from passes.placement.selectors.errors import SelectorError
from passes.placement.selectors.graph import (
    Parts,
    computes,
    neighbours,
    producers_of,
    reachable,
    users_of,
)
from passes.placement.selectors.hints import counted
from passes.placement.selectors.patterns import MAX_MATCHES, Matches
from passes.placement.selectors.regular import compile_glob, compile_regular
from passes.placement.selectors.syntax import (
    EVERYTHING,
    And,
    Between,
    Ends,
    Index,
    Matching,
    Neighbours,
    Node,
    Not,
    Or,
    Pattern,
    Selector,
    picked,
)
from passes.placement.selectors.types import canonical_type, spellings

Unmatched = Callable[[SelectorError], None]
"""Called for every part of a selector that matches no op; it may raise the error or note it."""


class Evaluation:
    """The meaning of one selector's parts, as positions in `ops`."""

    def __init__(
        self, text: str, ops: Sequence[NnOp], folder: Path | None, unmatched: Unmatched
    ) -> None:
        self.text = text
        self.ops = ops
        self.folder = folder
        self.unmatched = unmatched
        self.positions: dict[Operation, int] = {op: index for index, op in enumerate(ops)}

    @cached_property
    def parts(self) -> Parts:
        return Parts.of(self.ops)

    def of(self, node: Selector) -> set[int]:
        """The positions that `node` selects. Every part of it has to match something."""
        match node:
            case Matching():
                found = self.matching(node)
            case Index():
                found = self.index(node)
            case Ends():
                found = self.ends(node)
            case Between():
                found = self.between(node)
            case Neighbours():
                found = self.neighbours(node)
            case Pattern():
                found = self.pattern(node)
            case Not():
                found = set(range(len(self.ops))) - self.of(node.operand)
                if not found:
                    self.missing(node, f": {self.written(node.operand)} is every op")
            case And():
                found = self.conjunction(node)
            case Or():
                found = set[int]().union(*map(self.of, node.operands))
            case _:
                assert_never(node)
        return found

    def missing(self, node: Node, hint: str, at: Node | None = None) -> None:
        """Reports that `node` matches nothing, with the caret at `at`."""
        at = at or node
        message = f"selector '{self.written(node)}' matches no op{hint}"
        self.unmatched(SelectorError(message, self.text, at.start, at.end))

    def written(self, node: Node) -> str:
        return self.text[node.start : node.end]

    def located(self, ops: Iterable[Operation]) -> set[int]:
        return {self.positions[op] for op in ops if op in self.positions}

    def chosen(self, positions: Iterable[int]) -> list[NnOp]:
        return [self.ops[position] for position in sorted(positions)]

    # --- prefix:argument --------------------------------------------------------------------

    def matching(self, node: Matching) -> set[int]:
        match node.kind:
            case "type":
                name = canonical_type(node.argument)
                found = {i for i, op in enumerate(self.ops) if op.mnemonic == name}
                if not found:
                    self.missing(node, hints.near_type(node.argument, self.ops))
            case "name":
                found = {i for i, op in enumerate(self.ops) if node.argument in op.names}
                if not found:
                    globbed = len(self.named(compile_glob(node.argument)))
                    self.missing(node, hints.near_name(node.argument, self.ops, globbed))
            case "glob":
                found = self.named(compile_glob(node.argument))
                if not found:
                    self.missing(node, hints.near(node.argument, hints.names_of(self.ops)))
            case "re":
                pattern = self.regular(node)
                found = self.named(pattern)
                if not found:
                    self.missing(node, hints.near_regular(pattern, self.ops))
            case "pdl":
                found = self.pdl(node)
        return found

    def named(self, pattern: re.Pattern[str]) -> set[int]:
        """The ops with a name that the pattern matches as a whole."""
        return {i for i, op in enumerate(self.ops) if any(map(pattern.fullmatch, op.names))}

    def regular(self, node: Matching) -> re.Pattern[str]:
        try:
            return compile_regular(node.argument)
        except (re.error, RecursionError, OverflowError) as error:
            at = node.argument_start
            position = error.pos if isinstance(error, re.error) else None
            reason = error.msg if isinstance(error, re.error) else "it is too large"
            start, end = (at, node.end) if position is None else (at + position, at + position + 1)
            raise SelectorError(
                f"selector '{self.written(node)}' is no regular expression: {reason}",
                self.text,
                start,
                end,
            ) from None

    def pdl(self, node: Matching) -> set[int]:
        from passes.placement.selectors.pdl_file import PdlFile

        patterns = PdlFile.read((self.folder or Path()) / node.argument)
        found = {i for i, op in enumerate(self.ops) if patterns.matches(op)}
        if not found:
            roots = patterns.root_names()
            counts = [sum(op.name == name for op in self.ops) for name in roots]
            have = ", ".join(f"{count} {name}" for count, name in zip(counts, roots, strict=True))
            self.missing(node, f"; of the patterns' roots the program has {have}" if have else "")
        return found

    def index(self, node: Index) -> set[int]:
        counted_ops = range(len(self.ops))
        name = "op" if node.type is None else canonical_type(node.type)
        among = [i for i in counted_ops if node.type is None or self.ops[i].mnemonic == name]
        found = set(picked(among, node.pick))
        if not found:
            hint = f": the program has {counted(len(among), name)}"
            if node.type is not None and not among:
                hint = hints.near_type(node.type, self.ops)
            self.missing(node, hint)
        return found

    # --- name(...) --------------------------------------------------------------------------

    def ends(self, node: Ends) -> set[int]:
        if node.operand is None:
            among = [i for i, op in enumerate(self.ops) if computes(op)]
        else:
            among = sorted(self.of(node.operand))
        if node.operand is None and not among:
            self.missing(node, ": the program has no op that computes")
        return set(among[: node.count] if node.name == "first" else among[-node.count :])

    def between(self, node: Between) -> set[int]:
        sources, sinks = self.chosen(self.of(node.source)), self.chosen(self.of(node.sink))
        found = self.paths(sources, sinks)
        if not found and sources and sinks:
            hint = ": no path leads from the first to the second"
            if self.paths(sinks, sources):
                hint += "; one leads from the second to the first"
            self.missing(node, hint)
        return found

    def paths(self, sources: Iterable[NnOp], sinks: Iterable[NnOp]) -> set[int]:
        """The ops on any path, its ends included: reachable from a source, and a sink from it."""
        return self.located(reachable(sources, users_of) & reachable(sinks, producers_of))

    def neighbours(self, node: Neighbours) -> set[int]:
        operand = self.chosen(self.of(node.operand))
        step = users_of if node.name == "users" else producers_of
        found = self.located(neighbours(operand, step))
        if not found and operand:
            hint = (
                "the program's outputs are all that its results are used for"
                if node.name == "users"
                else "its operands are inputs and constants of the program"
            )
            self.missing(node, f": {hint}")
        return found

    def conjunction(self, node: And) -> set[int]:
        operands = [self.of(operand) for operand in node.operands]
        found = operands[0].intersection(*operands[1:])
        if not found and all(operands):
            counts = ", ".join(
                f"{self.written(operand)} matches {len(positions)}"
                for operand, positions in zip(node.operands, operands, strict=True)
            )
            self.missing(node, f": {counts}, but none of them are the same")
        return found

    # --- patterns ---------------------------------------------------------------------------

    def pattern(self, node: Pattern) -> set[int]:
        for step in node.steps:
            for name in step.types:
                if canonical_type(name) not in spellings() and name not in self.parts.types:
                    hint = f": there is no op type '{name}'{hints.near_type(name, self.ops)}"
                    self.missing(node, hint, step)
                    return set()
        matches = Matches.of(self.parts, node.steps)
        if matches.longest < len(node.steps):
            self.missing(node, self.dead_end(node, matches), node.steps[matches.longest])
            return set()
        if node.matches == EVERYTHING:
            steps = picked(matches.candidates, node.picked_steps)
            return {self.parts.owners[part] for step in steps for part in step}
        found = list(itertools.islice(matches.one_by_one(), MAX_MATCHES + 1))
        if len(found) > MAX_MATCHES:
            raise SelectorError(
                f"selector '{self.written(node)}' has more than {MAX_MATCHES:,} matches, too many "
                "to count them; leave out the slice among them: [:, steps]",
                self.text,
                node.start,
                node.end,
            )
        kept = picked(found, node.matches)
        if not kept:
            self.missing(node, f": the pattern matches {counted(len(found), 'time')}")
        return {
            self.parts.owners[part] for match in kept for part in picked(match, node.picked_steps)
        }

    def dead_end(self, node: Pattern, matches: Matches) -> str:
        """Where a pattern stops matching, and what stands there instead."""
        stop = matches.longest
        wanted = self.written(node.steps[stop])
        if stop == 0:
            return hints.near_type(wanted, self.ops) if "|" not in wanted else ""
        before = "->".join(self.written(step) for step in node.steps[:stop])
        types = sorted({self.parts.types[part] for part in matches.next})
        instead = f"what follows is {', '.join(types)}" if types else "nothing follows"
        return f": {before} occurs, but no {wanted} after it; {instead}"

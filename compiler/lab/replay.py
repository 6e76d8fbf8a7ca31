"""Executes lines of a record again and compares everything they say but times.

A line is made anew from what its run asked for, and has to come out equal: an edited figure, a hash
or a pipeline does not. Model and data are found by their recorded paths and have to have their
recorded digests.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compiler.lab.engine import Rules
from compiler.lab.experiments.pairs import Context, idempotence_line, pair_line
from compiler.lab.lab import Lab
from compiler.lab.lines import evaluation_line, identity, order_line, run_line, step_line
from compiler.lab.provenance import ENVIRONMENT, digest_of, request_of
from compiler.lab.record import Line, without_time
from compiler.lab.subject import SubjectRequest
from dialects.errors import OctetError

REPRODUCER = "reproducer"
"""Names a file that a replay does not write."""


@dataclass(frozen=True)
class Mismatch:
    """Something that a line says and its replay does not."""

    name: str
    recorded: Any
    replayed: Any

    def __str__(self) -> str:
        return f"{self.name}: recorded {_short(self.recorded)}, replayed {_short(self.replayed)}"


@dataclass
class Replayer:
    """Replays lines of one record; runs are opened once."""

    lines: Sequence[Line]
    _labs: dict[str, Lab] = field(default_factory=dict[str, Lab])

    def replay(self, line: Line) -> list[Mismatch]:
        """What differs; nothing if the line holds. Raises OctetError if it cannot be executed."""
        lab = self._lab(line)
        try:
            again = remade(lab, line)
        except (KeyError, TypeError, ValueError, AssertionError) as error:
            raise OctetError(
                f"line {line['id']} cannot be executed: it lacks or spoils what a {line['kind']} "
                f"line says ({type(error).__name__}: {error})"
            ) from None
        recorded, replayed = without_time(line), json.loads(json.dumps(without_time(again)))
        replayed[REPRODUCER] = recorded.get(REPRODUCER)
        if REPRODUCER not in recorded:
            del replayed[REPRODUCER]
        return list(_mismatches(recorded, replayed))

    def notes(self) -> list[str]:
        """Where this machine differs from those of the runs that were replayed."""
        found: dict[str, None] = {}
        for run_id, lab in self._labs.items():
            recorded = self._run(run_id)
            for name, ours in lab.environment.items():
                if recorded.get(name) != ours:
                    found[f"{name} here {_short(ours)}, then {_short(recorded.get(name))}"] = None
        return list(found)

    def _run(self, run_id: str) -> Mapping[str, Any]:
        for line in self.lines:
            if line["run_id"] == run_id and line["kind"] == "run":
                return line["run"]
        raise OctetError(f"the record has no line of kind 'run' for {run_id}: it is not complete")

    def _lab(self, line: Line) -> Lab:
        run_id = line["run_id"]
        if run_id not in self._labs:
            recorded = self._run(run_id)
            if digest_of(recorded) != run_id:
                raise OctetError(f"run {run_id}: what it says is not what its id was made of")
            request, rules = request_of(recorded)
            self._labs[run_id] = _opened(request, rules, recorded)
        return self._labs[run_id]


def _opened(request: SubjectRequest, rules: Rules, recorded: Mapping[str, Any]) -> Lab:
    """A lab that speaks of the run as it was recorded. Raises OctetError when model or data are
    not those of the record."""
    if not request.model.is_file():
        raise OctetError(f"{request.model}: the recorded model is not there")
    lab = Lab(request, rules)
    for name, digest in lab.subject.digests.items():
        if recorded["digests"].get(name) != digest:
            raise OctetError(
                f"{request.model}: the {name} is not that of the record (sha256 {digest[:12]}..., "
                f"recorded {str(recorded['digests'].get(name))[:12]}...)"
            )
    lab.run = {**lab.run, **{name: recorded[name] for name in ENVIRONMENT}}
    lab.run_id = digest_of(lab.run)
    return lab


def remade(lab: Lab, line: Line) -> Line:
    """The line that executing `line` again gives."""
    match line["kind"]:
        case "run":
            return run_line(lab)
        case "step":
            path = tuple(line["path"])
            ir, failed, _ = lab.follow_or_walk(path[:-1])
            if ir is None:
                raise OctetError(f"line {line['id']}: {failed} before its last pass fails")
            lab.walk([path])
            return step_line(lab, path[:-1], lab.key(ir, path[-1]), lab.step(ir, path[-1]))
        case "evaluation":
            path = tuple(line["path"])
            ir, failed, _ = lab.follow_or_walk(path)
            if ir is None:
                raise OctetError(f"line {line['id']}: {failed} fails")
            return evaluation_line(lab, path, ir, lab.engine.evaluate(path))
        case "timing":
            path = tuple(line["path"])
            ir, _, _ = lab.follow_or_walk(path)
            return {**line, "final": ir, "id": identity("timing", lab.run_id, *path)}
        case "order":
            (outcome,) = lab.evaluate([tuple(line["path"])])
            return order_line(lab, line["experiment"], outcome, line["number"])
        case "pair":
            context = Context(tuple(line["before"]), tuple(line["after"]))
            return pair_line(lab, line["a"], line["b"], context, line["context"], line["epsilon"])
        case "idempotence":
            again = idempotence_line(lab, line["pass"], tuple(line["before"]))
            if again is None:
                raise OctetError(f"line {line['id']}: {line['pass']} does not apply")
            return again
        case kind:
            raise OctetError(f"line {line['id']}: lines of kind '{kind}' cannot be executed")


def sampled(lines: Sequence[Line], count: int, seed: int) -> list[tuple[int, Line]]:
    """So many lines by chance, with their numbers from 1, in order."""
    numbered = list(enumerate(lines, 1))
    chosen = random.Random(seed).sample(numbered, min(count, len(numbered)))
    return sorted(chosen, key=lambda pair: pair[0])


def _mismatches(recorded: Any, replayed: Any, name: str = "") -> Iterator[Mismatch]:
    if isinstance(recorded, Mapping) and isinstance(replayed, Mapping):
        for key in dict.fromkeys((*recorded, *replayed)):
            where = f"{name}.{key}" if name else str(key)
            yield from _mismatches(recorded.get(key), replayed.get(key), where)
    elif recorded != replayed:
        yield Mismatch(name, recorded, replayed)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

"""What the lines of a record say, and reading steps and evaluations back from them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from compiler.lab.engine import Evaluation, Step
from compiler.lab.provenance import digest_of
from compiler.lab.record import Line
from compiler.lab.space import Order

if TYPE_CHECKING:
    from compiler.lab.lab import Key, Lab, Outcome

CASTS = {"qcast": "quant.qcast", "dcast": "quant.dcast", "scast": "quant.scast"}


def identity(kind: str, run_id: str, *what: str) -> str:
    """The id of a line: what it is about, not what it says."""
    return digest_of([kind, run_id, *what])


def run_line(lab: Lab) -> Line:
    """What the other lines with this `run_id` depend on."""
    return {
        "kind": "run",
        "id": lab.run_id,
        "run_id": lab.run_id,
        "model": lab.request.name,
        "random_data": lab.request.calibration is None,
        "run": lab.run,
        "time": {"at": now()},
    }


def step_line(lab: Lab, path: Order, key: Key, step: Step, reproducer: str = "") -> Line:
    """One pass after the passes of `path`."""
    return {
        "kind": "step",
        "id": identity("step", lab.run_id, *path, key.text),
        "run_id": lab.run_id,
        "run": lab.run,
        "pipeline": ",".join((*path, key.text)),
        "path": [*path, key.text],
        "parent": identity("step", lab.run_id, *path) if path else None,
        "ir_in": key.ir,
        "ir_out": step.ir_out,
        "data": key.data,
        "status": step.status,
        "error": step.error,
        "reproducer": reproducer,
        "rewrites": step.rewrites,
        "ops": step.ops,
        "casts": {name: step.ops.get(op, 0) for name, op in CASTS.items()},
        "time": {**step.times, "at": now()},
    }


def step_of(lab: Lab, path: Order, text: str) -> Step | None:
    """The step that the record holds, or None."""
    line = lab.record.get(identity("step", lab.run_id, *path, text))
    if line is None:
        return None
    return Step(
        line["status"],
        line["ir_out"],
        line["error"],
        line["rewrites"],
        line["ops"],
        _seconds(line["time"]),
    )


def evaluation_line(lab: Lab, path: Order, ir: str, found: Evaluation) -> Line:
    """What the program at `path`, tail included, is worth."""
    return {
        "kind": "evaluation",
        "id": identity("evaluation", lab.run_id, *path),
        "run_id": lab.run_id,
        "run": lab.run,
        "pipeline": ",".join(path),
        "path": list(path),
        "parent": identity("step", lab.run_id, *path) if path else None,
        "ir": ir,
        "status": found.status,
        "error": found.error,
        "semantic": found.semantic,
        "metrics": found.metrics,
        "probes": found.probes,
        "time": {**found.times, "at": now()},
    }


def evaluation_of(lab: Lab, path: Order) -> Evaluation | None:
    """The evaluation that the record holds, or None."""
    line = lab.record.get(identity("evaluation", lab.run_id, *path))
    if line is None:
        return None
    return Evaluation(
        line["status"],
        line["metrics"],
        line["semantic"],
        line["probes"],
        line["error"],
        _seconds(line["time"]),
    )


def order_line(lab: Lab, experiment: str, outcome: Outcome, number: int) -> Line:
    """The `number`th order that an experiment asked for, tail left out, and what became of it."""
    return {
        "kind": "order",
        "id": identity("order", lab.run_id, experiment, str(number), *outcome.order),
        "run_id": lab.run_id,
        "model": lab.request.name,
        "experiment": experiment,
        "number": number,
        "pipeline": outcome.pipeline,
        "path": list(outcome.order),
        "ir": outcome.ir,
        **outcome_summary(outcome),
        "time": {"at": now()},
    }


def outcome_summary(outcome: Outcome) -> dict[str, Any]:
    return {
        "final": outcome.final,
        "semantic": outcome.semantic,
        "status": outcome.status,
        "failed": outcome.failed,
        "error": outcome.error,
        "metrics": outcome.metrics,
    }


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def _seconds(times: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in times.items() if name != "at"}

"""An explanation as a document: rows with target, pipeline and summary, and its JSON form.

The JSON form is described by `explanation.schema.json` beside this file and by docs/explain.md.
`VERSION` grows when a field changes its meaning or goes; new fields do not change it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xdsl.dialects.builtin import ModuleOp, StringAttr

from compiler.explain.placement import Placement
from compiler.explain.rows import placements_of
from compiler.stages import TARGET
from compiler.version import __version__
from dialects.nn.attributes import Precision
from dialects.program import HISTORY, STAGE

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = "octet-explanation"
VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("explanation.schema.json")


@dataclass(frozen=True)
class Explanation:
    """Every op of a program with its precision and why, in order."""

    stage: str
    target: str
    pipeline: str
    ops: tuple[Placement, ...]

    def as_dict(self) -> dict[str, Any]:
        """The document that `--explain=json` prints."""
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "octet": __version__,
            "stage": self.stage,
            "target": self.target,
            "pipeline": self.pipeline,
            "summary": summary_of(self.ops),
            "ops": [op_as_dict(row) for row in self.ops],
        }

    def as_json(self) -> str:
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False)

    def as_table(self) -> Table:
        """The table that `--explain` prints, for `rich`."""
        from compiler.explain.table import as_table

        return as_table(self.ops)

    def __len__(self) -> int:
        return len(self.ops)


def explanation_of(module: ModuleOp, ops: Sequence[Placement] | None = None) -> Explanation:
    """The explanation of a program; `ops` are its rows where they were followed while compiling."""

    def text(name: str) -> str:
        attribute = module.attributes.get(name)
        return attribute.data if isinstance(attribute, StringAttr) else ""

    rows = placements_of(module) if ops is None else ops
    return Explanation(text(STAGE), text(TARGET), text(HISTORY), tuple(rows))


def as_json(ops: Sequence[Placement]) -> str:
    """The `ops` of a document alone."""
    return json.dumps([op_as_dict(row) for row in ops], indent=2, ensure_ascii=False)


def op_as_dict(row: Placement) -> dict[str, Any]:
    """A row with plain values, in the order of the documentation."""
    return {
        "index": row.index,
        "names": list(row.names),
        "op": row.op,
        "operand_shapes": [list(shape) for shape in row.operand_shapes],
        "result_shapes": [list(shape) for shape in row.result_shapes],
        "precision": row.precision,
        "placed_by": row.placed_by,
        "decider": row.decider,
        "reason": row.reason,
        "wanted": row.wanted,
        "moves": row.moves,
        "macs": row.macs,
        "macs_share": row.macs_share,
        "gain_us": None if row.gain_ns is None else row.gain_ns / 1000,
        "modelled_us": {name: time / 1000 for name, time in row.modelled_ns.items()},
        "conversions": [
            {"at": c.at, "from": c.source, "to": c.target, "fused": c.fused}
            for c in row.conversions
        ],
        "kernels": [{"name": kernel.name, "precision": kernel.precision} for kernel in row.kernels],
        "fused_with": list(row.fused_with),
    }


def summary_of(ops: Sequence[Placement]) -> dict[str, Any]:
    """How many ops and how much of the arithmetic is in each precision; what was not kept."""
    computing = [row for row in ops if not row.moves]
    gains = [row.gain_ns for row in ops if row.gain_ns is not None]
    return {
        "ops": len(ops),
        "movement": len(ops) - len(computing),
        "precisions": {
            precision.value: {
                "ops": sum(row.precision == precision for row in computing),
                "macs": sum(row.macs for row in computing if row.precision == precision),
                "macs_share": sum(
                    row.macs_share for row in computing if row.precision == precision
                ),
            }
            for precision in Precision
        },
        "not_kept": sum(row.wanted is not None for row in ops),
        "conversions": sum(len(row.conversions) for row in ops),
        "gain_us": sum(gains) / 1000 if gains else None,
    }

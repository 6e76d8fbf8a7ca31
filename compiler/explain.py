"""The placement table: for every op that computes, its precision and why (`--explain`)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ModuleOp, StringAttr

from dialects.nn.attributes import PrecisionAttr
from dialects.nn.base import NnOp

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Placement:
    """One row of the table."""

    layer: str
    op: str
    precision: str
    placed_by: str
    macs: int


def placements_of(module: ModuleOp) -> list[Placement]:
    """The ops of a placed program in order; empty before the `place` stage."""
    rows: list[Placement] = []
    for op in module.walk():
        precision, reason = op.attributes.get("precision"), op.attributes.get("placed_by")
        if not isinstance(precision, PrecisionAttr) or not isinstance(reason, StringAttr):
            continue
        layer = op.attributes.get("layer")
        rows.append(
            Placement(
                layer=layer.data if isinstance(layer, StringAttr) else "",
                op=op.name.split(".", 1)[1],
                precision=str(precision.data),
                placed_by=reason.data,
                macs=op.macs() if isinstance(op, NnOp) else 0,
            )
        )
    return rows


def as_json(placements: Sequence[Placement]) -> str:
    """A list of objects with the fields of `Placement`."""
    return json.dumps([asdict(placement) for placement in placements], indent=2)


def as_table(placements: Sequence[Placement]) -> Table:
    """The table, with the share of the arithmetic that is in each precision below it."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="placement", caption=_summary(placements))
    table.add_column("layer", overflow="fold")
    table.add_column("op")
    table.add_column("precision")
    table.add_column("MACs", justify="right")
    table.add_column("placed by", overflow="fold")
    for row in placements:
        cells = (row.layer, row.op, row.precision, f"{row.macs:,}" if row.macs else "")
        table.add_row(*map(Text, (*cells, row.placed_by)))
    return table


def _summary(placements: Sequence[Placement]) -> str:
    total = sum(row.macs for row in placements)
    ops, macs = Counter[str](), Counter[str]()
    for row in placements:
        ops[row.precision] += 1
        macs[row.precision] += row.macs
    return ", ".join(
        f"{precision}: {count} ops"
        + (f", {macs[precision] / total:.1%} of the multiplications" if total else "")
        for precision, count in sorted(ops.items())
    )

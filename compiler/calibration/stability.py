"""How much ranges still moved over the last batches, and whether more data is advised.

The JSON form is described by `stability.schema.json` beside this file and by docs/calibration.md.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.calibration.keys import Key
from compiler.version import __version__
from dialects.calibrator import Method, Range
from passes.calibrate.measuring.measurement import Measurement
from runtime.artifact import replacing

if TYPE_CHECKING:
    from rich.table import Table

SCHEMA = "octet-calibration-stability"
VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("stability.schema.json")

MOVED = 0.05
"""An end that moved by more than this share of the range has not settled. A range that is too wide
by a twentieth costs 0.4 dB of resolution (20 log10 1.05)."""
UNSETTLED = 0.05
"""More data is advised when more than this share of the ranges has not settled: single outliers
move single ranges, whatever the amount of data."""


@dataclass(frozen=True)
class Row:
    """One value: its range on all batches, and on the earlier ones."""

    key: Key
    method: str
    range: Range
    earlier: Range | None
    moved: float | None
    """How far the end that moved most did, as a share of the whole range's width; None if there
    was nothing to compare with."""

    @property
    def settled(self) -> bool:
        return self.moved is not None and self.moved <= MOVED


@dataclass(frozen=True)
class StabilityReport:
    """Rows in program order; `earlier` of `batches` batches are what the last ones are compared
    with, None for a single batch."""

    batches: int
    earlier: int | None
    rows: tuple[Row, ...]

    @property
    def unsettled(self) -> int:
        return sum(not row.settled for row in self.rows)

    @property
    def more_data_advised(self) -> bool:
        return self.unsettled > UNSETTLED * len(self.rows)

    @property
    def advice(self) -> str:
        """One sentence."""
        if self.earlier is None:
            return "one batch does not tell whether ranges have settled: more data is advised"
        what = (
            f"{self.unsettled} of {len(self.rows)} ranges moved by more than {MOVED:.0%} of their "
            f"width over the last {self.batches - self.earlier} of {self.batches} batches"
        )
        return f"{what}: " + (
            "more calibration data is advised" if self.more_data_advised else "they have settled"
        )

    def as_dict(self) -> dict[str, Any]:
        moves = [row.moved for row in self.rows if row.moved is not None]
        return {
            "schema": SCHEMA,
            "version": VERSION,
            "octet": __version__,
            "batches": self.batches,
            "earlier_batches": self.earlier,
            "mean_moved": sum(moves) / len(moves) if moves else None,
            "most_moved": max(moves, default=None),
            "unsettled": self.unsettled,
            "more_data_advised": self.more_data_advised,
            "advice": self.advice,
            "values": [
                {
                    "kind": row.key[0],
                    "name": row.key[1],
                    "method": row.method,
                    "range": list(row.range),
                    "earlier_range": None if row.earlier is None else list(row.earlier),
                    "moved": row.moved,
                    "settled": row.settled,
                }
                for row in self.rows
            ],
        }

    def as_table(self) -> Table:
        """For `rich`: the values that moved most come first."""
        from rich.table import Table
        from rich.text import Text

        table = Table("value", "method", "range", "earlier", "moved", "")
        for row in sorted(self.rows, key=lambda row: -(row.moved or 0.0)):
            table.add_row(
                Text(row.key[1]),
                Text(row.method),
                "{:.4g}, {:.4g}".format(*row.range),
                "" if row.earlier is None else "{:.4g}, {:.4g}".format(*row.earlier),
                "" if row.moved is None else f"{row.moved:.1%}",
                "" if row.settled else "not settled",
            )
        return table

    def write(self, path: str) -> None:
        with replacing(Path(path)) as temporary:
            text = json.dumps(self.as_dict(), indent=2, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")


def report_of(
    measurement: Measurement, keys: Mapping[int, Key], methods: Mapping[int, Method]
) -> StabilityReport:
    """By position among the observed values; those without a range have no row."""
    rows: list[Row] = []
    earlier_batches: int | None = None
    for position, bounds in measurement.ranges().items():
        before = measurement.seen[position].range_before(measurement.batches)
        earlier = None
        if before is not None:
            earlier_batches, earlier = before
        moved = None if earlier is None else moved_by(earlier, bounds)
        rows.append(Row(keys[position], str(methods[position]), bounds, earlier, moved))
    return StabilityReport(measurement.batches, earlier_batches, tuple(rows))


def moved_by(earlier: Range, later: Range) -> float:
    """How far the end that moved most did, as a share of the later width; all of it where that
    width is 0."""
    moved = max(abs(a - b) for a, b in zip(earlier, later, strict=True))
    if moved == 0.0:
        return 0.0
    width = later[1] - later[0]
    return moved / width if width else 1.0

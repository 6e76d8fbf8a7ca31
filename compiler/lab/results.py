"""Evaluated orders as plain rows, read from records, and results written as JSON lines and CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiler.lab.objective import Objective
from compiler.lab.record import Line, text_of, write_csv
from compiler.lab.space import Order
from dialects.errors import OctetError
from runtime.artifact import replacing

DEFAULT = "default"
"""The experiment whose one order is a model's default."""


@dataclass(frozen=True)
class Row:
    """An order that was evaluated on a model, as its line says."""

    model: str
    experiment: str
    number: int
    order: Order
    ir: str | None
    final: str | None
    status: str
    metrics: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Table:
    """Distinct orders of one model, and its default order, evaluated."""

    model: str
    rows: tuple[Row, ...]
    default: Row | None


def rows_of(lines: Iterable[Line]) -> list[Row]:
    """The rows of all order lines, in their order. Raises OctetError for a spoiled line."""
    rows: list[Row] = []
    for line in lines:
        if line["kind"] != "order":
            continue
        try:
            rows.append(
                Row(
                    line["model"], line["experiment"], line["number"], tuple(line["path"]),
                    line["ir"], line["final"], line["status"], line["metrics"],
                )
            )  # fmt: skip
        except (KeyError, TypeError) as error:
            raise OctetError(f"line {line['id']}: not a line about an order ({error!r})") from None
    return rows


def tables_of(lines: Iterable[Line]) -> dict[str, Table]:
    """The orders of each model, each once. Raises OctetError if there are none, or if lines of
    different runs disagree about an order."""
    rows: dict[str, dict[Order, Row]] = {}
    defaults: dict[str, Row] = {}
    for row in rows_of(lines):
        known = rows.setdefault(row.model, {}).setdefault(row.order, row)
        if (known.final, known.metrics) != (row.final, row.metrics):
            raise OctetError(
                f"{row.model}: two lines differ about {','.join(row.order)}: the records are of "
                "different data, targets or versions; give records of the same runs"
            )
        if row.experiment == DEFAULT:
            defaults[row.model] = row
    if not rows:
        raise OctetError("the records have no evaluated orders: run `octet-lab search` first")
    return {
        model: Table(model, tuple(found.values()), defaults.get(model))
        for model, found in rows.items()
    }


def common_scores(
    tables: Mapping[str, Table], objective: Objective
) -> dict[Order, dict[str, float]]:
    """Order -> model -> score, of the orders that were evaluated on every model and meet the
    objective's conditions on at least one. Raises OctetError if there are none."""
    found: dict[Order, dict[str, float]] = {}
    known = {m: {row.order: row for row in table.rows} for m, table in tables.items()}
    for order in next(iter(known.values()), {}):
        if all(order in rows for rows in known.values()):
            judged = {model: rows[order] for model, rows in known.items()}
            if any(map(objective.meets, judged.values())):
                found[order] = {m: objective.score(row) for m, row in judged.items()}
    if not found:
        raise OctetError(
            f"no order was evaluated on all of {', '.join(tables)} and meets the conditions"
        )
    return found


def write_results(rows: Sequence[Mapping[str, Any]], stem: Path) -> list[Path]:
    """Writes rows as `STEM.jsonl` and `STEM.csv`; returns both."""
    lines, table = stem.with_name(f"{stem.name}.jsonl"), stem.with_name(f"{stem.name}.csv")
    with replacing(lines) as temporary:
        temporary.write_text("".join(map(text_of, rows)), encoding="utf-8")
    write_csv([dict(row) for row in rows], table)
    return [lines, table]

"""The tables of `--explain` and `compile diff`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from compiler.explain.placement import Conversion, Placement
from dialects.nn.attributes import Precision
from dialects.shapes import Shape

if TYPE_CHECKING:
    from rich.table import Table

    from compiler.explain.difference import Comparison


def as_table(ops: Sequence[Placement]) -> Table:
    """The table, with the share of the arithmetic that is in each precision below it."""
    from rich.table import Table
    from rich.text import Text

    gains = any(row.gain_ns is not None for row in ops)
    table = Table(title="placement", caption=summary_line(ops))
    table.add_column("#", justify="right")
    table.add_column("layers", overflow="fold", ratio=3)
    table.add_column("op")
    table.add_column("shape")
    table.add_column("precision")
    table.add_column("MACs", justify="right")
    if gains:
        table.add_column("gain us", justify="right")
    table.add_column("converts")
    table.add_column("placed by", overflow="fold", ratio=4)
    for row in ops:
        cells = [
            str(row.index),
            ", ".join(row.names),
            row.op,
            " ".join(map(shape_text, row.result_shapes)),
            precision_text(row),
            f"{row.macs_share:.1%}" if row.macs else "",
            *([] if not gains else ["" if row.gain_ns is None else f"{row.gain_ns / 1000:.1f}"]),
            conversions_text(row.conversions),
            reason_text(row),
        ]
        table.add_row(*map(Text, cells))
    return table


def shape_text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "scalar"


def precision_text(row: Placement) -> str:
    """The precision; in parentheses what a movement op moves; all of them where parts differ."""
    found = list(dict.fromkeys(kernel.precision for kernel in row.kernels if kernel.precision))
    text = "+".join(found) if len(found) > 1 else row.precision or ""
    return f"({text})" if row.moves and text else text


def conversions_text(conversions: Sequence[Conversion]) -> str:
    """`in f32, out int8*`: what it takes and gives in another format; * is for no extra kernel."""
    parts = [
        f"in {one.source}{'*' if one.fused else ''}"
        if one.at == "operand"
        else f"out {one.target}{'*' if one.fused else ''}"
        for one in conversions
    ]
    return ", ".join(dict.fromkeys(parts))


def reason_text(row: Placement) -> str:
    """`why`, then what it was placed in and did not keep, and what it was fused with."""
    notes = []
    if row.wanted is not None:
        notes.append(f"placed in {row.wanted}")
    if row.fused_with:
        notes.append(f"one kernel with {', '.join(f'#{index}' for index in row.fused_with)}")
    return row.why + (f" ({'; '.join(notes)})" if notes else "")


def summary_line(ops: Sequence[Placement]) -> str:
    """`int8: 3 ops, 99.0% of the multiplications, f32: ..`; movement and indices left out."""
    total = sum(row.macs for row in ops)
    parts: list[str] = []
    for precision in sorted(Precision):
        rows = [row for row in ops if row.precision == precision and not row.moves]
        share = sum(row.macs for row in rows) / total if total else 0.0
        if rows:
            parts.append(
                f"{precision}: {len(rows)} ops"
                + (f", {share:.1%} of the multiplications" if total else "")
            )
    gains = [row.gain_ns for row in ops if row.gain_ns is not None]
    if gains:
        parts.append(f"modelled gain over f32 {sum(gains) / 1000:.1f} us")
    return ", ".join(parts)


def comparison_table(comparison: Comparison) -> Table:
    """What differs between two programs, a row per op."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="differences in placement", caption=f"{comparison.same} ops placed alike")
    table.add_column("layers", overflow="fold", ratio=3)
    table.add_column("op")
    table.add_column("precision")
    table.add_column("placed by", overflow="fold", ratio=4)
    table.add_column("kernels, types", overflow="fold", ratio=3)
    for one in comparison.differences:
        rows = (one.a, one.b)
        details = _changed([_kernels(row) for row in rows]) if "kernels" in one.fields else []
        for name in dict.fromkeys([*one.types[0], *one.types[1]]):
            old, new = (shortened(types.get(name, "none")) for types in one.types)
            details.append(f"{name}: {old} -> {new}")
        cells = [
            ", ".join(one.names),
            next(row.op for row in rows if row is not None),
            "\n".join(_changed([_side(row, row and precision_text(row)) for row in rows])),
            "\n".join(_changed([_side(row, row and row.why) for row in rows])),
            "\n".join(details),
        ]
        table.add_row(*map(Text, cells))
    return table


def _changed(sides: list[str]) -> list[str]:
    """One line where both sides agree, else `- a` and `+ b`."""
    old, new = sides
    return [old] if old == new else [f"- {old}", f"+ {new}"]


def _side(row: Placement | None, text: str | None) -> str:
    return "absent" if row is None else text or "none"


def _kernels(row: Placement | None) -> str:
    return ", ".join(kernel.name for kernel in row.kernels) if row is not None else "absent"


def shortened(text: str, width: int = 60) -> str:
    """A type without most of its channels' scales."""
    return text if len(text) <= width else f"{text[: width - 4]} ..."

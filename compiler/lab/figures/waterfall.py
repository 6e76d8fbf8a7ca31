"""What each pass of the default order does to the IR: ops and casts after it, step by step."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from compiler.lab.figures.style import (
    BLUE,
    GREY,
    ORANGE,
    Rows,
    models_of,
    panels,
    short,
    styled,
)
from compiler.lab.results import DEFAULT, rows_of

if TYPE_CHECKING:
    from compiler.lab.figures import Source


def rows(source: Source) -> Rows:
    """For each model, one row per pass of its default order: the change in all ops, and in casts
    (quantize, dequantize and requantize)."""
    steps = {
        (line["run_id"], line["ir_in"], line["path"][-1]): line
        for line in source.lines
        if line["kind"] == "step"
    }
    roots = {line["run_id"]: line["run"]["root"] for line in source.lines if line["kind"] == "run"}
    run_of = {
        line["model"]: line["run_id"]
        for line in source.lines
        if line["kind"] == "order" and line["experiment"] == DEFAULT
    }
    found: list[dict[str, Any]] = []
    for row in rows_of(source.lines):
        if row.experiment != DEFAULT or any(one["model"] == row.model for one in found):
            continue
        run_id = run_of[row.model]
        ir = roots.get(run_id)
        for number, text in enumerate(row.order):
            step = steps.get((run_id, ir, text))
            if step is None:
                break
            casts = sum(step["casts"].values())
            found.append(
                {
                    "model": row.model,
                    "number": number,
                    "pass": text,
                    "casts": casts,
                    "others": sum(step["ops"].values()) - casts,
                    "rewrites": sum(step["rewrites"].values()),
                    "changed": step["ir_in"] != step["ir_out"],
                }
            )
            ir = step["ir_out"]
    return found


def draw(rows: Rows) -> Any:
    """Bars float from the sum before a pass to that after it: casts in blue, other ops orange.
    *in place*: no op more or less, but other values, types or places."""
    models = models_of(rows)
    longest = max(sum(row["model"] == model for row in rows) for model in models)
    with styled():
        from matplotlib.patches import Patch

        figure, axes = panels(models, 3.8, 1.0 + 0.27 * longest, columns=2)
        for model, ax in axes.items():
            mine = [row for row in rows if row["model"] == model]
            sums = {"casts": 0, "others": 0}
            for y, row in enumerate(mine):
                for offset, name, colour in ((-0.2, "casts", BLUE), (0.2, "others", ORANGE)):
                    change, start = row[name], sums[name]
                    if not change:
                        continue
                    ax.barh(y + offset, change, 0.38, left=start, color=colour, linewidth=0)
                    _say(ax, max(start, start + change), y + offset, f"{change:+d}")
                    sums[name] += change
                if not row["casts"] and not row["others"]:
                    said = "in place" if row["changed"] else "nothing"
                    _say(ax, 0, y, said, GREY)
            low, high = _range(mine)
            ax.set_xlim(low - 0.05 * (high - low), high + 0.25 * (high - low))
            ax.axvline(0, color=GREY, linewidth=0.8)
            ax.set_yticks(range(len(mine)), [short(row["pass"]) for row in mine])
            ax.set_ylim(len(mine) - 0.4, -0.6)
            ax.grid(False, axis="y")
            ax.set_xlabel("ops, against the start")
        handles = [Patch(color=BLUE, label="casts"), Patch(color=ORANGE, label="other ops")]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _say(ax: Any, x: float, y: float, text: str, colour: str = "black") -> None:
    ax.annotate(
        text.replace("-", "\u2212") if text[0] == "-" else text,
        (x, y), xytext=(3, 0), textcoords="offset points", va="center", fontsize=7, color=colour,
    )  # fmt: skip


def _range(rows: Rows) -> tuple[int, int]:
    """The least and the greatest sum that bars reach."""
    reached = [0]
    for name in ("casts", "others"):
        reached += itertools.accumulate(row[name] for row in rows)
    return min(reached), max(*reached, 1)

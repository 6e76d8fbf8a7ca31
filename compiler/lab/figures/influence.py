"""Graph: which pass makes another do something, or keeps it from doing anything."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from compiler.lab.figures.style import BLUE, RED, Rows, short, styled

if TYPE_CHECKING:
    from compiler.lab.figures import Source

SIDES = (("a_to_b", "a", "b"), ("b_to_a", "b", "a"))


def rows(source: Source) -> Rows:
    """One row per edge: in how many contexts, of how many, `source` enables or disables
    `target`."""
    counted: dict[tuple[str, str, str], int] = {}
    contexts: dict[frozenset[str], int] = {}
    for line in source.lines:
        if line["kind"] != "pair":
            continue
        both = frozenset((line["a"], line["b"]))
        contexts[both] = contexts.get(both, 0) + 1
        for side, first, second in SIDES:
            if line[side] != "neither":
                key = (line[first], line[second], line[side])
                counted[key] = counted.get(key, 0) + 1
    return [
        {"source": a, "target": b, "influence": what, "contexts": n,
         "of": contexts[frozenset((a, b))]}
        for (a, b, what), n in counted.items()
    ]  # fmt: skip


def draw(rows: Rows) -> Any:
    """Passes on a circle; full blue arrows enable, dashed red ones disable; wide is often."""
    names = list(dict.fromkeys(t for row in rows for t in (row["source"], row["target"])))
    angle = {n: math.pi / 2 - 2 * math.pi * i / len(names) for i, n in enumerate(names)}
    at = {n: (math.cos(turn), math.sin(turn)) for n, turn in angle.items()}
    with styled():
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D

        figure = Figure(figsize=(6.0, 4.2))
        ax = figure.subplots()
        ax.set_axis_off()
        for row in rows:
            enables = row["influence"] == "enables"
            ax.annotate(
                "", xy=at[row["target"]], xytext=at[row["source"]],
                arrowprops={
                    "arrowstyle": "-|>", "shrinkA": 9, "shrinkB": 9,
                    "color": BLUE if enables else RED,
                    "linestyle": "-" if enables else "--",
                    "linewidth": 0.7 + 2 * row["contexts"] / row["of"],
                    "connectionstyle": f"arc3,rad={0.12 if enables else -0.12}",
                },
            )  # fmt: skip
        for name, (x, y) in at.items():
            ax.plot([x], [y], "o", color="black", markersize=7)
            side = "center" if abs(x) < 0.15 else ("left" if x > 0 else "right")
            ax.text(1.1 * x, 1.12 * y, short(name), ha=side, va="center", fontsize=9)
        ax.set_xlim(-1.75, 1.75)
        ax.set_ylim(-1.3, 1.25)
        ax.set_aspect("equal")
        handles = [
            Line2D([], [], color=BLUE, label="enables"),
            Line2D([], [], color=RED, linestyle="--", label="disables"),
        ]
        ax.legend(handles=handles, loc="lower right", borderaxespad=0)
    return figure

"""Heat map: for each pair of passes, the share of contexts in which they commute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from compiler.lab.figures.style import Rows, short, styled
from compiler.lab.statistics import proportion

if TYPE_CHECKING:
    from compiler.lab.figures import Source

COMMUTES = ("equal-ir", "equal-bits", "within-epsilon")


def rows(source: Source) -> Rows:
    """One row per pair, over all models and contexts in which both orders work: the share that
    commute with its Wilson interval, and the median distance of outputs of those that do not."""
    pairs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in source.lines:
        if line["kind"] == "pair":
            pairs.setdefault((line["a"], line["b"]), []).append(line)
    found: list[dict[str, Any]] = []
    for (a, b), lines in pairs.items():
        work = [line for line in lines if line["verdict"] != "fails"]
        row: dict[str, Any] = {
            "a": a, "b": b, "contexts": len(lines), "fails": len(lines) - len(work),
            "models": len({line["model"] for line in lines}),
            "share": None, "low": None, "high": None, "distance": None,
        }  # fmt: skip
        if work:
            interval = proportion(sum(line["verdict"] in COMMUTES for line in work), len(work))
            row |= {"share": interval.estimate, "low": interval.low, "high": interval.high}
            apart = [line["distance"] for line in work if line["verdict"] == "different"]
            row["distance"] = float(np.median(apart)) if apart else None
        found.append(row)
    return found


def draw(rows: Rows) -> Any:
    """Colour and number are the share that commutes, small print is its interval; hatched where
    no order of the two works the other way round."""
    names = list(dict.fromkeys(text for row in rows for text in (row["a"], row["b"])))
    place = {name: index for index, name in enumerate(names)}
    values = np.full((len(names), len(names)), np.nan)
    with styled() as matplotlib:
        from matplotlib.figure import Figure
        from matplotlib.patches import Rectangle

        size = 2.2 + 0.5 * len(names)
        figure = Figure(figsize=(size + 1.0, size))
        ax = figure.subplots()
        ax.grid(False)
        for row in rows:
            x, y = sorted((place[row["a"]], place[row["b"]]))
            if row["share"] is None:
                ax.add_patch(
                    Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="#EEEEEE", edgecolor="#999999",
                              hatch="////", linewidth=0)
                )  # fmt: skip
                continue
            values[y, x] = row["share"]
            dark = row["share"] < 0.5
            ink = "white" if dark else "black"
            ax.text(x, y - 0.1, f"{row['share']:.0%}", ha="center", va="center", color=ink,
                    fontsize=7.5)  # fmt: skip
            ax.text(x, y + 0.24, f"{100 * row['low']:.0f}\u2013{100 * row['high']:.0f}",
                    ha="center", va="center", color=ink, fontsize=5.5)  # fmt: skip
        image = ax.imshow(values, cmap=matplotlib.colormaps["cividis"], vmin=0, vmax=1)
        ax.set_xticks(range(len(names) - 1), [short(n) for n in names[:-1]], rotation=45,
                      ha="right", rotation_mode="anchor")  # fmt: skip
        ax.set_yticks(range(1, len(names)), [short(n) for n in names[1:]])
        ax.set_xlim(-0.5, len(names) - 1.5)
        ax.set_ylim(len(names) - 0.5, 0.5)
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.tick_params(length=0)
        bar = figure.colorbar(image, ax=ax, shrink=0.6, pad=0.02)
        bar.set_label("share of contexts that commute")
        bar.outline.set_visible(False)
        handle = Rectangle((0, 0), 1, 1, facecolor="#EEEEEE", edgecolor="#999999", hatch="////",
                           linewidth=0, label="only one order works")  # fmt: skip
        ax.legend(handles=[handle], loc="upper right", fontsize=9)
        ax.set_title("share of contexts that commute, 95 % interval below", loc="left", fontsize=9)
    return figure

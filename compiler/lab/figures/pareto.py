"""Modelled latency against the objective's metric, all programs of all orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.lab.experiments.pareto import LATENCY, pareto_rows
from compiler.lab.figures.style import BLUE, GREY, RED, Rows, label_of, models_of, panels, styled
from compiler.lab.results import tables_of

if TYPE_CHECKING:
    from compiler.lab.figures import Source

KNOWN = ("model", "program", "orders", "front", "default", LATENCY, "order")


def rows(source: Source) -> Rows:
    if not any(line["kind"] == "order" for line in source.lines):
        return []
    metric = source.objective.metric
    metric = "sqnr_db" if metric == LATENCY else metric
    return [row for table in tables_of(source.lines).values() for row in pareto_rows(table, metric)]


def draw(rows: Rows) -> Any:
    """Circles are programs, the larger the more orders come to them; rings on a line are the
    front, the star is the default. A program without noise has no figure in dB: a triangle at the
    upper edge."""
    metric = next(name for name in rows[0] if name not in KNOWN)
    models = models_of(rows)
    with styled():
        figure, axes = panels(models, 3.3, 2.6, columns=2 if len(models) in (2, 4) else 3)
        for model, ax in axes.items():
            mine = [row for row in rows if row["model"] == model]
            _panel(ax, mine, metric)
        handles, labels = next(iter(axes.values())).get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _panel(ax: Any, rows: Rows, metric: str) -> None:
    scale = 1 if metric != LATENCY else 1e3
    known = [row for row in rows if row[metric] is not None]
    most = max(row["orders"] for row in rows)

    def points(chosen: Rows) -> tuple[list[float], list[float]]:
        return ([row[LATENCY] / 1e3 for row in chosen], [row[metric] / scale for row in chosen])

    sizes = [25 + 175 * row["orders"] / most for row in known]
    ax.scatter(*points(known), s=sizes, color=GREY, alpha=0.6, linewidths=0, label="program")
    front = sorted((row for row in known if row["front"]), key=lambda row: row[LATENCY])
    ax.plot(*points(front), "-", color=BLUE, linewidth=1.2, marker="o", markersize=15,
            markerfacecolor="none", label="front")  # fmt: skip
    default = [row for row in known if row["default"]]
    ax.plot(*points(default), "*", color=RED, markersize=11, markeredgecolor="white",
            label="default", linestyle="none")  # fmt: skip
    exact = [row[LATENCY] / 1e3 for row in rows if row[metric] is None]
    ax.plot(exact, [0.97] * len(exact), "^", color="black", markersize=7, linestyle="none",
            transform=ax.get_xaxis_transform(), label="exact (no noise)")  # fmt: skip
    ax.margins(0.15)
    ax.set_xlabel("modelled latency (us)")
    ax.set_ylabel(label_of(metric))
    ax.ticklabel_format(useOffset=False)

"""Regret over evaluations by search, equal budgets, over seeds, against the best order known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from compiler.lab.experiments.stats import runs_of
from compiler.lab.figures.style import (
    CYCLE,
    DASHES,
    Rows,
    label_of,
    models_of,
    panels,
    styled,
)
from compiler.lab.results import rows_of, tables_of

if TYPE_CHECKING:
    from compiler.lab.figures import Source

SKIPPED = "exhaustive"


def rows(source: Source) -> Rows:
    """For each model, search and number of evaluations: the median over seeds, and quartiles, of
    how far the best so far is from the best known order. None where most seeds have none yet."""
    lines = source.lines
    runs = runs_of(rows_of(lines), source.objective)
    if not any(method != SKIPPED for _, method, _ in runs):
        return []
    best = {
        model: max(map(source.objective.score, table.rows))
        for model, table in tables_of(lines).items()
    }
    groups: dict[tuple[str, str], list[list[float]]] = {}
    for (model, method, _), run in runs.items():
        if method == SKIPPED:
            continue
        scores = [
            source.objective.score(row) if source.objective.meets(row) else -np.inf for row in run
        ]
        groups.setdefault((model, method), []).append(list(np.maximum.accumulate(scores)))
    budget = {
        model: max(len(c) for (m, _), group in groups.items() if m == model for c in group)
        for model, _ in groups
    }
    found: list[dict[str, Any]] = []
    for (model, method), curves in groups.items():
        # A search that has ended stays where it is.
        full = np.array([c + [c[-1]] * (budget[model] - len(c)) for c in curves])
        regret = best[model] - full
        low, middle, high = np.quantile(regret, [0.25, 0.5, 0.75], axis=0, method="nearest")
        found += [
            {
                "model": model,
                "method": method,
                "metric": source.objective.metric,
                "evaluations": index + 1,
                "seeds": len(curves),
                **{
                    name: float(value[index]) if np.isfinite(value[index]) else None
                    for name, value in (("median", middle), ("low", low), ("high", high))
                },
            }
            for index in range(budget[model])
        ]
    return found


def draw(rows: Rows) -> Any:
    """One line per search, the band from the first to the third quartile of the seeds."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    metric = rows[0]["metric"]
    with styled():
        from matplotlib.ticker import FuncFormatter

        figure, axes = panels(models_of(rows), 4.4, 2.9, columns=2)
        for model, ax in axes.items():
            for index, method in enumerate(methods):
                mine = [r for r in rows if (r["model"], r["method"]) == (model, method)]
                x = [row["evaluations"] for row in mine]
                y = {
                    name: np.array([np.nan if r[name] is None else r[name] for r in mine])
                    for name in ("median", "low", "high")
                }
                colour = CYCLE[index % len(CYCLE)]
                ax.plot(x, y["median"], color=colour, linestyle=DASHES[index % len(DASHES)],
                        linewidth=1.6, label=method, drawstyle="steps-post")  # fmt: skip
                ax.fill_between(x, y["low"], y["high"], step="post", color=colour, alpha=0.12,
                                linewidth=0)  # fmt: skip
            ax.set_xscale("log")
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            ax.set_xlabel("evaluations")
            ax.set_ylabel(f"regret, {label_of(metric)}")
            ax.margins(y=0.08)
        handles, labels = next(iter(axes.values())).get_legend_handles_labels()
        # A single panel is too narrow for three names beside each other.
        ncols = min(len(labels), 3 if len(axes) > 1 else 2)
        figure.legend(handles, labels, loc="outside lower center", ncols=ncols)
    return figure

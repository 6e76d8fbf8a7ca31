"""Matrix: the regret of an order learned on one model (or on all others) on another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from compiler.lab.experiments.transfer import OTHERS, transfers
from compiler.lab.figures.style import Rows, label_of, styled
from compiler.lab.results import common_scores, tables_of

if TYPE_CHECKING:
    from compiler.lab.figures import Source

DEFAULT = "default order"


def rows(source: Source) -> Rows:
    """As `octet-lab transfer`; nothing for fewer than two models."""
    if not any(line["kind"] == "order" for line in source.lines):
        return []
    tables = tables_of(source.lines)
    if len(tables) < 2:
        return []
    scores = common_scores(tables, source.objective)
    defaults = {m: table.default.order for m, table in tables.items() if table.default is not None}
    metric = source.objective.metric
    return [{**one.row(), "metric": metric} for one in transfers(scores, defaults)]


def draw(rows: Rows) -> Any:
    """Rows learn, columns apply; the last two are the leave-one-out order and the default."""
    models = list(dict.fromkeys(row["applied_to"] for row in rows))
    learners = [*models, OTHERS, DEFAULT]
    values = np.full((len(learners), len(models)), np.nan)
    for row in rows:
        column = models.index(row["applied_to"])
        for name, value in ((row["learned_on"], row["regret"]), (DEFAULT, row["default_regret"])):
            if value is not None:
                values[learners.index(name), column] = value
    with styled() as matplotlib:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(3.2 + 0.9 * len(models), 1.6 + 0.45 * len(learners)))
        ax = figure.subplots()
        ax.grid(False)
        greatest = float(np.nanmax(values, initial=0)) or 1.0
        image = ax.imshow(values, cmap=matplotlib.colormaps["cividis_r"], vmin=0, vmax=greatest,
                          aspect="auto")  # fmt: skip
        for (y, x), value in np.ndenumerate(values):
            said = "fails" if np.isnan(value) else f"{value:.2f}"
            ink = "white" if value > greatest / 2 else "black"
            ax.text(x, y, said, ha="center", va="center", fontsize=8, color=ink)
        ax.axhline(len(models) - 0.5, color="white", linewidth=3)
        ax.set_xticks(range(len(models)), models, rotation=30, ha="right", rotation_mode="anchor")
        ax.set_yticks(range(len(learners)), [*models, "all others", DEFAULT])
        ax.set_xlabel("applied to")
        ax.set_ylabel("learned on")
        ax.tick_params(length=0)
        ax.spines[["left", "bottom"]].set_visible(False)
        bar = figure.colorbar(image, ax=ax, pad=0.02)
        bar.set_label(f"regret, {label_of(rows[0]['metric'])}")
        bar.outline.set_visible(False)
    return figure

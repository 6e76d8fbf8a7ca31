"""How many models few orders serve, for several epsilons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.lab.experiments.coreset import coreset_rows
from compiler.lab.figures.style import CYCLE, DASHES, MARKERS, Rows, styled
from compiler.lab.results import common_scores, tables_of

if TYPE_CHECKING:
    from compiler.lab.figures import Source


def rows(source: Source) -> Rows:
    """As `octet-lab coreset`, for no tolerance at all, the given epsilon, and ten times that."""
    if not any(line["kind"] == "order" for line in source.lines):
        return []
    scores = common_scores(tables_of(source.lines), source.objective)
    epsilons = dict.fromkeys((0.0, source.epsilon, 10 * source.epsilon))
    return [row for epsilon in epsilons for row in coreset_rows(scores, epsilon)]


def draw(rows: Rows) -> Any:
    """Models covered over orders chosen; one line per epsilon, lines a little apart."""
    models = rows[0]["models"]
    epsilons = list(dict.fromkeys(row["epsilon"] for row in rows))
    most = max(row["number"] for row in rows)
    with styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(4.6, 3.2))
        ax = figure.subplots()
        for index, epsilon in enumerate(epsilons):
            mine = [row for row in rows if row["epsilon"] == epsilon]
            counts = [0, *(row["covered"] for row in mine)]
            counts += [counts[-1]] * (most + 1 - len(counts))
            apart = 0.04 * (index - (len(epsilons) - 1) / 2)
            label = f"within {epsilon:.0%} of the best" if epsilon else "the best"
            ax.plot([x + apart for x in range(most + 1)], [c - apart for c in counts],
                    color=CYCLE[index], marker=MARKERS[index], linestyle=DASHES[index],
                    linewidth=1.6, markersize=5,
                    label=label)  # fmt: skip
        ax.axhline(models, color="grey", linewidth=0.8, linestyle=":")
        ax.set_xticks(range(most + 1))
        ax.set_yticks(range(models + 1))
        ax.set_xlabel("orders in the coreset")
        ax.set_ylabel(f"models covered, of {models}")
        ax.legend(loc="lower right")
    return figure

"""How many models few orders serve, for several epsilons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.lab.experiments.coreset import coreset_rows
from compiler.lab.figures.style import BLUE, ORANGE, SKY, Rows, styled
from compiler.lab.results import common_scores, tables_of

if TYPE_CHECKING:
    from compiler.lab.figures import Source

COLOURS = (BLUE, ORANGE, SKY)
HATCHES = ("", "//", "..")


def rows(source: Source) -> Rows:
    """As `octet-lab coreset`, for no tolerance at all, the given epsilon, and ten times that."""
    if not any(line["kind"] == "order" for line in source.lines):
        return []
    scores = common_scores(tables_of(source.lines), source.objective)
    epsilons = dict.fromkeys((0.0, source.epsilon, 10 * source.epsilon))
    return [row for epsilon in epsilons for row in coreset_rows(scores, epsilon)]


def draw(rows: Rows) -> Any:
    """Models covered by the first orders of the coreset; one bar per epsilon."""
    models = rows[0]["models"]
    epsilons = list(dict.fromkeys(row["epsilon"] for row in rows))
    most = max(row["number"] for row in rows)
    wide = 0.8 / len(epsilons)
    with styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(4.6, 3.2))
        ax = figure.subplots()
        for index, epsilon in enumerate(epsilons):
            counts = [row["covered"] for row in rows if row["epsilon"] == epsilon]
            counts += [counts[-1]] * (most - len(counts))
            label = f"within {100 * epsilon:g} % of the best" if epsilon else "the best itself"
            bars = ax.bar(
                [x + (index - (len(epsilons) - 1) / 2) * wide for x in range(1, most + 1)],
                counts, wide * 0.92, color=COLOURS[index], hatch=HATCHES[index],
                edgecolor="white", linewidth=0, label=label,
            )  # fmt: skip
            ax.bar_label(bars, fontsize=8, padding=1)
        ax.axhline(models, color="grey", linewidth=0.8, linestyle=":")
        ax.set_xticks(range(1, most + 1))
        ax.set_xlim(0.4, most + 0.6)
        ax.set_yticks(range(models + 1))
        ax.set_ylim(0, models * 1.12)
        ax.grid(False, axis="x")
        ax.set_xlabel("orders in the coreset")
        ax.set_ylabel(f"models covered, of {models}")
        figure.legend(loc="outside lower center", ncols=len(epsilons), fontsize=8)
    return figure

"""How few programs many orders come to: distinct programs over orders, in the order asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from compiler.lab.figures.style import CYCLE, DASHES, WIDTH, Rows, models_of, styled
from compiler.lab.results import tables_of

if TYPE_CHECKING:
    from compiler.lab.figures import Source


def rows(source: Source) -> Rows:
    """For each model, the orders after which a new program appeared: `irs` behind the order,
    `finals` at the end, and `bits` that differ on the probes."""
    if not any(line["kind"] == "order" for line in source.lines):
        return []
    semantic = {line["final"]: line["semantic"] for line in source.lines if line["kind"] == "order"}
    found: list[dict[str, Any]] = []
    for model, table in tables_of(source.lines).items():
        seen: tuple[set[str], set[str], set[str]] = (set(), set(), set())
        before = (0, 0, 0)
        for number, row in enumerate(table.rows, 1):
            for known, value in zip(
                seen, (row.ir, row.final, semantic.get(row.final)), strict=True
            ):
                if value is not None:
                    known.add(value)
            now = tuple(map(len, seen))
            if now != before or number == len(table.rows):
                found.append(dict(zip(("model", "orders", "irs", "finals", "bits"),
                                      (model, number, *now), strict=True)))  # fmt: skip
            before = now
    return found


def draw(rows: Rows) -> Any:
    """One line per model; the dotted line is as many programs as orders."""
    with styled():
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter

        figure = Figure(figsize=(WIDTH + 1, 3.2))
        ax = figure.subplots()
        greatest = max(row["orders"] for row in rows)
        for index, model in enumerate(models_of(rows)):
            mine = [row for row in rows if row["model"] == model]
            x, y = [row["orders"] for row in mine], [row["irs"] for row in mine]
            last = mine[-1]
            ax.step(x, y, where="post", color=CYCLE[index % len(CYCLE)],
                    linestyle=DASHES[index % len(DASHES)], linewidth=1.8,
                    label=f"{model}: {last['orders']:,} orders, {last['irs']} IRs, "
                    f"{last['bits']} results")  # fmt: skip
        most = max(row["irs"] for row in rows)
        ax.plot([1, greatest], [1, greatest], color="grey", linestyle=":", linewidth=1,
                label="every order its own")  # fmt: skip
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_ylim(0.8, max(2.5 * most, 10))
        ax.set_xlabel("orders")
        ax.set_ylabel("distinct IRs behind the order")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        figure.legend(loc="outside right upper", fontsize=8)
    return figure

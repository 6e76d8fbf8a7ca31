"""The placements that were measured, and which of them nothing beats: a CSV file and a plot."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.strategy.metrics import Budget, Quality, drop
from compiler.strategy.space import Assignment, letters
from compiler.strategy.state import Measured
from dialects.nn.attributes import Precision
from runtime.artifact import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CSV, PLOT = "pareto.csv", "pareto.png"


@dataclass(frozen=True)
class Point:
    """One placement: modelled latency, and `loss`, the budget's metric as what is lost: points
    of top-1, noise in dB, or the share of samples that disagree."""

    assignment: Assignment
    measured: Measured
    loss: float
    within: bool


def points_of(
    measured: Mapping[Assignment, Measured], budget: Budget, reference: Quality
) -> list[Point]:
    """All placements, the fastest first; of equally fast ones the best."""
    points = [
        Point(
            assignment,
            found,
            _loss(budget, found.quality, reference),
            budget.excess(found.quality, reference) == 0,
        )
        for assignment, found in measured.items()
    ]
    return sorted(points, key=lambda p: (p.measured.latency_ns, p.loss, letters(p.assignment)))


def front_of(points: Sequence[Point]) -> list[Point]:
    """Those of sorted points that lose less than everything that is as fast."""
    front: list[Point] = []
    for point in points:
        if not front or point.loss < front[-1].loss:
            front.append(point)
    return front


def _loss(budget: Budget, quality: Quality, reference: Quality) -> float:
    match budget.kind:
        case "max-drop":
            return drop(quality, reference)
        case "min-sqnr":
            return -quality.sqnr
        case _:
            return 1 - quality.agreement


def write_csv(points: Sequence[Point], reference: Quality, path: Path) -> None:
    """One row per placement, the fastest first; `front` marks those that nothing beats."""
    front = {point.assignment for point in front_of(points)}
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            (
                *("placement", "modelled_us", "top1", "drop", "sqnr_db", "agreement"),
                *(f"ops_{precision}" for precision in Precision),
                *("within_budget", "front"),
            )
        )
        for point in points:
            quality = point.measured.quality
            labelled = quality.correct is not None
            writer.writerow(
                (
                    letters(point.assignment),
                    f"{point.measured.latency_ns / 1e3:.3f}",
                    f"{quality.accuracy:.3f}" if labelled else "",
                    f"{drop(quality, reference):.3f}" if labelled else "",
                    f"{quality.sqnr:.2f}",
                    f"{quality.agreement:.5f}",
                    *(point.assignment.count(precision) for precision in Precision),
                    int(point.within),
                    int(point.assignment in front),
                )
            )


def write_plot(points: Sequence[Point], chosen: Assignment, budget: Budget, path: Path) -> bool:
    """Latency against what is lost, with the front; False if matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError:
        return False
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    _draw(figure.add_subplot(), points, chosen, budget)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150, metadata={"Software": ""})
    return True


def _draw(axes: Axes, points: Sequence[Point], chosen: Assignment, budget: Budget) -> None:
    # Equal outputs have no noise in dB to draw.
    finite = [point for point in points if abs(point.loss) < float("inf")]
    for within, colour, label in ((True, "tab:blue", "within budget"), (False, "0.6", "beyond")):
        some = [point for point in finite if point.within is within]
        axes.scatter(*_positions(some), s=14, color=colour, label=label)
    axes.step(*_positions(front_of(finite)), where="post", color="tab:orange", label="front")
    best = [point for point in finite if point.assignment == chosen]
    axes.scatter(*_positions(best), s=90, marker="*", color="tab:red", label="chosen", zorder=3)
    axes.set_xlabel("modelled latency, us")
    axes.set_ylabel(
        {"max-drop": "points of top-1 lost", "min-sqnr": "noise, dB"}.get(
            budget.kind, "share of samples that disagree"
        )
    )
    axes.legend()


def _positions(points: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [p.measured.latency_ns / 1e3 for p in points], [p.loss for p in points]

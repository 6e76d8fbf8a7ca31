"""The Pareto file: which placements nothing beats, and what is written about them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from compiler.strategy.metrics import Budget, Quality
from compiler.strategy.pareto import Point, front_of, points_of, write_csv, write_plot
from compiler.strategy.state import Measured
from dialects.nn.attributes import Precision

BUDGET = Budget("max-drop", 1.0)
REFERENCE = Quality(100, 0.0, 100, 90)
INT8, BF16, F32 = ((precision,) for precision in (Precision.INT8, Precision.BF16, Precision.F32))


def points() -> list[Point]:
    return points_of(
        {
            F32: Measured(4e3, REFERENCE),
            INT8: Measured(1e3, Quality(100, 1e-2, 95, 87)),
            BF16: Measured(2e3, Quality(100, 1e-4, 99, 91)),
        },
        BUDGET,
        REFERENCE,
    )


def test_front() -> None:
    """A placement that is slower and loses more is not on it."""
    assert [point.assignment for point in points()] == [INT8, BF16, F32]
    assert [point.assignment for point in front_of(points())] == [INT8, BF16]
    assert [point.within for point in points()] == [False, True, True]


def test_csv(tmp_path: Path) -> None:
    write_csv(points(), REFERENCE, tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text().splitlines() == [
        "placement,modelled_us,top1,drop,sqnr_db,agreement,"
        "ops_f32,ops_bf16,ops_f16,ops_int8,within_budget,front",
        "8,1.000,87.000,3.000,20.00,0.95000,0,0,0,1,0,1",
        "b,2.000,91.000,-1.000,40.00,0.99000,0,1,0,0,1,1",
        "f,4.000,90.000,0.000,inf,1.00000,1,0,0,0,1,0",
    ]


@pytest.mark.parametrize("kind", ["max-drop", "min-sqnr", "min-agreement"])
def test_plot(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    drawn = points_of(
        {point.assignment: point.measured for point in points()}, Budget(kind, 0.5), REFERENCE
    )
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        assert write_plot(drawn, BF16, Budget(kind, 0.5), path)
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert not write_plot(points(), BF16, BUDGET, tmp_path / "p.png")
    assert not list(tmp_path.iterdir())

"""Every figure is drawn of plain rows, and its files are the same every time."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from compiler.cli.lab import main
from compiler.lab.figures import FIGURES, Source, rows_for, write
from compiler.lab.figures.style import short
from compiler.lab.record import Line, read_record, text_of

pytest.importorskip("matplotlib")
pytest.importorskip("scipy")


@pytest.fixture(scope="module")
def lines(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    """Pairs and searches on two models, which are the same network under two names."""
    folder = tmp_path_factory.mktemp("lab")
    twin = folder / "twin.onnx"
    twin.write_bytes(model.read_bytes())
    run = [str(model), str(twin), "--calibration-data", str(data), "--calibration-data", str(data),
           "--passes", "insert-qdq,correct-bias{samples=8},propagate-qdq,squash-qdq",
           "--output", str(folder / "runs.jsonl")]  # fmt: skip
    assert main(["pairs", *run, "--contexts", "2"]) == 0
    assert main(["search", *run]) == 0
    assert main(["search", *run, "--method", "random,greedy", "--runs", "2", "--budget", "5"]) == 0
    return read_record(folder / "runs.jsonl")


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure(name: str, lines: list[Line], tmp_path: Path) -> None:
    rows = rows_for(name, Source(lines))
    assert rows
    written: list[list[bytes]] = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        paths = write(name, rows, tmp_path / folder)
        assert [path.name for path in paths] == [f"{name}.png", f"{name}.pdf", f"{name}.csv"]
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    png, pdf, _ = written[0]
    assert png.startswith(b"\x89PNG")
    assert len(png) > 5000
    assert pdf.startswith(b"%PDF")
    with (tmp_path / "one" / f"{name}.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(rows)


@pytest.mark.parametrize("name", FIGURES)
def test_no_lines_no_rows(name: str) -> None:
    assert not rows_for(name, Source([]))


def row_of(rows: Any, **wanted: Any) -> Any:
    (found,) = [row for row in rows if all(row[k] == v for k, v in wanted.items())]
    return found


def test_rows_say_what_the_record_does(lines: list[Line]) -> None:
    source = Source(lines)
    pairs = {(short(r["a"]), short(r["b"])): r for r in rows_for("commutation", source)}
    assert pairs["insert-qdq", "correct-bias"]["share"] is None
    assert pairs["propagate-qdq", "squash-qdq"]["share"] == 1.0
    edges = rows_for("influence", source)
    assert any(e["influence"] == "enables" and short(e["source"]) == "insert-qdq" for e in edges)
    regret = rows_for("regret", source)
    assert {row["method"] for row in regret} == {"random", "greedy"}
    assert max(row["evaluations"] for row in regret) == 5
    assert all(row["median"] is None or row["median"] >= 0 for row in regret)
    last = [r for r in rows_for("sequences", source) if r["model"] == "twin"][-1]
    assert last["finals"] <= last["irs"] <= last["orders"]
    # The models are twins: what is best on one is on the other.
    assert all(row["regret"] == 0 for row in rows_for("transfer", source))
    assert {row["covered"] for row in rows_for("coreset", source)} == {2}
    first = row_of(rows_for("waterfall", source), model="twin", number=0)
    assert first["casts"] > 0


def test_the_command(lines: list[Line], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "r.jsonl"
    record.write_text("".join(map(text_of, lines)))
    assert (
        main(["figures", str(record), "--output-dir", str(tmp_path / "f"), "--only", "pareto"]) == 0
    )
    printed = capsys.readouterr().out.splitlines()
    assert [Path(p).suffix for p in printed] == [".png", ".pdf", ".csv"]
    assert all(Path(p).stat().st_size for p in printed)

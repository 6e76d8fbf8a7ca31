"""How much ranges moved over the last batches, and the advice that follows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from compiler.calibration.stability import SCHEMA_FILE, moved_by
from compiler.cli.compile import main
from tests.compiler.explain.json_schema import violations
from tests.compiler.small_model import images

SCHEMA = json.loads(SCHEMA_FILE.read_text())
ROOT = Path(__file__).parents[3]


def report_of(model: Path, x: np.ndarray, folder: Path) -> dict[str, object]:
    np.savez(folder / "x.npz", image=x)
    arguments = [model, "--calibration-data", folder / "x.npz", "-o", folder / "a.octet"]
    arguments += ["--calibration-method", "min-max"]
    assert main([*map(str, arguments), f"--calibration-report={folder / 'r.json'}"]) == 0
    document = json.loads((folder / "r.json").read_text())
    assert violations(document, SCHEMA) == []
    return document


def test_equal_batches_have_settled(model: Path, tmp_path: Path) -> None:
    report = report_of(model, np.concatenate([images(8)] * 6), tmp_path)
    assert (report["batches"], report["earlier_batches"]) == (6, 4)
    assert report["most_moved"] == 0.0
    assert report["more_data_advised"] is False


def test_batches_that_grow_have_not(model: Path, tmp_path: Path) -> None:
    growing = np.concatenate([images(8) * np.float32(1 + i) for i in range(6)])
    report = report_of(model, growing, tmp_path)
    assert report["more_data_advised"] is True
    assert "more calibration data is advised" in str(report["advice"])
    values = report["values"]
    assert isinstance(values, list)
    image = values[0]
    assert image["name"] == "image"
    # The last two of six batches: from four times the noise to six times.
    assert image["range"] == pytest.approx([1.5 * bound for bound in image["earlier_range"]])
    low, high = image["range"]
    assert image["moved"] == pytest.approx(max(-low, high) / 3 / (high - low))


def test_one_batch_tells_nothing(model: Path, tmp_path: Path) -> None:
    report = report_of(model, images(4), tmp_path)
    assert report["earlier_batches"] is None
    assert report["more_data_advised"] is True
    assert "one batch does not tell" in str(report["advice"])


def test_the_table_is_on_stderr(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [model, "--calibration-data", data, "-o", tmp_path / "a.octet"]
    assert main([*map(str, arguments), "--calibration-report"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "stem" in captured.err
    assert "of 6 ranges moved by more than 5% of their width over the last 1 of 3" in captured.err


def test_advice_is_given_unasked(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "x.npz", image=np.concatenate([images(8), 9 * images(8)]))
    arguments = [model, "--calibration-data", tmp_path / "x.npz", "-o", tmp_path / "a.octet"]
    assert main([*map(str, arguments)]) == 0
    assert "more calibration data is advised (--calibration-report shows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        ((-1.0, 1.0), (-1.0, 1.0), 0.0),
        ((-1.0, 1.0), (-1.0, 3.0), 0.5),
        ((0.0, 0.0), (0.0, 0.0), 0.0),
        ((-1.0, 0.0), (0.0, 0.0), 1.0),
        ((0.0, 0.0), (0.0, 2.0), 1.0),
    ],
)
def test_moves_are_shares_of_the_width(
    earlier: tuple[float, float], later: tuple[float, float], expected: float
) -> None:
    assert moved_by(earlier, later) == expected


def test_the_page_describes_every_field() -> None:
    page = (ROOT / "docs" / "calibration.md").read_text()
    names = [*SCHEMA["properties"], *SCHEMA["properties"]["values"]["items"]["properties"]]
    assert [name for name in names if f"`{name}`" not in page] == []

"""The log of a search: what was measured is found again, whatever happened in between."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from compiler.strategy.metrics import Quality
from compiler.strategy.state import LOG, Key, Measured, opened
from dialects.errors import OctetError

ONE = Key("model", "data", "target", "88f")
OTHER = Key("model", "data", "target", "8bf")
GOOD = Measured(1234.5, Quality(100, 1 / 3, 99, 88))
BROKEN = Measured(1.0, Quality(100, math.inf, 0))


def test_measurements_come_back(tmp_path: Path) -> None:
    with opened(tmp_path / "state") as log:
        log.add(ONE, GOOD)
        log.add(OTHER, BROKEN)
    with opened(tmp_path / "state") as log:
        assert (log.get(ONE), log.get(OTHER)) == (GOOD, BROKEN)
        assert log.get(ONE._replace(data="other data")) is None


@pytest.mark.parametrize("cut", [1, 20])
def test_an_unfinished_last_line_is_dropped(cut: int, tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.add(ONE, GOOD)
        log.add(OTHER, BROKEN)
    path = tmp_path / LOG
    path.write_bytes(path.read_bytes()[:-cut])
    with opened(tmp_path) as log:
        assert log.get(ONE) == GOOD
        assert log.get(OTHER) is None
        log.add(OTHER, BROKEN)
    with opened(tmp_path) as log:
        assert (len(log), log.get(OTHER)) == (2, BROKEN)


@pytest.mark.parametrize("line", ["{}", "[]", "nonsense", '{"model": 3}'])
def test_a_damaged_line_is_named(line: str, tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.add(ONE, GOOD)
    path = tmp_path / LOG
    path.write_text(path.read_text() + line + "\n" + path.read_text())
    with pytest.raises(OctetError, match=rf"{LOG}:2: not a line"), opened(tmp_path):
        pass


def test_one_search_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(OctetError, match="another search"), opened(tmp_path):
        pass


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OctetError, match="--strategy-state"), opened(tmp_path / "file"):
        pass


def test_without_a_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with opened(None) as log:
        log.add(ONE, GOOD)
        assert log.get(ONE) == GOOD
    assert not list(tmp_path.iterdir())

from __future__ import annotations

import pytest
import selector_speed


def test_a_line_per_selector(capsys: pytest.CaptureFixture[str]) -> None:
    assert selector_speed.main(["--ops", "60"]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("60 ops, ")
    assert len(lines) == len(selector_speed.selectors_of(selector_speed.random_graph(60, 0)))
    assert all(" ms " in line for line in lines)


def test_graphs_are_seeded() -> None:
    one, other = (selector_speed.random_graph(50, 3) for _ in range(2))
    assert list(map(str, one)) == list(map(str, other))

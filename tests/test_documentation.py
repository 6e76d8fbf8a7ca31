"""The documentation names what exists: files, stages, ops, passes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compiler.stages import STAGES
from dialects.nn import NN_OPS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    linked = [page.parent / target for target in re.findall(r"\]\((?!http)([^)#]+)\)", text)]
    named = [
        ROOT / path
        for path in re.findall(r"`((?:compiler|dialects|passes|runtime|tests)/[\w./-]+)`", text)
    ]
    missing = [str(path) for path in (*linked, *named) if not path.exists()]
    assert not missing


def test_the_readme_lists_the_stages() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert rows == [stage.name for stage in STAGES]


def test_every_op_is_listed() -> None:
    text = (ROOT / "docs" / "dialects.md").read_text()
    missing = [op.name for op in NN_OPS if f"`{op.name.removeprefix('nn.')}`" not in text]
    assert not missing

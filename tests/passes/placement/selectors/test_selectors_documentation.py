"""docs/selectors.md: what it shows is so."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from passes.placement.selectors import parse, select, selectable_ops
from passes.placement.selectors.parser import CALLS, MAX_DEPTH, MAX_LENGTH, MAX_STEPS, PREFIXES
from passes.placement.selectors.patterns import MAX_MATCHES
from passes.placement.selectors.regular import MAX_LENGTH as MAX_REGULAR

PAGE = (Path(__file__).parents[4] / "docs" / "selectors.md").read_text()

ROWS = re.findall(r"^\| (`.+?`) \|", PAGE, re.MULTILINE)
SHOWN = [form for row in ROWS for form in re.findall(r"`([^`]+)`", row)]


def test_every_form_is_shown() -> None:
    starts = {re.split(r"[:(]", form)[0].split(" ")[0] for form in SHOWN}
    assert {*PREFIXES, *CALLS, "not"} <= starts


@pytest.mark.parametrize("form", SHOWN)
def test_forms_can_be_read(form: str) -> None:
    """`a` and `b` stand for selectors there."""
    parse(re.sub(r"(?<![\w:./])([ab])(?![\w:.])", r"name:\1", form))


def test_the_precedence_that_is_shown(residual: Any) -> None:
    bare, grouped = re.findall(r"`(not type:conv[^`]*)` is `([^`]*)`", PAGE)[0]
    ops = selectable_ops(residual.module)
    bare, grouped = (text.replace("glob:a.*", "glob:block.*") for text in (bare, grouped))
    assert select(bare, ops) == select(grouped, ops)


def test_the_pdl_file_that_is_shown(network: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "second.mlir").write_text(re.findall(r"```mlir\n(.*?)```", PAGE, re.DOTALL)[0])
    net = network([1, 2, 4, 4])
    x = net.conv(net.x, 2, 1, "first")
    net.outputs(net.conv(x, 2, 1, "second"))
    first, second = ops = selectable_ops(net.module)
    for conv in ops:
        conv.operands = conv.operands[:2]  # without the bias
        conv.properties["operandSegmentSizes"] = type(
            conv.properties["operandSegmentSizes"]
        ).from_list(conv.properties["operandSegmentSizes"].elt_type, [1, 1, 0, 0])
    net.module.verify()
    assert select("pdl:second.mlir", ops, folder=tmp_path) == [second]
    assert first is not second


@pytest.mark.parametrize(
    ("limit", "what"),
    [
        (MAX_LENGTH, "characters, "),
        (MAX_DEPTH, "levels of parentheses"),
        (MAX_STEPS, "steps of a"),
        (MAX_MATCHES, "matches where"),
        (MAX_REGULAR, "characters of a regular"),
    ],
)
def test_limits(limit: int, what: str) -> None:
    assert re.search(rf"{limit:,} {what}".replace(" ", r"\s"), PAGE)

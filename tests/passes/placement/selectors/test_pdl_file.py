from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dialects.errors import OctetError
from dialects.nn.base import NnOp
from passes.placement.selectors import SelectorError, select, selectable_ops
from passes.placement.selectors.pdl_file import MAX_BYTES

SECOND = """\
// A convolution behind a convolution, both with a bias.
pdl.pattern @second : benefit(1) {
  %t = pdl.type
  %u = pdl.type
  %x = pdl.operand
  %w = pdl.operand
  %b = pdl.operand
  %v = pdl.operand
  %c = pdl.operand
  %first = pdl.operation "nn.conv" (%x, %w, %b : !pdl.value, !pdl.value, !pdl.value)
    -> (%t : !pdl.type)
  %y = pdl.result 0 of %first
  %second = pdl.operation "nn.conv" (%y, %v, %c : !pdl.value, !pdl.value, !pdl.value)
    -> (%u : !pdl.type)
  pdl.rewrite %second with "select"
}
"""

UNARY = """
pdl.pattern : benefit(1) {{
  %t = pdl.type
  %x = pdl.operand
  %op = pdl.operation "{}" (%x : !pdl.value) -> (%t : !pdl.type)
  pdl.rewrite %op with "select"
}}
"""


@pytest.fixture
def chain(network: Callable[..., Any]) -> list[NnOp]:
    """conv, conv, conv; the second has a fused ReLU."""
    net = network([1, 2, 4, 4])
    x = net.conv(net.x, 2, 1, "first")
    x = net.conv(x, 2, 1, "second", relu=True)
    net.outputs(net.conv(x, 2, 1, "third"))
    return selectable_ops(net.module)


def test_the_ops_at_the_root(chain: list[NnOp], tmp_path: Path) -> None:
    path = tmp_path / "second.mlir"
    path.write_text(SECOND)
    assert select(f"pdl:{path}", chain) == chain[1:]
    assert select("pdl:second.mlir", chain, folder=tmp_path) == chain[1:]
    assert select("not pdl:second.mlir and type:conv", chain, folder=tmp_path) == chain[:1]


def test_a_file_may_hold_several_patterns(ops: list[NnOp], tmp_path: Path) -> None:
    path = tmp_path / "my patterns.mlir"
    path.write_text(UNARY.format("nn.sigmoid") + UNARY.format("nn.relu"))
    assert select(f"pdl:'{path}'", ops) == select("type:sigmoid or type:relu", ops)


def test_attributes_are_matched(chain: list[NnOp], tmp_path: Path) -> None:
    path = tmp_path / "activated.mlir"
    path.write_text(
        """
        pdl.pattern : benefit(1) {
          %t = pdl.type
          %x = pdl.operand
          %w = pdl.operand
          %b = pdl.operand
          %relu = pdl.attribute = #nn.activation<relu>
          %conv = pdl.operation "nn.conv" (%x, %w, %b : !pdl.value, !pdl.value, !pdl.value)
            {"activation" = %relu} -> (%t : !pdl.type)
          pdl.rewrite %conv {}
        }
        """
    )
    assert select(f"pdl:{path}", chain) == [chain[1]]


def test_matching_nothing(chain: list[NnOp], tmp_path: Path) -> None:
    path = tmp_path / "unary.mlir"
    path.write_text(UNARY.format("nn.gelu"))
    with pytest.raises(SelectorError, match=r"matches no op; .* the program has 0 nn\.gelu"):
        select(f"pdl:{path}", chain)
    path.write_text(UNARY.format("nn.conv"))
    with pytest.raises(SelectorError, match=r"matches no op; .* the program has 3 nn\.conv"):
        select(f"pdl:{path}", chain)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no pdl.pattern in this file"),
        ("pdl.pattern : benefit(1) {\n  %x = pdl.operand )\n}", ":2:20: the patterns cannot"),
        ("// pdl.pattern\n\nfunc.func @main() {\n  func.return\n}",
         ":3: a pdl.pattern is expected here, got func"),
        (UNARY.format("nn.cnov"), ":5: there is no op 'nn.cnov'; nearest: nn.conv"),
        (UNARY.replace('%op with "select"', "{{}}").format("nn.relu"),
         ":6: the root is missing"),
        (UNARY.replace("pdl.operand", "pdl.operands").replace(
            "!pdl.value", "!pdl.range<value>").format("nn.relu"),
         ":4: pdl.operands cannot be matched here"),
        (UNARY.replace("rewrite %op with", "rewrite %x with").format("nn.relu"), ":6:"),
        ("// pdl.pattern\npdl.pattern : benefit(1) {\n  %x = pdl.operand\n}\n",
         ":2: expected body to terminate with a `pdl.rewrite`"),
        ("pdl.pattern : benefit(1) {\n  %n = pdl.attribute : %t\n}", ":2:"),
        ("((((", "there is no pdl.pattern"),
        ("pdl.pattern (", ":1:"),
    ],
)  # fmt: skip
def test_errors_name_file_and_line(
    chain: list[NnOp], tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "pattern.mlir"
    path.write_text(text)
    with pytest.raises(OctetError, match=re.escape(message)) as caught:
        select(f"pdl:{path}", chain)
    assert str(caught.value).startswith(str(path))


def test_files_that_are_none(chain: list[NnOp], tmp_path: Path) -> None:
    with pytest.raises(OctetError, match="there is no such file of PDL patterns"):
        select(f"pdl:{tmp_path}/nothing.mlir", chain)
    binary = tmp_path / "binary.mlir"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OctetError, match="not text"):
        select(f"pdl:{binary}", chain)
    large = tmp_path / "large.mlir"
    large.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(OctetError, match="at most 1,000,000 bytes"):
        select(f"pdl:{large}", chain)
    deep = tmp_path / "deep.mlir"
    deep.write_text("// pdl.pattern\n" + '"builtin.module"() ({' * 5_000)
    with pytest.raises(OctetError, match="nest too deep"):
        select(f"pdl:{deep}", chain)

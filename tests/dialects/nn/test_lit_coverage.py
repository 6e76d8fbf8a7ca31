"""The round-trip lit file must not miss an op that someone adds."""

from __future__ import annotations

import re
from pathlib import Path

from dialects.nn import NN_OPS

OPS_FILE = Path(__file__).parents[2] / "filecheck" / "dialects" / "nn" / "ops.mlir"


def test_every_op_is_printed_and_parsed() -> None:
    checked = set(re.findall(r"// CHECK: (nn\.\w+)", OPS_FILE.read_text()))
    assert checked == {op.name for op in NN_OPS}

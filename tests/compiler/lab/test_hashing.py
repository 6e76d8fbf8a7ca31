"""The hash of IR sees what a program is, and not what its values are called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.parser import Parser

from compiler.lab.hashing import ir_hash, output_hash
from compiler.lab.subject import SubjectRequest
from dialects.context import OctetContext, make_context
from dialects.nn.constant import ConstantOp

TEXT = """
builtin.module {
  func.func @main(%x : tensor<2x3xf32> {nn.name = "x"}) -> tensor<2x3xf32> {
    %w = nn.constant <value = #nn.weight<"WEIGHT">> : () -> tensor<3x3xf32>
    %y = nn.matmul %x, %w : (tensor<2x3xf32>, tensor<3x3xf32>) -> tensor<2x3xf32>
    %z = nn.relu %y : (tensor<2x3xf32>) -> tensor<2x3xf32>
    func.return %z : tensor<2x3xf32>
  }
}
"""


def parsed(text: str, ctx: OctetContext | None = None) -> ModuleOp:
    return Parser(ctx or make_context(), text.replace("WEIGHT", "0" * 64)).parse_module()


names = st.text("abcdefgh_", min_size=1, max_size=5)


@settings(max_examples=40, deadline=None)
@given(st.lists(names, min_size=4, max_size=4, unique=True))
def test_names_of_values_do_not_matter(given_names: list[str]) -> None:
    text = TEXT
    for old, new in zip("xwyz", given_names, strict=True):
        text = text.replace(f"%{old} ", f"%n{new} ").replace(f"%{old},", f"%n{new},")
    assert ir_hash(parsed(text)) == ir_hash(parsed(TEXT))


def test_ops_attributes_types_and_weights_matter() -> None:
    base = ir_hash(parsed(TEXT))
    assert ir_hash(parsed(TEXT.replace("nn.relu", "nn.sigmoid"))) != base
    assert ir_hash(parsed(TEXT.replace("WEIGHT", "1" * 64))) != base
    assert ir_hash(parsed(TEXT.replace("tensor<2x3", "tensor<4x3"))) != base
    marked = parsed(TEXT)
    next(op for op in marked.walk() if op.name == "nn.relu").attributes["layer"] = StringAttr("a")
    assert ir_hash(marked) != base


def test_how_a_program_came_to_be_does_not_matter() -> None:
    module = parsed(TEXT)
    before = ir_hash(module)
    module.attributes["octet.pipeline"] = StringAttr("dce")
    assert ir_hash(module) == before
    assert "octet.pipeline" in module.attributes


def test_weights_count_by_their_contents() -> None:
    ctx = make_context()
    modules = []
    for value in (1.0, 1.0, 2.0):
        module = parsed(TEXT, ctx)
        old = next(op for op in module.walk() if isinstance(op, ConstantOp))
        new = ConstantOp.of(np.full((3, 3), value, np.float32), ctx.weights)
        old.properties["value"] = new.value
        modules.append(ir_hash(module))
    assert modules[0] == modules[1] != modules[2]


def test_the_hash_is_the_same_in_another_process(model: Path, data: Path) -> None:
    from compiler.lab.subject import Subject

    request = SubjectRequest(model, str(data))
    script = (
        "from pathlib import Path\n"
        "from compiler.lab.subject import Subject, SubjectRequest\n"
        f"print(Subject.open(SubjectRequest(Path({str(model)!r}), {str(data)!r})).root)\n"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert elsewhere.stdout.strip() == Subject.open(request).root


def test_outputs_count_to_the_bit() -> None:
    array = np.ones((2, 3), np.float32)
    other = np.nextafter(array, 2)
    assert output_hash([{"y": array}]) == output_hash([{"y": array.copy()}])
    assert output_hash([{"y": array}]) != output_hash([{"y": other}])
    assert output_hash([{"y": array}]) != output_hash([{"z": array}])
    assert output_hash([{"y": array}]) != output_hash([{"y": array.reshape(3, 2)}])

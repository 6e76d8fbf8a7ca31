"""The precision of a kernel is told from its buffers, whatever its attribute says."""

from __future__ import annotations

import pytest
from xdsl.ir import Operation
from xdsl.parser import Parser

from dialects.context import make_context
from dialects.kernel.precision import computed_precision
from dialects.program import body_of, main_function

Q = "!quant.uniform<u8:f32, 0.1>"


def kernel(operation: str, *operands: str) -> Operation:
    """The op that `operation` is, in a function of buffers of these types."""
    arguments = ", ".join(f"%{index} : {type}" for index, type in enumerate(operands))
    text = f"func.func @main({arguments}) {{\n%r = {operation}\nfunc.return\n}}"
    module = Parser(make_context(), text).parse_module()
    module.verify()
    op = body_of(main_function(module)).first_op
    assert op is not None
    return op


def buffer(element: str) -> str:
    return f"memref<4x{element}, #kernel.buffer<dense>>"


def call(name: str, operands: tuple[str, ...], result: str, attributes: str = "") -> Operation:
    types = [buffer(element) for element in operands]
    names = {1: ("x",), 2: ("lhs", "rhs")}[len(operands)]
    given = ", ".join(f"{name} = %{index}" for index, name in enumerate(names))
    return kernel(
        f'kernel.call "{name}" ({given}) {attributes} : ({", ".join(types)}) -> {buffer(result)}',
        *types,
    )


def loop(operand: str, result: str, attributes: str = "", rounds: str = "") -> Operation:
    body = "%b = arith.addf %a, %a : f32\n"
    if rounds:
        body += f"%c = arith.truncf %b : f32 to {rounds}\n%b2 = arith.extf %c : {rounds} to f32\n"
    value = "%b2" if rounds else "%b"
    return kernel(
        f"kernel.map (%0) {attributes} : ({buffer(operand)}) -> {buffer(result)} {{\n"
        f"^bb0(%a : f32):\n{body}kernel.yield {value} : f32\n}}",
        buffer(operand),
    )


@pytest.mark.parametrize(
    ("operands", "result", "expected"),
    [
        (("f32", "f32"), "f32", "f32"),
        (("bf16", "bf16"), "bf16", "bf16"),
        (("f16", "f16"), "f16", "f16"),
        ((Q, Q), Q, "int8"),
        (("i64", "i64"), "i64", None),
    ],
)
def test_calls(operands: tuple[str, ...], result: str, expected: str | None) -> None:
    for attributes in ("", "{precision = #nn<precision f32>}", "{precision = #nn<precision int8>}"):
        assert computed_precision(call("add", operands, result, attributes)) == expected


@pytest.mark.parametrize(
    ("operand", "result", "attribute", "rounds", "expected"),
    [
        ("f32", "f32", "int8", "", "f32"),
        ("f32", "f32", "bf16", "", "f32"),
        ("f32", "f32", "bf16", "bf16", "bf16"),
        ("bf16", "bf16", "bf16", "", "bf16"),
        ("f16", "f32", "f16", "", "f16"),
        # A float32 op that loads what its neighbour stored.
        ("bf16", "f32", "f32", "", "f32"),
        (Q, "f32", "f32", "", "f32"),
        (Q, "f32", "int8", "", "f32"),
    ],
)
def test_loops(operand: str, result: str, attribute: str, rounds: str, expected: str) -> None:
    op = loop(operand, result, f"{{precision = #nn<precision {attribute}>}}", rounds)
    assert computed_precision(op) == expected


def test_views_have_the_format_of_their_data() -> None:
    for element, expected in ((Q, "int8"), ("bf16", "bf16"), ("f32", "f32"), ("i64", None)):
        view = kernel(
            f"kernel.view %0 <shape = [2, 2]> : ({buffer(element)}) -> "
            f"memref<2x2x{element}, #kernel.buffer<dense>>",
            buffer(element),
        )
        assert computed_precision(view) == expected

"""Whatever is placed where, no op is lost on the way to kernels, and no float passes for int8."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.driver import Compilation, CompileRequest
from compiler.explain.rows import names_of
from dialects.kernel.loops import LoopOp
from dialects.kernel.ops import CallOp, buffer_element
from dialects.origin import computed_by
from dialects.program import body_of, main_function
from dialects.quant import UniformQuantizedType
from tests.compiler.explain.programs import CONV, UNIT, T, W

KINDS = {
    "conv": f"nn.conv {{x}}, %w <{CONV}> : ({T}, {W}) -> {T}",
    "relu": f"nn.relu {{x}} : ({T}) -> {T}",
    "sigmoid": f"nn.sigmoid {{x}} : ({T}) -> {T}",
    "softmax": f"nn.softmax {{x}} <axis = 1> : ({T}) -> {T}",
    "transpose": f"nn.transpose {{x}} <permutation = [0, 1, 3, 2]> : ({T}) -> {T}",
    "add": f"nn.add {{x}}, {{y}} : ({T}, {T}) -> {T}",
    "max_pool": "nn.max_pool {x} <kernel = [1, 1], strides = [1, 1], pads = [0, 0, 0, 0], "
    f"dilations = [1, 1], ceil_mode = false> : ({T}) -> {T}",
}
RULES = ("include", "bf16", "f16", "exclude")


@st.composite
def programs(draw: st.DrawFn) -> tuple[str, dict[str, tuple[str, ...]]]:
    """A program whose ops read any earlier values, and rules for some of its layers."""
    simplified = draw(st.booleans())
    # The convolution stays whatever is simplified: transposes alone may cancel to nothing.
    kinds = ["conv", *draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=8))]
    stage = "import" if simplified else "calibrate"
    lines = [
        f'builtin.module attributes {{octet.stage = "{stage}"}} {{',
        f"func.func @main(%0 : {T} {{nn.range = array<f64: -1.0, 1.0>}}) -> {T} {{",
        f"%w = nn.constant <value = dense<0.5> : {W}> : () -> {W}",
    ]
    options: dict[str, tuple[str, ...]] = {}
    for number, kind in enumerate(kinds, start=1):
        # The newest value is always read, so that every op matters to the result.
        other = draw(st.integers(0, number - 1))
        operation = KINDS[kind].format(x=f"%{number - 1}", y=f"%{other}")
        before, colon, after = operation.partition(" : ")
        lines.append(f'%{number} = {before} {{layer = "op{number}", {UNIT}}}{colon}{after}')
        rule = draw(st.sampled_from([None, *RULES]))
        # Simplifying may drop an op with its name; the first op of what is left always exists.
        selector = f"index:[{0 if simplified else number - 1}]"
        if rule is not None:
            options[rule] = (*options.get(rule, ()), selector)
    lines += [f"func.return %{len(kinds)} : {T}", "}", "}"]
    return "\n".join(lines), options


@settings(max_examples=60, deadline=None)
@given(programs())
def test_every_op_is_followed(program: tuple[str, dict[str, tuple[str, ...]]]) -> None:
    text, options = program
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.mlir"
        path.write_text(text)
        given_options = {**options, "pass_options": {"fuse-loops.min_elements": 1}}
        compilation = Compilation(CompileRequest(path, options=given_options))
        compilation.run()
    ops = list(body_of(main_function(compilation.module)).ops)
    kernels = computed_by(ops)
    for row in compilation.placements:
        assert row.kernels, f"nothing is left of {row}"
        assert row.decider not in ("lowering", "dce"), row
        named = {name for op in kernels[row.index] for name in names_of(op)}
        assert set(row.names) <= named
        for kernel, op in zip(row.kernels, kernels[row.index], strict=True):
            if kernel.precision == "int8" and isinstance(op, CallOp | LoopOp):
                elements = [buffer_element(value) for value in op.operands]
                assert any(isinstance(element, UniformQuantizedType) for element in elements)

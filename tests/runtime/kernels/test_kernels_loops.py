"""Generated loops: their text, and how it is compiled."""

from __future__ import annotations

import ast
import builtins
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from xdsl.dialects import arith
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from dialects.context import make_context
from dialects.kernel.loops import SCALAR_OPS, LoopOp
from runtime.emission.loops import loop_sources
from runtime.kernels import cache
from runtime.kernels.isa import cpu_features
from runtime.kernels.loop_source import EXPRESSIONS
from runtime.kernels.loops import NAMES, loop_kernel

F32 = "memref<{}xf32, #kernel.buffer<dense>>"


def program(rows: int, columns: int, layer: str = "norm", scalar: float = 0.5) -> ModuleOp:
    """A scaled softmax, and the scaled values as bytes."""
    x, y = F32.format(f"{rows}x{columns}"), F32.format(columns)
    q = f"memref<{rows}x{columns}x!quant.uniform<u8:f32, 0.1:3>, #kernel.buffer<dense>>"
    text = f"""
func.func @main(%0 : {x}, %1 : {y}) -> ({x}, {q}) {{
  %2, %3 = kernel.reduce (%0, %1) <axis = 1, scalars = [{scalar}]> {{layer = "{layer}"}}
      : ({x}, {y}) -> ({x}, {q}) {{
  ^bb0(%a : f32, %b : f32, %s : f32):
    %4 = arith.mulf %a, %s : f32
    %5 = arith.addf %4, %b : f32
    %6 = kernel.fold "max" %5 : f32
    %7 = arith.subf %5, %6 : f32
    %8 = math.exp %7 : f32
    %9 = kernel.fold "add" %8 : f32
    %10 = arith.divf %8, %9 : f32
    kernel.yield %10, %5 : f32, f32
  }}
  func.return %2, %3 : {x}, {q}
}}"""
    module = Parser(make_context(), text).parse_module()
    module.verify()
    return module


def text_of(module: ModuleOp) -> str:
    (text,) = loop_sources(module)
    return text


def test_every_scalar_op_has_an_expression():
    assert {*EXPRESSIONS, arith.ConstantOp, arith.CmpfOp} == {*SCALAR_OPS}


def test_text_is_python_of_known_names():
    """Nothing but arithmetic on the table's names and on variables of its own."""
    text = text_of(program(4, 64, layer="import os"))
    (function,) = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    assigned = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)}
    assigned -= {
        n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    parameters = {argument.arg for argument in function.args.args}
    assert assigned <= {*NAMES, *parameters, *dir(builtins)}
    assert not any(isinstance(n, ast.Attribute | ast.Import) for n in ast.walk(function))
    assert not any(
        isinstance(n, ast.Constant) and isinstance(n.value, str) for n in ast.walk(function)
    )


def test_one_text_per_structure():
    """Names, sizes, scalars and scales are not part of it."""
    assert text_of(program(4, 64)) == text_of(program(9, 33, layer="other", scalar=0.1))
    kernels = {loop_kernel(text_of(program(rows, 40))).key for rows in (2, 3)}
    assert len(kernels) == 1
    op = next(op for op in program(4, 64).walk() if isinstance(op, LoopOp))
    text = str(op.parent_op().parent_op()).replace("math.exp", "math.tanh")  # pyright: ignore[reportOptionalMemberAccess]
    changed = cast(ModuleOp, Parser(make_context(), text).parse_module())
    assert text_of(changed) != text_of(program(4, 64))


def test_text_does_not_depend_on_hash_seeds():
    script = (
        "from tests.runtime.kernels.test_kernels_loops import *; print(text_of(program(4, 64)))"
    )
    # All else as here: the text depends on the CPU that numba is told.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    texts = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {text_of(program(4, 64)) + "\n"}


def test_exponentials_are_kept_in_the_result():
    text = text_of(program(4, 64))
    assert text.count("exp(") == 1
    assert "again0(" in text


@pytest.mark.skipif("+avx512f" not in cpu_features(), reason="looks for 512-bit registers")
def test_loops_are_vectorized():
    """No scalar division or exponential's shift is left but those of loop tails and rows."""
    _, code = cache.compile_kernel(loop_kernel(text_of(program(4, 64))))
    # EVEX-encoded instructions of 512 bits: P0 = 0x62, and L'L = 10 in the fourth byte.
    assert len(re.findall(rb"\x62[\s\S][\s\S][\x48-\x4f]", code)) > 20

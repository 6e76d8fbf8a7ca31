"""Functions of one 16-bit float as tables of all their results.

A bfloat16 or float16 has 65536 values, so that any chain of ops from one to another is a table of
128 KB. Activations have few exponents: the lines of the table that they touch stay in the first
cache, and looking an element up takes two loads, where computing a GELU takes over 60 instructions.
The table is computed by the loop that it stands for, when a plan is made, and so has its bits.
"""

from __future__ import annotations

import numpy as np

from dialects.cost import LEAST_TABULATED, instructions_of
from dialects.elements import HALVES
from dialects.kernel.loops import LoopOp
from dialects.kernel.ops import buffer_element
from runtime.executor import run_calls
from runtime.kernels.abi import Call, View
from runtime.kernels.lookup import half_lookup_calls
from runtime.kernels.loops import Operand, loop_calls, plan_loop

_LEAST_ELEMENTS = 4096
"""Below it the lines of the table have to be fetched about as often as they are used."""

_VALUES = 1 << 16
_tables: dict[tuple[str, tuple[float, ...]], np.ndarray] = {}
"""By the loop's text and its scalars."""


def half_table_calls(op: LoopOp, x: View, y: View) -> list[Call]:
    """The call that looks up what `op`, for which `is_half_function` holds, computes."""
    return half_lookup_calls(x, y, _table_of(op, x.dtype, y.dtype))


def is_half_function(op: LoopOp, inputs: list[Operand], results: list[Operand]) -> bool:
    """Whether a loop is a long function of one 16-bit float whose result is another, for so many
    elements that a table pays."""
    values = (*op.inputs, *op.results)
    if op.row_axis is not None or len(inputs) != 1 or len(results) != 1:
        return False
    if any(buffer_element(value) not in HALVES for value in values):
        return False
    long = sum(map(instructions_of, op.ops())) >= LEAST_TABULATED
    return long and results[0].view.size >= _LEAST_ELEMENTS


def _table_of(op: LoopOp, x: np.dtype, y: np.dtype) -> np.ndarray:
    """The result's bits for all bits of the operand."""
    bits = np.arange(_VALUES, dtype=np.uint16).view(x)
    table = np.empty(_VALUES, np.uint16)
    operands = [Operand(View.of(bits))], [Operand(View.of(table.view(y)))]
    loop = plan_loop(op, *operands)
    if loop is None:
        raise AssertionError("a table of no elements")
    key = loop.text, op.scalar_values
    if key not in _tables:
        run_calls(loop_calls(op, *operands))
        _tables[key] = table
    return _tables[key]

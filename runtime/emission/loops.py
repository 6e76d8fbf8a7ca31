"""Loop ops: the call of the kernel generated from their body, and its source to read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from dialects.elements import dtype_of
from dialects.kernel.loops import LoopOp
from dialects.kernel.ops import ConstantOp, buffer_element, buffer_shape, layout_of
from dialects.program import body_of, main_function
from runtime.emission.half_tables import half_table_calls, is_half_function
from runtime.emission.site import Memory, quantization_of
from runtime.kernels.abi import Call, View, contiguous_strides
from runtime.kernels.loops import Operand, loop_calls, plan_loop


def emit_loop(op: LoopOp, memory: Memory) -> list[Call]:
    """The calls of a loop op on buffers in memory."""

    def operands(values: Iterable[SSAValue]) -> list[Operand]:
        return [Operand(memory.view(value), quantization_of(value)) for value in values]

    inputs, results = operands(op.inputs), operands(op.results)
    if is_half_function(op, inputs, results):
        return half_table_calls(op, inputs[0].view, results[0].view)
    return loop_calls(op, inputs, results)


def loop_sources(module: ModuleOp) -> dict[str, list[str]]:
    """The generated texts of a program's loops, in program order, each with its users' names."""
    sources: dict[str, list[str]] = {}
    for op in body_of(main_function(module)).ops:
        if not isinstance(op, LoopOp):
            continue
        loop = plan_loop(op, [*map(_anywhere, op.inputs)], [*map(_anywhere, op.results)])
        if loop is not None:
            sources.setdefault(loop.text, []).append(op.source_name)
    return sources


_HEADER = """\
# The loops of a program, in numba's Python: one function per structure, which serves all sizes.
# The names they use are in the table NAMES of runtime/kernels/loops.py.
"""


def loops_text(module: ModuleOp) -> str:
    """A Python file with the generated source of every loop, and which layers it computes."""
    parts = [_HEADER]
    for source, users in loop_sources(module).items():
        digest = hashlib.sha256(source.encode()).hexdigest()[:12]
        # A name may hold anything: its repr stays within the comment.
        lines = "".join(f"#   {user!r}\n" for user in users)
        parts.append(f"\n\n# loop {digest}\n{lines}{source}")
    return "".join(parts)


def _anywhere(value: SSAValue) -> Operand:
    """A buffer as its text sees it: shape and strides, at no address."""
    shape, dtype = buffer_shape(value), dtype_of(buffer_element(value))
    constant = isinstance(value.owner, ConstantOp)
    strides = contiguous_strides(shape) if constant else layout_of(value).strides(shape)
    return Operand(View(0, shape, strides, dtype), quantization_of(value))

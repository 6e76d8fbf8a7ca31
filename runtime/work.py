"""How long kernel calls take, estimated: from it follows which of them threads share.

The estimate is that of `dialects.cost`, from the call's buffers as they are. It decides only who
computes what, never what is computed, so being wrong by a factor of two costs little.
"""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from dialects.cost import (
    LEAST_TABULATED,
    Work,
    conversion_work,
    instructions_of,
    nanoseconds,
    stored_bytes,
    work_of,
)
from dialects.elements import HALVES, dtype_of
from dialects.kernel.loops import Launch, LoopOp
from dialects.kernel.ops import buffer_element, buffer_shape
from dialects.kernel.signatures import CONVERSIONS, signatures
from dialects.nn.base import NnOp
from dialects.rates import Rates

_CONVERSIONS = frozenset({"cast", *(conversion.name for conversion in CONVERSIONS)})


def call_macs(op: Launch) -> int:
    """Multiply-accumulates of a kernel call; a loop multiplies no matrices."""
    if isinstance(op, LoopOp):
        return 0
    kind = signatures()[op.callee.data].op
    if kind is None or not issubclass(kind, NnOp) or kind.macs is NnOp.macs:
        return 0  # most ops; spares building one
    tensor_op = op.tensor_op()
    return tensor_op.macs() if isinstance(tensor_op, NnOp) else 0


def loop_instructions(op: LoopOp) -> int:
    """Scalar instructions of a loop: those of its body for each element."""
    shape = op.iteration_shape([buffer_shape(value) for value in op.inputs])
    return int(np.prod(shape)) * sum(map(instructions_of, op.ops()))


def buffer_elements(value: SSAValue) -> int:
    """Elements of a buffer's interior."""
    return int(np.prod(buffer_shape(value)))


def buffer_bytes(value: SSAValue) -> int:
    """Bytes of a buffer's interior."""
    return buffer_elements(value) * dtype_of(buffer_element(value)).itemsize


def call_bytes(op: Launch) -> int:
    """Bytes of operands read and results written, were each touched once."""
    return sum(buffer_bytes(value) for value in (*op.operands, *op.results))


def precision_of(op: Launch) -> str:
    """`int8`, `bf16`, `f16` or `f32`: how a call computes."""
    return str(op.precision.data) if op.precision is not None else "f32"


def call_work(op: Launch, lanes: float) -> Work:
    """What a kernel call asks of a core; `lanes` is `Rates.lanes`."""
    if isinstance(op, LoopOp):
        return _loop_work(op)
    if op.kernel_name in _CONVERSIONS:
        return _conversion_work(op)
    tensor_op = op.tensor_op()
    assert isinstance(tensor_op, NnOp)
    return work_of(tensor_op, precision_of(op), stored_bytes, lanes)


def _loop_work(op: LoopOp) -> Work:
    halves = all(buffer_element(value) in HALVES for value in (*op.inputs, *op.results))
    tabulated = halves and op.row_axis is None and len(op.inputs) == len(op.results) == 1
    if tabulated and sum(map(instructions_of, op.ops())) >= LEAST_TABULATED:
        counts = {"lookups": buffer_elements(op.results[0])}
    else:
        counts = {"instructions": loop_instructions(op)}
    return Work(precision_of(op), counts, call_bytes(op))


def _conversion_work(op: Launch) -> Work:
    """Between two element types, the narrower of which says how fast; a copy changes the layout."""
    (source, *_), (result, *_) = op.inputs, op.results
    sizes = [dtype_of(buffer_element(value)).itemsize for value in (source, result)]
    narrow = {1: "int8", 2: "bf16"}.get(min(sizes), "f32")
    return conversion_work(buffer_elements(result), narrow, call_bytes(op))


def estimated_ns(op: Launch, rates: Rates) -> float:
    """How long a call takes on one thread."""
    return nanoseconds(call_work(op, rates.lanes), rates)

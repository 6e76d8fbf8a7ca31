"""How long kernel calls take, estimated: from it follows which of them threads share.

The estimate is a roofline (Williams, Waterman and Patterson, 2009): a call takes as long as its
multiplications or its memory traffic, whichever is more.  It decides only who computes what, never
what is computed, so being wrong by a factor of two costs little.
"""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from dialects.elements import dtype_of
from dialects.kernel.loops import Launch, LoopOp
from dialects.kernel.ops import buffer_element, buffer_shape
from dialects.nn.base import NnOp
from runtime.kernels.isa import Isa
from runtime.kernels.loop_source import instructions_of

_MACS_PER_NS: dict[str, tuple[float, float, float]] = {
    "amx": (900, 450, 80),
    "avx512_bf16": (300, 150, 80),
    "avx512_vnni": (300, 80, 80),
    "avx512bw": (130, 80, 80),
    "avx_vnni": (150, 40, 40),
    "avx2": (65, 40, 40),
    "portable": (8, 4, 8),
}
"""Multiply-accumulates per ns on one core that good kernels reach: int8, bf16, f32."""

_BYTES_PER_NS = 12.0
"""What a simple loop reads and writes in the second-level cache; memory is slower."""

_INSTRUCTIONS_PER_NS = 40.0
"""Scalar instructions that the vectorized loop of a written-out body does."""

_CALL_NS = 100.0


def call_macs(op: Launch) -> int:
    """Multiply-accumulates of a kernel call; a loop multiplies no matrices."""
    if isinstance(op, LoopOp):
        return 0
    tensor_op = op.tensor_op()
    return tensor_op.macs() if isinstance(tensor_op, NnOp) else 0


def loop_instructions(op: LoopOp) -> int:
    """Scalar instructions of a loop: those of its body for each element."""
    shape = op.iteration_shape([buffer_shape(value) for value in op.inputs])
    return int(np.prod(shape)) * sum(map(instructions_of, op.ops()))


def buffer_bytes(value: SSAValue) -> int:
    """Bytes of a buffer's interior."""
    return int(np.prod(buffer_shape(value))) * dtype_of(buffer_element(value)).itemsize


def call_bytes(op: Launch) -> int:
    """Bytes of operands read and results written, were each touched once."""
    return sum(buffer_bytes(value) for value in (*op.operands, *op.results))


def precision_of(op: Launch) -> str:
    """`int8`, `bf16`, `f16` or `f32`: how a call computes."""
    return str(op.precision.data) if op.precision is not None else "f32"


def estimated_ns(op: Launch, isa: Isa) -> float:
    """How long a call takes on one thread."""
    int8, bf16, f32 = _MACS_PER_NS[isa.name]
    rate = {"int8": int8, "bf16": bf16}.get(precision_of(op), f32)
    if isinstance(op, LoopOp):
        computing = loop_instructions(op) / _INSTRUCTIONS_PER_NS
    else:
        computing = call_macs(op) / rate
    return _CALL_NS + max(computing, call_bytes(op) / _BYTES_PER_NS)

"""What a kernel really computes in, told from its buffers and not from what it was meant to."""

from __future__ import annotations

from collections.abc import Iterable

from xdsl.dialects import arith
from xdsl.dialects.builtin import f32, f64
from xdsl.ir import Attribute, Operation, SSAValue

from dialects.elements import HALVES, is_quantized
from dialects.kernel.join import JoinOp
from dialects.kernel.loops import LoopOp
from dialects.kernel.ops import CallOp, ConstantOp, ViewOp, buffer_element
from dialects.kernel.part import PartOp
from dialects.nn.attributes import HALF_PRECISIONS, Precision

INTEGER_KERNELS = frozenset(
    {"conv_integer", "matmul_integer", "matmul_dynamic", "dynamic_quantize"}
)
"""Kernels on raw bytes whose scales are values of the run."""

CONVERSION_KERNELS = frozenset({"quantize", "dequantize", "storage_cast", "cast"})
"""Kernels that only change how numbers are stored."""


def format_of(value: SSAValue) -> Precision | None:
    """The number format a buffer or tensor holds; None for indices, booleans and raw integers."""
    return _format(buffer_element(value))


def _format(element: Attribute) -> Precision | None:
    if is_quantized(element):
        return Precision.INT8
    if element in HALVES:
        return Precision(str(element))
    return Precision.F32 if element in (f32, f64) else None


def computed_precision(op: Operation) -> Precision | None:
    """The precision of a kernel op's arithmetic; None if it does none on real numbers.

    Integers are int8: the operands decide, since a product of bytes may give float sums. A kernel
    on 16-bit floats counts as that, whatever its sums are kept in; so does a loop placed in 16 bits
    that rounds to them. A loop that only loads or stores other formats computes in float32. What
    moves data has the format of the data.
    """
    match op:
        case LoopOp():
            return _of_loop(op)
        case CallOp() if op.callee.data in INTEGER_KERNELS:
            return Precision.INT8
        case CallOp() | ViewOp() | JoinOp() | PartOp():
            varying = [v for v in op.operands if not isinstance(v.owner, ConstantOp)]
            return _lowest(varying) or _lowest(op.operands) or _lowest(op.results)
        case _:
            return None


def _lowest(values: Iterable[SSAValue]) -> Precision | None:
    """Bytes if any value holds them, else 16-bit floats, else float32."""
    found = {format_of(value) for value in values}
    order = (Precision.INT8, Precision.BF16, Precision.F16, Precision.F32)
    return next((precision for precision in order if precision in found), None)


def _of_loop(op: LoopOp) -> Precision | None:
    """A loop placed in 16 bits is that if it rounds to them, in its buffers or in between."""
    rounded = [
        _format(inner.result.type) for inner in op.ops() if isinstance(inner, arith.TruncFOp)
    ]
    buffers = [format_of(value) for value in (*op.inputs, *op.buffers)]
    placed = None if op.precision is None else op.precision.data
    if placed in HALF_PRECISIONS and placed in (*rounded, *buffers):
        return placed
    return Precision.F32 if any(buffers) else None

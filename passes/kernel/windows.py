"""Which buffers can lie within, or be read from, the memory of a larger one."""

from __future__ import annotations

from dialects.kernel.layout import BufferAttr
from dialects.kernel.loops import MapOp
from dialects.kernel.ops import CallOp
from dialects.kernel.part import PartOp
from dialects.kernel.signatures import signatures


def takes_strides(op: object) -> bool:
    """Whether an op does not need its buffers to be contiguous."""
    if isinstance(op, PartOp):
        return True
    return isinstance(op, CallOp) and signatures()[op.callee.data].layout != "dense"


def reads_strides(op: object) -> bool:
    """Whether an op does not need its operands to be contiguous. Loops along rows do."""
    return isinstance(op, MapOp) or takes_strides(op)


def halo_within(layout: BufferAttr, whole: BufferAttr) -> bool:
    """Whether the halo of the whole is wide enough for the part."""
    have = whole.halo_widths or (0,) * len(layout.halo_widths)
    return all(width <= wide for width, wide in zip(layout.halo_widths, have, strict=False))

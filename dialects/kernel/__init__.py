"""The `kernel` dialect: a program as kernel calls on buffers in one arena.

layout.py       how a buffer lies in memory
signatures.py   what can be called
ops.py          constants, calls, views
join.py         buffers that others are windows of
part.py         windows of buffers
loops.py        loops whose body is written out
"""

from __future__ import annotations

from xdsl.ir import Dialect

from dialects.kernel.join import JoinOp
from dialects.kernel.layout import BufferAttr
from dialects.kernel.loops import LOOP_OPS
from dialects.kernel.ops import CallOp, ConstantOp, ViewOp
from dialects.kernel.part import PartOp

Kernel = Dialect("kernel", [ConstantOp, CallOp, ViewOp, JoinOp, PartOp, *LOOP_OPS], [BufferAttr])

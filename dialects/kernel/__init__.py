"""The `kernel` dialect: a program as kernel calls on buffers in one arena.

layout.py       how a buffer lies in memory
signatures.py   what can be called
ops.py          constants, calls, views
loops.py        loops whose body is written out
"""

from __future__ import annotations

from xdsl.ir import Dialect

from dialects.kernel.layout import BufferAttr
from dialects.kernel.loops import LOOP_OPS
from dialects.kernel.ops import KERNEL_OPS

Kernel = Dialect("kernel", [*KERNEL_OPS, *LOOP_OPS], [BufferAttr])

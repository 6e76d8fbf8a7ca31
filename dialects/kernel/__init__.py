"""The `kernel` dialect: a program as kernel calls on buffers in one arena.

layout.py       how a buffer lies in memory
signatures.py   what can be called
ops.py          constants, calls, views
"""

from __future__ import annotations

from xdsl.ir import Dialect

from dialects.kernel.layout import BufferAttr
from dialects.kernel.ops import KERNEL_OPS

Kernel = Dialect("kernel", list(KERNEL_OPS), [BufferAttr])

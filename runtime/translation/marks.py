"""What kernels tell the translator; to numba the marks mean nothing."""

from __future__ import annotations

from numba.extending import register_jitable


@register_jitable
def unrolled(count: int) -> range:
    """`range(count)`, the loop to be unrolled.

    LLVM makes vectors of most inner loops. Those that stay scalar are often of the ways through a
    kernel that are seldom taken, and unrolled they would be most of its code: it unrolls loops only
    where it is told.
    """
    return range(count)


@register_jitable
def rolled(count: int) -> range:
    """`range(count)`, the loop to be left one although its few steps are known: made vectors of
    as it is, not steps."""
    return range(count)


@register_jitable
def seldom(condition: bool) -> bool:
    """The condition of an `if` that seldom holds: a branch, which the CPU predicts, is faster than
    computing what follows always and choosing."""
    return condition

"""What LLVM is told about loops."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

NOT_UNROLLED = "llvm.loop.unroll.runtime.disable"
"""Loops of a few steps that are known may still become those steps; and vectors may interleave."""

ROLLED = "llvm.loop.unroll.disable"


def loop_hint(module: ir.Module, hint: str) -> Any:
    """A node for a loop's last branch: it begins with itself, by which LLVM tells loops apart."""
    hints = module.add_metadata([ir.MetaDataString(module, hint)])
    loop = ir.values.MDValue(module, [hints], name=str(len(module.metadata)))
    loop.operands = (loop, hints)
    return loop

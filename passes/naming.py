"""What a fused op keeps of the ops it was made from: their source names, the last one's range."""

from __future__ import annotations

from dialects.nn.base import NnOp
from dialects.nn.naming import absorb


def take_range(into: NnOp, last: NnOp) -> None:
    """Gives `into` the calibrated range of `last`, whose value it now computes; none if none."""
    into.range = last.range


def same_placement(*ops: NnOp) -> bool:
    """The ops may become one: no two of them were given different precisions."""
    return len({op.precision for op in ops if op.precision is not None}) <= 1


__all__ = ["absorb", "same_placement", "take_range"]

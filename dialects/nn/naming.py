"""Source names survive fusion: the op that is left answers to the names of those it replaced."""

from __future__ import annotations

from xdsl.dialects.builtin import ArrayAttr, StringAttr

from dialects.nn.base import NnOp
from dialects.origin import set_indices


def absorb(into: NnOp, *ops: NnOp) -> None:
    """Adds the source names of `ops` to those `into` has absorbed, each once, in order.

    The `layer` of `into` stays. Placement selectors bind to any of an op's names, so a rule
    written for `Relu_3` still holds after that ReLU was fused into `Conv_2`. Where the ops were
    numbered, `into` computes theirs as well.
    """
    set_indices(into, into, *ops)
    own = into.layer.data if into.layer is not None else None
    everything = (*into.names, *(name for op in ops for name in op.names))
    names = [name for name in dict.fromkeys(everything) if name != own]
    if names:
        into.absorbed = ArrayAttr([StringAttr(name) for name in names])

"""Which positions of a sequence count: those that attention is not masked from.

Sentences of a batch are padded to one length, and the mask of attention keeps the padding out of
the results. What layers do to it does not matter, but it is most of the positions where sentences
are short: statistics taken over all of them would be about padding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from dialects.context import Feed, OctetContext
from dialects.nn.attention import AttentionOp
from dialects.program import body_of, input_names, main_function, nn_ops
from runtime.reference.evaluate import evaluate_op

MASKED = -1e3
"""A score lowered by this much leaves nothing of a softmax. Masks hold -1e4, -65504 or less."""

Attended = Mapping[tuple[int, int], np.ndarray]
"""For batch and length, which positions count: bool [batch, length]."""


def attended_positions(
    module: ModuleOp, feeds: Sequence[Feed], ctx: OctetContext
) -> list[Attended]:
    """Per batch of inputs: the keys that some query of some attention may see."""
    attentions = [op for op in nn_ops(module) if isinstance(op, AttentionOp)]
    masked = [op for op in attentions if op.mask is not None]
    if not masked:
        return [{} for _ in feeds]
    function = main_function(module)
    needed = _behind([op.mask for op in masked if op.mask is not None])
    ops = [op for op in body_of(function).ops if op in needed]
    found: list[Attended] = []
    for feed in feeds:
        values: dict[SSAValue, np.ndarray] = {
            argument: np.asarray(feed[name])
            for name, argument in zip(input_names(function), body_of(function).args, strict=True)
        }
        for op in ops:
            results = evaluate_op(op, [values[operand] for operand in op.operands], ctx.weights)
            values.update(zip(op.results, results, strict=True))
        batch = max((len(array) for array in feed.values() if np.ndim(array)), default=1)
        counted: dict[tuple[int, int], np.ndarray] = {}
        for op in masked:
            assert op.mask is not None
            visible = _visible(values[op.mask], batch)
            counted[visible.shape] = counted.get(visible.shape, False) | visible
        found.append({shape: visible for shape, visible in counted.items() if visible.any()})
    return found


def _visible(mask: np.ndarray, batch: int) -> np.ndarray:
    """bool [batch, keys] of a mask that broadcasts to [batch, heads, queries, keys]."""
    seen = mask > MASKED
    seen = seen.reshape((1,) * (4 - seen.ndim) + seen.shape)
    keys = np.asarray(seen.any(axis=(1, 2)))
    return np.broadcast_to(keys, (batch if len(keys) == 1 else len(keys), mask.shape[-1]))


def _behind(values: Sequence[SSAValue]) -> set[Operation]:
    """The ops that `values` are computed by."""
    found: set[Operation] = set()
    pending = list(values)
    while pending:
        op = pending.pop().owner
        if isinstance(op, Operation) and op not in found:
            found.add(op)
            pending.extend(op.operands)
    return found


def only_attended(array: np.ndarray, attended: Attended) -> list[np.ndarray]:
    """Per sample of `array` [batch, length, ..], the positions that count; all where none is known
    not to."""
    seen = attended.get(array.shape[:2]) if array.ndim == 3 else None
    if seen is None:
        return list(array)
    return [sample[positions] for sample, positions in zip(array, seen, strict=True)]

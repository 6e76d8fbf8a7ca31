"""Programs that need their channels rescaled: they compute what well-balanced ones compute."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from xdsl.rewriter import InsertPoint, Rewriter

from dialects.nn.constant import ConstantOp


def uneven(net: Any, layers: Sequence[str], decades: float, seed: int = 0) -> Any:
    """Between each two of `layers`, convolutions in a chain with ReLU between them, multiplies
    channels by factors 10^(-decades/2 .. decades/2), and divides by them in the next."""
    random = np.random.default_rng(seed)
    for first, second in pairwise(layers):
        before, behind = net.layers()[first], net.layers()[second]
        factors = 10 ** random.uniform(-decades / 2, decades / 2, size=len(array(net, before, 1)))
        put(net, before, 1, array(net, before, 1) * factors[:, None, None, None])
        put(net, before, 2, array(net, before, 2) * factors)
        weight = array(net, behind, 1)
        depthwise = weight.shape[1] == 1
        shape = (-1, 1, 1, 1) if depthwise else (1, -1, 1, 1)
        put(net, behind, 1, weight / factors.reshape(shape))
    return net


def array(net: Any, op: Any, index: int) -> np.ndarray:
    return op.operands[index].owner.array(net.ctx.weights)


def put(net: Any, op: Any, index: int, values: np.ndarray) -> None:
    constant = ConstantOp.of(values.astype(np.float32), net.ctx.weights)
    Rewriter.insert_op(constant, InsertPoint.before(op))
    op.operands[index] = constant.result

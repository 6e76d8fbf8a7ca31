"""ONNX Runtime's matrix product with weights of few bits."""

from __future__ import annotations

import math

import numpy as np
from xdsl.dialects.builtin import f32

from dialects.errors import OctetError
from dialects.nn.quantized_linear import BITS, MatmulNBitsOp

from ..node import NodeContext
from ..registry import MICROSOFT, importer
from ..values import Tensor

_GROUP_INDEX, _BIAS = 4, 5


@importer("MatMulNBits", domain=MICROSOFT)
def import_matmul_nbits(node: NodeContext) -> Tensor:
    k, n = node.integer("K"), node.integer("N")
    bits, size = node.integer("bits", 4), node.integer("block_size")
    node.ignore("accuracy_level")  # how much less exact than float32 it may be
    node.only("weight_prepacked", 0)
    if bits not in BITS:
        raise OctetError(f"attribute bits = {bits} is not supported; expected 4 or 8")
    if k < 1 or n < 1 or size < 1 or size * bits % 8:
        raise OctetError(
            f"attributes K = {k}, N = {n}, block_size = {size}: expected sizes of at least 1, and "
            f"a block of {bits}-bit weights to be whole bytes"
        )
    if node.has(_GROUP_INDEX):
        raise OctetError(
            "operand g_idx, weights in another order than that of their groups, is not supported; "
            "export the model without it (act-order)"
        )
    a = node.operand(0)
    if a.element != f32:
        raise OctetError(f"operand A is {a.element}; only float32 activations are supported")
    if a.shape[-1:] != (k,):
        raise OctetError(f"operand A has shape {list(a.shape)}, but attribute K is {k}")
    blocks = -(-k // size)
    b = _array(node, 1, "weight B", np.uint8, (n, blocks, size * bits // 8))
    scales = _array(node, 2, "scales", np.float32, (n, blocks))
    zeros = node.known(_zero_points(node, n, blocks, bits)) if node.has(3) else None
    bias = node.known(_array(node, _BIAS, "bias", np.float32, (n,))) if node.has(_BIAS) else None
    return node.emit(
        MatmulNBitsOp, a, node.known(b), node.known(scales), zeros, bias, bits=bits, block_size=size
    )


def _array(
    node: NodeContext, index: int, what: str, dtype: type, shape: tuple[int, ...]
) -> np.ndarray:
    """A constant operand that may be flat. Raises OctetError if its type or size is another."""
    array = node.constant(index, what)
    if array.dtype != dtype or array.size != math.prod(shape):
        raise OctetError(
            f"its {what} is {array.dtype} {list(array.shape)}, expected {np.dtype(dtype)} "
            f"{list(shape)}"
        )
    if array.dtype == np.float32 and not np.isfinite(array).all():
        raise OctetError(f"its {what} contains infinite values")
    return np.ascontiguousarray(array.reshape(shape))


def _zero_points(node: NodeContext, n: int, blocks: int, bits: int) -> np.ndarray:
    """uint8 [N, blocks], one a byte; ONNX Runtime packs them, a row to whole bytes."""
    width = -(-blocks * bits // 8)
    packed = _array(node, 3, "zero points (packed)", np.uint8, (n, width))
    if bits == 8:
        return packed
    nibbles = np.stack([packed & np.uint8(15), packed >> np.uint8(4)], axis=-1)
    return np.ascontiguousarray(nibbles.reshape(n, -1)[:, :blocks])

"""Pass `quantize-weights`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from dialects.context import OctetContext
from dialects.nn.base import NnOp
from dialects.nn.constant import ConstantOp
from dialects.nn.linear import MatmulOp
from dialects.nn.quantized_linear import MatmulNBitsOp
from passes.base import Numerics, OctetPass
from passes.facts import ON_TENSORS, PRECISION_PLACED
from runtime.reference.blocks import middle, pack_blocks

INT4_GROUP = 32
"""Weights of 4 bits that share a scale where nothing was said."""

SHRUNK = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""Shares of a group's range that are tried: clamping a few outliers pays where the others get finer
steps. The best has the least squared error."""

_LEAST = np.float32(2.0**-100)
"""Weights whose scale would be less are zero."""
_COLUMNS = 1 << 10


@dataclass(frozen=True)
class QuantizeWeightsPass(OctetPass):
    """Stores the weights of matrix products in few bits, where placement says so.

    Before:

        %w = nn.constant <..> : tensor<384x1536xf32>
        %1 = nn.matmul %0, %w {linear_format = #nn.linear_format<weights = "int4">, ..} : ..

    After:

        %b = nn.constant <..> : tensor<1536x12x16xui8>
        %s = nn.constant <..> : tensor<1536x12xf32>
        %z = nn.constant <..> : tensor<1536x12xui8>
        %1 = nn.matmul_nbits %0, %b, %s, zero_points = %z <bits = 4, block_size = 32> {..} : ..

    Weight-only quantization: activations stay float32 and so do the products, what is saved is
    memory. Groups of `group_size` weights along K share a scale: without one, 32 for int4, and for
    int8 all of a column. int8 weights are symmetric. int4 weights have a zero point per group,
    unless `symmetric`, and of seven ranges of a group, from all of it to 70 %, the one with the
    least squared error.

    Does not fire on products whose `linear_format` has dynamic activations, or none.
    """

    name = "quantize-weights"
    NUMERICS: ClassVar = Numerics.QUANTIZES
    REQUIRES: ClassVar = frozenset({ON_TENSORS, PRECISION_PLACED})

    symmetric: bool = False

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self.rewrite(ctx, module, [StoreInFewBits(ctx, self.symmetric)])


@dataclass
class StoreInFewBits(RewritePattern):
    """A matrix product with a float weight, as one with a weight in blocks."""

    ctx: OctetContext
    symmetric: bool

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        if not isinstance(op, MatmulOp) or op.linear_format is None:
            return
        format, constant = op.linear_format.format, op.b.owner
        if format.weights is None or format.is_dynamic or not isinstance(constant, ConstantOp):
            return
        weight = constant.array(self.ctx.weights)
        bits = 8 if format.weights == "int8" else 4
        # One group for a whole column of int8, of whole bytes in any case.
        size = format.group_size or (INT4_GROUP if bits == 4 else max(1, len(weight)))
        arrays = quantize_blocks(weight, bits, size, symmetric=self.symmetric or bits == 8)
        stored = [None if array is None else self._constant(array, constant) for array in arrays]
        new = MatmulNBitsOp.make(
            op.a,
            *(None if each is None else each.result for each in stored),
            op.bias,
            op.residual,
            bits=bits,
            block_size=size,
            activation=op.activation,
        )
        keep_attributes(new, op)
        rewriter.replace(op, [*(each for each in stored if each is not None), new])
        if not constant.result.uses:
            rewriter.erase(constant)

    def _constant(self, array: np.ndarray, source: ConstantOp) -> ConstantOp:
        constant = ConstantOp.of(array, self.ctx.weights)
        constant.layer = source.layer
        return constant


def keep_attributes(new: NnOp, old: MatmulOp) -> None:
    """The names, placement and range of `old`; its format has been carried out."""
    new.attributes.update(
        {name: value for name, value in old.attributes.items() if name not in _CARRIED_OUT}
    )


_CARRIED_OUT = ("linear_format", "weight_scheme")


def quantize_blocks(
    weight: np.ndarray, bits: int, size: int, *, symmetric: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """float32 weights [K, N] in blocks of `size`: packed bytes, scales and zero points, as
    `nn.matmul_nbits` takes them. Symmetric ones have no zero points."""
    k, n = weight.shape
    blocks = -(-k // size)
    stored = np.empty((n, blocks, size), np.uint8)
    scales = np.empty((n, blocks), np.float32)
    zeros = np.empty((n, blocks), np.uint8)
    for first in range(0, n, _COLUMNS):  # memory: some copies of so many columns
        part = slice(first, min(first + _COLUMNS, n))
        padded = np.zeros((part.stop - first, blocks * size), np.float32)
        padded[:, :k] = weight[:, part].T
        groups = padded.reshape(-1, blocks, size)
        scales[part], zeros[part] = _scales(groups, bits, symmetric)
        stored[part] = _rounded(groups, scales[part], zeros[part], bits)
    return pack_blocks(stored, bits), scales, None if symmetric else zeros


def _scales(groups: np.ndarray, bits: int, symmetric: bool) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point of every group [.., size]: of those that are tried, the best."""
    low = groups.min(axis=-1, initial=0.0)
    high = groups.max(axis=-1, initial=0.0)
    chosen: tuple[np.ndarray, np.ndarray] | None = None
    least = steps = np.zeros(low.shape, np.float32)
    for share in SHRUNK if bits < 8 else SHRUNK[:1]:
        scale, zero = _of_range(low * np.float32(share), high * np.float32(share), bits, symmetric)
        stored = _rounded(groups, scale, zero, bits)
        real = (stored.astype(np.float32) - zero[..., None]) * scale[..., None]
        # In steps of the whole range: squares of great or little weights leave float32.
        steps = scale if chosen is None else steps
        real -= groups
        real /= steps[..., None]
        error = np.square(real, out=real).sum(axis=-1)
        if chosen is None:
            chosen, least = (scale, zero), error
            continue
        better = error < least
        chosen = np.where(better, scale, chosen[0]), np.where(better, zero, chosen[1])
        least = np.where(better, error, least)
    assert chosen is not None
    return chosen


def _of_range(
    low: np.ndarray, high: np.ndarray, bits: int, symmetric: bool
) -> tuple[np.ndarray, np.ndarray]:
    top = (1 << bits) - 1
    if symmetric:
        zero = np.full(low.shape, middle(bits), np.float32)
        scale = np.maximum(-low, high) / np.float32(top - middle(bits))
    else:
        scale = (high - low) / np.float32(top)
        zero = np.clip(np.rint(-low / np.maximum(scale, _LEAST)), 0, top).astype(np.float32)
    return np.where(scale > _LEAST, scale, np.float32(1)).astype(np.float32), zero


def _rounded(groups: np.ndarray, scale: np.ndarray, zero: np.ndarray, bits: int) -> np.ndarray:
    """uint8: round half to even, zero point added, saturated."""
    steps = np.rint(groups / scale[..., None]) + zero[..., None]
    return np.clip(steps, 0, (1 << bits) - 1, out=steps).astype(np.uint8)

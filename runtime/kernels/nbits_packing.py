"""Orders weights in blocks of few bits as generated code reads them (see `nbits_format`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from runtime.kernels.abi import aligned
from runtime.kernels.nbits_format import NIBBLES, BlockFormat
from runtime.reference.blocks import middle, unpack_blocks


@dataclass(frozen=True, eq=False)
class Blocks:
    """Weights as `nn.matmul_nbits` has them.

    stored: uint8 [N, blocks, size * bits / 8]; scales: float32 [N, blocks]; zero_points: uint8 [N,
    blocks], or None for the middle; size: weights of a block.
    """

    stored: np.ndarray
    scales: np.ndarray
    zero_points: np.ndarray | None
    bits: int
    size: int

    def packed(self, form: BlockFormat) -> np.ndarray:
        """The panels: uint8 [panels, bytes], padded with columns of zeros."""
        n, blocks = self.scales.shape
        panels = -(-n // form.columns)
        values = unpack_blocks(self.stored, self.bits).astype(np.int16) - middle(self.bits)
        depth = -(-self.size // form.step) * form.step
        padded = np.zeros((panels * form.columns, blocks, depth), np.int8)
        padded[:n, :, : self.size] = values
        lanes = (panels, form.vectors, form.lanes)
        parts = [_by_panel(self.scales, form, panels).view(np.uint8)]
        if self.zero_points is not None:
            zeros = (self.zero_points.astype(np.int16) - middle(self.bits)).astype(np.int8)
            parts.append(_by_panel(zeros, form, panels).view(np.uint8))
        # [panel][block][step][NR][L], of nibbles one word for a step.
        steps = padded.reshape(*lanes, blocks, -1, form.step).transpose(0, 3, 4, 1, 2, 5)
        if self.bits == 8:
            data = np.ascontiguousarray(steps[..., 0])
        else:
            data = np.zeros(steps.shape[:-1], np.uint32)
            for t in range(NIBBLES):
                data |= (steps[..., t].astype(np.uint32) & 15) << np.uint32(4 * t)
        parts.append(data.view(np.uint8).reshape(panels, blocks, -1))
        return aligned(np.concatenate(parts, axis=2).reshape(panels, -1))


def _by_panel(values: np.ndarray, form: BlockFormat, panels: int) -> np.ndarray:
    """[N, blocks] as [panels, blocks, columns]."""
    n, blocks = values.shape
    padded = np.zeros((panels * form.columns, blocks), values.dtype)
    padded[:n] = values
    return np.ascontiguousarray(padded.reshape(panels, form.columns, blocks).transpose(0, 2, 1))

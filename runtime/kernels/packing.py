"""Orders weights as the tiles read them, and keeps them aligned.

tile       [panel][segment][K / taps][NR][L][taps]    zero-padded in K and N  (see `tile`)
portable   [N][segment][K] int16 (integers, widened), [segment][K][N] float32
"""

from __future__ import annotations

import numpy as np

from runtime.kernels.abi import aligned
from runtime.kernels.multiply import Multiply


def pack_tiles(
    weights: np.ndarray, multiply: Multiply, vectors: int, order: np.ndarray | None = None
) -> np.ndarray:
    """Packs weights [segments, K, N] for tiles of `vectors` registers; the first axis is the panel.

    order: the channel of each of a panel's columns, if it is not that of the columns.
    """
    segments, k, n = weights.shape
    taps = 4 // weights.itemsize
    steps = -(-k // taps)
    columns = vectors * multiply.lanes
    panels = -(-n // columns)
    padded = np.zeros((segments, steps * taps, panels * columns), weights.dtype)
    padded[:, :k, :n] = weights
    if order is not None:
        padded = padded.reshape(segments, steps * taps, panels, columns)[..., order]
    groups = padded.reshape(segments, steps, taps, panels, vectors, multiply.lanes)
    return aligned(multiply.pack(groups.transpose(3, 0, 1, 4, 5, 2)))

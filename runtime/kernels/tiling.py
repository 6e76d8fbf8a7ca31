"""How a product is cut into tiles and panels.

A tile of MR x NR registers loads MR + NR operands for MR * NR multiplications, so large tiles are
good; MR * NR accumulators, NR weights and an activation must fit the registers; and a
multiplication has a latency, so there must be about ten accumulators or more.

Columns are cut into panels of equal width where that is possible (9 registers: 3 + 3 + 3, not 4 + 4
+ 1), rows into tiles whose heights differ by one at most.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.kernels.isa import AVX2, AVX512_BF16, AVX512_VNNI, AVX512BW, AVX_VNNI, Isa
from runtime.kernels.multiply import STEP_BYTES, ElementKind, Multiply

TILE_ROWS: dict[tuple[Isa, ElementKind], tuple[int, ...]] = {
    # The most rows for NR = 1, 2, ... registers (there are 32 zmm, 16 ymm).
    (AVX512_VNNI, "u8"): (12, 12, 8, 6),
    (AVX512BW, "u8"): (12, 8, 6, 4),
    (AVX_VNNI, "u8"): (10, 6),
    (AVX2, "u8"): (8, 4),
    (AVX512_BF16, "bf16"): (12, 12, 8, 6),
    (AVX512BW, "bf16"): (12, 8, 6, 4),
    (AVX2, "bf16"): (8, 4),
    (AVX512BW, "f16"): (12, 8, 6, 4),
    (AVX2, "f16"): (8, 4),
    (AVX512BW, "f32"): (12, 12, 8, 6),
    (AVX2, "f32"): (10, 6),
}

_BLOCK_BYTES = 512 * 1024
"""Activations per block of rows: with a panel's weights they fit a second-level cache of 1 MB."""


_PANEL_BYTES = 384 * 1024
"""Weights per panel and pass: all tiles read them, from the second-level cache if they fit."""


@dataclass(frozen=True)
class Tiling:
    """rows: of the higher tiles.  tiles: how many tiles the rows are split into.

    panels: (registers, number of panels) from the first column on; one or two widths.
    tiles_per_block: so many tiles' activations are read by all panels in turn.
    """

    rows: int
    tiles: int
    panels: tuple[tuple[int, int], ...]
    tiles_per_block: int
    widest: int


def choose_tiling(m: int, n: int, segments: int, k: int, multiply: Multiply) -> Tiling:
    """The tiling of a product [M, segments * K] x [segments * K, N]."""
    limits = TILE_ROWS[multiply.isa, multiply.kind]
    widest = len(limits)
    panels = _panel_widths(-(-n // multiply.lanes), widest)
    most = limits[panels[0][0] - 1]
    tiles = -(-m // most)
    rows = -(-m // tiles)
    depth = segments * -(-k * multiply.element_bytes // STEP_BYTES) * STEP_BYTES
    return Tiling(rows, tiles, panels, max(1, _BLOCK_BYTES // (rows * depth)), widest)


def depth_passes(segments: int, k: int, multiply: Multiply) -> int:
    """Into how many products to split the depth, so that a panel's weights stay in the cache."""
    widest = len(TILE_ROWS[multiply.isa, multiply.kind])
    weights = segments * k * multiply.element_bytes * widest * multiply.lanes
    return min(-(-weights // _PANEL_BYTES), segments if segments > 1 else k)


def _panel_widths(registers: int, widest: int) -> tuple[tuple[int, int], ...]:
    """(width, count) of the panels: as few as possible, of equal width or one less."""
    panels = -(-registers // widest)
    low = registers // panels
    high_panels = registers - low * panels
    widths = [(low + 1, high_panels), (low, panels - high_panels)]
    return tuple((width, count) for width, count in widths if count)

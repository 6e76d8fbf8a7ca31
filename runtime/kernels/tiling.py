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
from runtime.kernels.multiply import ElementKind, Multiply
from runtime.kernels.tilings import Problem, stored

Heights = tuple[int, ...]

_ZMM: tuple[Heights, ...] = (
    (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12),
    (1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    (1, 2, 3, 4, 5, 6, 7, 8),
    (1, 2, 3, 4, 5, 6),
)
_ZMM_PAIRS: tuple[Heights, ...] = (_ZMM[0], _ZMM[1][:8], _ZMM[2][:6], _ZMM[3][:4])
_YMM: tuple[Heights, ...] = (_ZMM[0][:10], _ZMM[1][:6])
_YMM_PAIRS: tuple[Heights, ...] = (_ZMM[0][:8], _ZMM[1][:4])

HEIGHTS: dict[tuple[Isa, ElementKind], tuple[Heights, ...]] = {
    # The heights of tiles of NR = 1, 2, ... registers.  There are 32 zmm or 16 ymm, and pairs
    # (operands of two registers) take more of them.
    (AVX512_VNNI, "u8"): _ZMM,
    (AVX512BW, "u8"): _ZMM_PAIRS,
    (AVX_VNNI, "u8"): _YMM,
    (AVX2, "u8"): _YMM_PAIRS,
    (AVX512_BF16, "bf16"): _ZMM,
    (AVX512BW, "bf16"): _ZMM_PAIRS,
    (AVX2, "bf16"): _YMM_PAIRS,
    (AVX512BW, "f16"): _ZMM_PAIRS,
    (AVX2, "f16"): _YMM_PAIRS,
    (AVX512BW, "f32"): _ZMM,
    (AVX2, "f32"): _YMM,
}


def widest_panel(multiply: Multiply) -> int:
    """Registers of the widest panel."""
    return len(HEIGHTS[multiply.isa, multiply.kind])


_BLOCK_BYTES = 512 * 1024
"""Activations per block of rows: with a panel's weights they fit a second-level cache of 1 MB."""


_PANEL_BYTES = 384 * 1024
"""Weights per panel and pass: all tiles read them, from the second-level cache if they fit."""


@dataclass(frozen=True)
class Tiling:
    """How a product is cut.

    tiles: how many tiles the rows are split into.
    panels: (registers, number of panels) from the first column on; at most two widths.
    tiles_per_block: so many tiles' activations are read by all panels in turn.
    """

    tiles: int
    panels: tuple[tuple[int, int], ...]
    tiles_per_block: int


def choose_tiling(m: int, n: int, segments: int, k: int, multiply: Multiply) -> Tiling:
    """The tiling of a product [M, segments * K] x [segments * K, N].

    The one that was measured to be the fastest (`tilings.stored`), else the rule.
    """
    problem = Problem(multiply.isa.name, multiply.kind, m, n, segments, k)
    chosen = stored(problem)
    if chosen is not None:
        tiling = make_tiling(problem, multiply, *chosen)
        if tiling is not None:
            return tiling
    widest = widest_panel(multiply)
    tiling = make_tiling(problem, multiply, widest, 0, _BLOCK_BYTES)
    assert tiling is not None
    return tiling


def make_tiling(
    problem: Problem, multiply: Multiply, widest: int, highest: int, block_bytes: int
) -> Tiling | None:
    """The tiling with panels of at most `widest` registers, tiles of at most `highest` rows (0: as
    many as the registers allow), and blocks of so many bytes of activations; None if impossible."""
    heights = HEIGHTS[multiply.isa, multiply.kind]
    if not 1 <= widest <= len(heights):
        return None
    panels = _panel_widths(-(-problem.n // multiply.lanes), widest)
    most = heights[panels[0][0] - 1][-1]
    tiles = -(-problem.m // (min(highest, most) or most))
    rows = -(-problem.m // tiles)
    depth = problem.segments * problem.k * multiply.element_bytes
    return Tiling(tiles, panels, max(1, block_bytes // (rows * depth)))


def depth_passes(segments: int, k: int, multiply: Multiply) -> int:
    """Into how many products to split the depth, so that a panel's weights stay in the cache."""
    columns = widest_panel(multiply) * multiply.lanes
    weights = segments * k * multiply.element_bytes * columns
    return min(-(-weights // _PANEL_BYTES), segments if segments > 1 else k)


def _panel_widths(registers: int, widest: int) -> tuple[tuple[int, int], ...]:
    """(width, count) of the panels: as few as possible, of equal width or one less."""
    panels = -(-registers // widest)
    low = registers // panels
    high_panels = registers - low * panels
    widths = [(low + 1, high_panels), (low, panels - high_panels)]
    return tuple((width, count) for width, count in widths if count)

"""How a matrix product's operands are cut into AMX tiles: rows into strips, weights into panels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from runtime.kernels.abi import aligned
from runtime.kernels.amx_tile import (
    PAIR,
    STRIP_TILES,
    TILE_BYTES,
    TILE_COLUMNS,
    TILE_ROWS,
)

_HEIGHTS = (16, 14, 13, 7)
"""Heights of tiles to choose from: 14 and 13 waste no rows on images of 7 x 2^n pixels."""

_FIXED_ROWS = 9
"""A tile of R rows costs as much time as `R + 9` rows would: measured."""


@dataclass(frozen=True, eq=False)
class Strips:
    """The rows of a product in tiles of `height` rows that lie `stride` bytes apart.

    tiles: offset of each tile's first row; their number is even.
    rows: int64 [rows of the product, 2]: the tile and the row in it that hold each one.
    """

    height: int
    stride: int
    tiles: np.ndarray
    rows: np.ndarray


def strips_in_place(rows: np.ndarray) -> Strips | None:
    """Tiles over rows where they lie, if they are evenly spaced; rows between them are computed in
    vain.

    No tile reaches beyond the first and the last row.
    """
    return _strips_in_place(np.ascontiguousarray(rows, np.int64).tobytes())


@lru_cache(maxsize=64)  # the layers of a network have few geometries
def _strips_in_place(rows: bytes) -> Strips | None:
    offsets: list[int] = np.frombuffer(rows, np.int64).tolist()
    if len(offsets) == 1:
        tiles = np.full(STRIP_TILES, offsets[0], np.int64)
        return Strips(1, TILE_BYTES, tiles, np.zeros((1, 2), np.int64))
    stride = offsets[1] - offsets[0]
    if stride <= 0 or any(b <= a for a, b in pairwise(offsets)):
        return None
    reachable = (offsets[-1] - offsets[0]) // stride + 1
    heights = [h for h in _HEIGHTS if h <= reachable] or [min(reachable, TILE_ROWS)]
    found = [strips for h in heights if (strips := _cover(offsets, stride, h)) is not None]
    return min(found, key=lambda s: len(s.tiles) * (s.height + _FIXED_ROWS), default=None)


def _cover(offsets: list[int], stride: int, height: int) -> Strips | None:
    """Tiles of one height over increasing offsets, each as far as it reaches."""
    first, last = offsets[0], offsets[-1]
    reach = height * stride
    tiles: list[int] = []
    places: list[tuple[int, int]] = []
    start, end = 0, -1
    for offset in offsets:
        if offset >= end or (offset - start) % stride:
            start = offset
            beyond = start + reach - stride - last
            if beyond > 0:
                start -= -(-beyond // stride) * stride
                if start < first:
                    return None
            end = start + reach
            tiles.append(start)
        places.append((len(tiles) - 1, (offset - start) // stride))
    if len(tiles) % STRIP_TILES:
        tiles.append(tiles[-1])
    return Strips(height, stride, np.array(tiles, np.int64), np.array(places, np.int64))


def strips_gathered(count: int, stride: int) -> Strips:
    """Tiles over rows that are copied one after another, `stride` bytes apart."""
    tiles = -(-count // TILE_ROWS)
    tiles += tiles % STRIP_TILES if count > 1 else 1
    height = -(-count // tiles)
    tile, row = np.divmod(np.arange(count), height)
    if tiles % STRIP_TILES:
        tiles += 1
    return Strips(
        height, stride, np.arange(tiles) * (height * stride), np.stack([tile, row], axis=1)
    )


@dataclass(frozen=True, eq=False)
class Activations:
    """One way to get at the rows of a product: where they lie, or copied.

    offsets: byte offset of each step of K.
    gathered: 0 if in place, else the bytes of a copied row, which takes `copies` of a line.
    crossing: the share of the rows of tiles that cross a cache line.
    """

    strips: Strips
    offsets: np.ndarray
    gathered: int = 0
    copies: int = 0
    crossing: float = 0.0

    @property
    def row_bytes(self) -> int:
        """Bytes of memory per row; neighbours share bytes where segments overlap."""
        return min(len(self.offsets) * TILE_BYTES, self.strips.stride)

    @property
    def read_bytes(self) -> int:
        """Bytes read for all rows; those that are copied count twice."""
        rows = len(self.strips.tiles) * self.strips.height
        return rows * self.row_bytes * (2 if self.gathered else 1)

    def cycles(self, columns: int) -> float:
        """About how long the product takes: what each part was measured to take, added up."""
        strips = len(self.strips.tiles) // STRIP_TILES
        rows = STRIP_TILES * self.strips.height
        pairs = -(-columns // (PAIR * TILE_COLUMNS))
        scale = (self.strips.height + _FIXED_ROWS) / (TILE_ROWS + _FIXED_ROWS)
        step = 78 * scale + rows / 2 * self.crossing
        copies = rows * (self.copies * 5 + 5) if self.gathered else 0
        return strips * (copies + pairs * (len(self.offsets) * step + 60 + 6 * rows)) + 600


def pack_weights(weights: np.ndarray, tiles: int, order: np.ndarray | None) -> np.ndarray:
    """Weights [segments, K, N] as [panel][pair of column tiles][step][2][16][16][4 bytes of K].

    A panel has `tiles` column tiles (an even number), a step 64 bytes of K; segments are padded
    with zeros to whole steps.  order: the channel of each of a panel's columns, if it is not that
    of the columns.
    """
    segments, k, n = weights.shape
    taps = 4 // weights.itemsize
    depth = TILE_ROWS * taps
    steps = -(-k // depth)
    columns = tiles * TILE_COLUMNS
    panels = -(-n // columns)
    padded = np.zeros((segments, steps * depth, panels * columns), weights.dtype)
    padded[:, :k, :n] = weights
    if order is not None:
        padded = padded.reshape(segments, steps * depth, panels, columns)[..., order]
    cut = padded.reshape(
        segments * steps, TILE_ROWS, taps, panels, tiles // PAIR, PAIR, TILE_COLUMNS
    )
    return aligned(cut.transpose(3, 4, 0, 5, 1, 6, 2))

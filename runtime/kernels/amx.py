"""Matrix products on AMX: the plan and the kernel around the code of `amx_tile`.

Rows are cut into strips of two tiles, columns into panels of 64 (what is left over is a narrower,
masked panel in a call of its own).  A strip's activations are read

    in place    where the rows of its tiles are evenly spaced and every run of 64 bytes lies in one
                cache line: 1x1 convolutions and matrix products with K a multiple of 64, K x K
                convolutions of any geometry with a multiple of 64 channels
    gathered    else: its rows are copied to the stack, segments side by side, once for all panels

A kernel walks blocks of strips (in place: so many that their activations stay in the second-level
cache; gathered: what the stack holds), in a block the panels, in a panel the strips.  Threads share
the panels if there are many and nothing is gathered, else the strips.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from runtime.kernels import interleave
from runtime.kernels.abi import Call, Kernel, View, aligned
from runtime.kernels.amx_layout import Strips, pack_weights, strips_gathered, strips_in_place
from runtime.kernels.amx_tile import (
    B_TILE_BYTES,
    PAIR,
    ROW_WORDS,
    SCRATCH_BYTES,
    STRIP_TILES,
    STRIP_WORDS,
    TILE_BYTES,
    TILE_COLUMNS,
    TILE_ROWS,
    StripCode,
    configure_tiles,
    gather_rows,
    release_tiles,
    tile_configuration,
)
from runtime.kernels.epilogue import pack_epilogue
from runtime.kernels.intrinsics import argument, stack_memory
from runtime.kernels.isa import tile_registers_permitted
from runtime.kernels.layout import channels_of

if TYPE_CHECKING:
    from runtime.kernels.gemm import Product

_PANEL_TILES = 4
_BLOCK_BYTES = 256 * 1024
"""Activations and results per block of strips in place: what the second-level cache of a CPU with
AMX holds beside the weights."""

_GATHER_BYTES = 64 * 1024
"""Stack memory for gathered strips."""

_MANY_PANELS = 8
"""From here on threads share panels: the imbalance is at most an eighth."""


@dataclass(frozen=True, eq=False)
class _Activations:
    """How the kernel gets at the rows: in place (`gathered` is 0) or copied, so many bytes a row.

    offsets: byte offset of each step.
    """

    strips: Strips
    offsets: np.ndarray
    gathered: int


def amx_calls(product: Product) -> list[Call] | None:
    """The calls that compute a product with AMX; None if its shape is none for it."""
    weights = product.weights
    if isinstance(weights, View) or weights.dtype != np.int8 or not tile_registers_permitted():
        return None
    activations = _in_place(product) or _gathered(product)
    if activations is None:
        return None
    if activations.gathered:
        weights = weights.reshape(1, -1, weights.shape[2])
    n = weights.shape[2]
    wide = _PANEL_TILES * TILE_COLUMNS
    whole = n - n % wide
    calls = []
    if whole:
        calls.append(_panels_call(product, weights, activations, 0, whole, _PANEL_TILES))
    if n > whole:
        tiles = PAIR if n - whole <= PAIR * TILE_COLUMNS else _PANEL_TILES
        calls.append(_panels_call(product, weights, activations, whole, n, tiles))
    return calls


def _in_place(product: Product) -> _Activations | None:
    k = product.weights.shape[1]
    starts = product.a + product.rows
    if k % TILE_BYTES or np.any(starts % TILE_BYTES) or np.any(product.segments % TILE_BYTES):
        return None
    strips = strips_in_place(product.rows)
    if strips is None or strips.stride % TILE_BYTES:
        return None
    steps = np.arange(0, k, TILE_BYTES)
    return _Activations(strips, (product.segments[:, None] + steps).reshape(-1), 0)


def _gathered(product: Product) -> _Activations | None:
    segments, k, _ = product.weights.shape
    lines = -(-segments * k // TILE_BYTES)
    stride = (lines + 1) * TILE_BYTES  # the copies end with a line of zeros
    stride += stride % (2 * TILE_BYTES) == 0 and TILE_BYTES  # an odd number spreads over the cache
    strips = strips_gathered(len(product.rows), stride)
    if STRIP_TILES * strips.height * stride > _GATHER_BYTES:
        return None
    return _Activations(strips, np.arange(lines) * TILE_BYTES, stride)


def _tables(product: Product, strips: Strips, sums_row: int) -> tuple[np.ndarray, np.ndarray]:
    """The table of strips and the list of rows, as the kernel reads them."""
    residuals = product.outputs if product.residuals is None else product.residuals
    tile, row = strips.rows.T
    rows = np.empty((len(tile), ROW_WORDS), np.int64)
    rows[:, 0] = (tile % STRIP_TILES * strips.height + row) * sums_row
    rows[:, 1] = product.outputs
    rows[:, 2] = residuals
    count = len(strips.tiles) // STRIP_TILES
    table = np.empty((count, STRIP_WORDS), np.int64)
    table[:, :STRIP_TILES] = strips.tiles.reshape(count, STRIP_TILES)
    ends = np.searchsorted(tile // STRIP_TILES, np.arange(count + 1))
    table[:, 2] = ends[:-1]
    table[:, 3] = np.diff(ends)
    return aligned(table), aligned(rows)


def _panels_call(
    product: Product,
    weights: np.ndarray,
    activations: _Activations,
    first: int,
    end: int,
    tiles: int,
) -> Call:
    """The columns [first, end) in panels of so many column tiles."""
    columns = tiles * TILE_COLUMNS
    code = StripCode(tiles, bool((end - first) % columns), product.code)
    order = interleave.order(TILE_COLUMNS) if code.interleaved else None
    packed = pack_weights(weights[:, :, first:end], tiles, order)
    epilogue = channels_of(product.epilogue, slice(first, end))
    blocks = pack_epilogue(epilogue, product.bias[first:end], columns, order)

    strips = activations.strips
    table, rows = _tables(product, strips, code.sums_row)
    gathered = activations.gathered
    if gathered:
        block = _GATHER_BYTES // (STRIP_TILES * strips.height * gathered)
    else:
        fresh = min(len(activations.offsets) * TILE_BYTES, strips.stride)
        row_bytes = fresh + (end - first) * product.code.output_size
        block = max(1, _BLOCK_BYTES // (STRIP_TILES * strips.height * row_bytes))
    source_rows = aligned(product.rows.astype(np.int64))
    segments = aligned(product.segments.astype(np.int64))
    offsets = aligned(activations.offsets.astype(np.int64))
    configuration = aligned(np.frombuffer(tile_configuration(strips.height), np.uint8))
    skip = first * product.code.output_size
    arguments = (
        product.a,
        packed.ctypes.data,
        blocks.ctypes.data,
        product.c + skip,
        product.residual + skip,
        table.ctypes.data,
        len(table),
        rows.ctypes.data,
        len(offsets),
        offsets.ctypes.data,
        strips.height,
        strips.stride,
        len(packed),
        blocks.strides[0],
        end - first,
        block,
        configuration.ctypes.data,
        gathered,
        source_rows.ctypes.data,
        len(segments),
        segments.ctypes.data,
        product.weights.shape[1] * weights.itemsize,
    )
    keep = (packed, blocks, table, rows, offsets, configuration, source_rows, segments)
    return Call(amx_kernel(code), arguments, keep)


_strip_memory = stack_memory(2 * SCRATCH_BYTES + _GATHER_BYTES)
"""Where a thread keeps the sums of two strips, and behind them the strips it has gathered."""


@cache
def amx_kernel(code: StripCode) -> Kernel:
    """The kernel that covers a product with strips of one width."""
    strip = code.function()
    columns = code.columns
    pairs = code.tiles // PAIR
    panel_output = columns * code.epilogue.output_size

    def gemm(row: int, thread: int, threads: int) -> None:
        a = argument(row, 1)
        w = argument(row, 2)
        blocks = argument(row, 3)
        c = argument(row, 4)
        r = argument(row, 5)
        strips = argument(row, 6)
        strip_count = argument(row, 7)
        rows = argument(row, 8)
        steps = argument(row, 9)
        offsets = argument(row, 10)
        height = argument(row, 11)
        stride = argument(row, 12)
        panels = argument(row, 13)
        panel_block = argument(row, 14)
        valid_columns = argument(row, 15)
        strips_per_block = argument(row, 16)
        gathered = argument(row, 18)
        source_rows = argument(row, 19)
        segments = argument(row, 20)
        segment_offsets = argument(row, 21)
        segment_bytes = argument(row, 22)

        memory = _strip_memory()
        rows_per_step = -(-STRIP_TILES * height // (steps * pairs))
        sums, finished = memory, memory + SCRATCH_BYTES
        if steps >= 6:
            finished = sums
            rows_per_step = -(-STRIP_TILES * height // steps)
        base = a
        panel_weights = steps * (pairs * PAIR * B_TILE_BYTES)
        first_panel, end_panel, first_strip, end_strip = 0, panels, 0, strip_count
        if panels >= _MANY_PANELS and gathered == 0:
            first_panel = panels * thread // threads
            end_panel = panels * (thread + 1) // threads
        else:
            first_strip = strip_count * thread // threads
            end_strip = strip_count * (thread + 1) // threads

        last_rows, last_count, last_block, last_c, last_r, last_valid = rows, 0, blocks, c, r, 0
        configure_tiles((argument(row, 17),))
        start = first_strip
        while start < end_strip:
            stop = min(start + strips_per_block, end_strip)
            if gathered != 0:
                first = argument(strips, start * STRIP_WORDS + 2)
                last = (stop - 1) * STRIP_WORDS
                end = argument(strips, last + 2) + argument(strips, last + 3)
                buffer = memory + 2 * SCRATCH_BYTES
                gather_rows(
                    (
                        a,
                        source_rows + 8 * first,
                        end - first,
                        segments,
                        segment_offsets,
                        segment_bytes,
                        buffer,
                        gathered,
                    )
                )
                base = buffer - argument(strips, start * STRIP_WORDS)
            # The next panel's weights are fetched during this one's multiplications.
            share = -(-TILE_ROWS * PAIR // (stop - start))
            strip_share = share * pairs * steps * TILE_BYTES
            for p in range(first_panel, end_panel):
                block = blocks + p * panel_block
                ahead = w + (p + 1) * panel_weights
                lines = share if p + 1 < end_panel and start == first_strip else 0
                for s in range(start, stop):
                    word = s * STRIP_WORDS
                    strip(
                        (
                            base + argument(strips, word),
                            base + argument(strips, word + 1),
                            stride,
                            steps,
                            offsets,
                            w + p * panel_weights,
                            block,
                            sums,
                            height,
                            ahead + (s - start) * strip_share,
                            lines,
                            finished,
                            last_rows,
                            last_count,
                            rows_per_step,
                            last_block,
                            last_c,
                            last_r,
                            last_valid,
                        )
                    )
                    sums, finished = finished, sums
                    last_rows = rows + 8 * ROW_WORDS * argument(strips, word + 2)
                    last_count = argument(strips, word + 3)
                    last_block = block
                    last_c = c + p * panel_output
                    last_r = r + p * panel_output
                    last_valid = valid_columns - p * columns
            start = stop
        # No steps: only the last strip is finished.
        strip(
            (
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                finished,
                last_rows,
                last_count,
                0,
                last_block,
                last_c,
                last_r,
                last_valid,
            )
        )
        release_tiles((0,))

    return Kernel.of(gemm, code)

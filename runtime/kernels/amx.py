"""Matrix products on AMX: the plan and the kernel around the code of `amx_tile`.

Rows are cut into strips of two tiles, columns into panels of 64 (what is left over is a narrower,
masked panel in a call of its own).  A strip's activations are read

    in place    where the rows of its tiles are evenly spaced, as pixels and rows of matrices are.
                Bytes between a segment's end and the end of its last step are multiplied by zeros
    gathered    else, or where that takes less time: its rows are copied to the stack, segments side
                by side, once for all panels

and where an estimate says that both take longer than register tiles, those are used.

A kernel walks blocks of strips (in place: so many that their activations stay in the second-level
cache; gathered: what the stack holds), in a block the panels, in a panel the strips.  Threads share
either panels, so that each reads its part of the weights only, or strips, so that each reads its
part of the activations only, and what the other one would have to read twice decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dialects.elements import bfloat16
from runtime.kernels import interleave
from runtime.kernels.abi import Call, Kernel, View, aligned
from runtime.kernels.amx_layout import (
    Activations,
    Strips,
    pack_weights,
    strips_gathered,
    strips_in_place,
)
from runtime.kernels.amx_tile import (
    MULTIPLICATIONS,
    PAIR,
    ROW_WORDS,
    ROWS_AHEAD,
    STRIP_TILES,
    STRIP_WORDS,
    TILE_BYTES,
    TILE_COLUMNS,
    StripCode,
    tile_configuration,
)
from runtime.kernels.amx_walk import GATHER_BYTES, StripArgument, walk_strips
from runtime.kernels.epilogue import EpilogueCode, pack_epilogue
from runtime.kernels.isa import tile_registers_permitted
from runtime.kernels.layout import channels_of
from runtime.kernels.multiply import ElementKind

if TYPE_CHECKING:
    from runtime.kernels.gemm import Product

_PANEL_TILES = 4
_BLOCK_BYTES = 256 * 1024
"""Activations and results per block of strips in place: what the second-level cache of a CPU with
AMX holds beside the weights."""

_MANY_WEIGHTS = 1024 * 1024
"""Weights of so many bytes do not stay there: every block reads them from the third level."""

_STREAMING_BYTES = 1024 * 1024
"""Activations per block in that case: they stay, and fewer blocks read the weights."""

_GIGAHERTZ = 2.0
"""Turns the estimate of cycles into one of nanoseconds, with some time for weights that are in no
close cache."""


def amx_calls(product: Product, tile_cycles: float) -> list[Call] | None:
    """The calls that compute a product with AMX; None if its weights are none for it, or if it
    would take longer than `tile_cycles`, what other kernels need."""
    weights = product.weights
    if isinstance(weights, View) or weights.dtype not in (np.int8, bfloat16):
        return None
    if not tile_registers_permitted():
        return None
    ways = [way for way in (_in_place(product), _gathered(product)) if way is not None]
    n = weights.shape[2]
    best = min(ways, key=lambda way: way.cycles(n), default=None)
    if best is None or best.cycles(n) > tile_cycles:
        return None
    if best.gathered:
        weights = weights.reshape(1, -1, n)
    wide = _PANEL_TILES * TILE_COLUMNS
    whole = n - n % wide
    code = product.code
    calls = []
    if whole:
        calls.append(_panels_call(product, weights, code, best, 0, whole, _PANEL_TILES))
    if n > whole:
        tiles = PAIR if n - whole <= PAIR * TILE_COLUMNS else _PANEL_TILES
        last = _panels_call(product, weights, code, best, whole, n, tiles)
        calls.append(replace(last, independent=bool(calls)))
    return calls


def _in_place(product: Product) -> Activations | None:
    segment_bytes = product.weights.shape[1] * product.weights.dtype.itemsize
    if product.element != "u8" and segment_bytes % TILE_BYTES:
        return None  # what lies behind a segment may be a NaN, which times 0 is none
    strips = strips_in_place(product.rows)
    if strips is None:
        return None
    steps = np.arange(0, segment_bytes, TILE_BYTES)
    offsets = (product.segments[:, None] + steps).reshape(-1)
    starts = product.a + strips.tiles[:, None] + np.arange(strips.height) * strips.stride
    crossing = np.mean((starts[:64, :, None] + offsets) % TILE_BYTES != 0)
    return Activations(strips, offsets, crossing=float(crossing))


def _gathered(product: Product) -> Activations | None:
    segments, k, _ = product.weights.shape
    segment_bytes = k * product.weights.dtype.itemsize
    lines = -(-segments * segment_bytes // TILE_BYTES)
    stride = (lines + 1) * TILE_BYTES  # the copies end with a line of zeros
    stride += stride % (2 * TILE_BYTES) == 0 and TILE_BYTES  # an odd number spreads over the cache
    strips = strips_gathered(len(product.rows), stride)
    if STRIP_TILES * strips.height * stride > GATHER_BYTES:
        return None
    copies = segments * -(-segment_bytes // TILE_BYTES)
    return Activations(strips, np.arange(lines) * TILE_BYTES, gathered=stride, copies=copies)


def _tables(product: Product, strips: Strips, sums_row: int) -> tuple[np.ndarray, np.ndarray]:
    """The table of strips and the list of rows, as the kernel reads them."""
    residuals = product.outputs if product.residuals is None else product.residuals
    tile, row = strips.rows.T
    rows = np.zeros((len(tile) + ROWS_AHEAD, ROW_WORDS), np.int64)
    rows[: len(tile), 0] = (tile % STRIP_TILES * strips.height + row) * sums_row
    rows[: len(tile), 1] = product.outputs
    rows[: len(tile), 2] = residuals
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
    epilogue_code: EpilogueCode,
    activations: Activations,
    first: int,
    end: int,
    tiles: int,
) -> Call:
    """The columns [first, end) in panels of so many column tiles."""
    columns = tiles * TILE_COLUMNS
    code = StripCode(product.element, tiles, bool((end - first) % columns), epilogue_code)
    order = interleave.order(TILE_COLUMNS) if code.interleaved else None
    packed = pack_weights(weights[:, :, first:end], tiles, order)
    epilogue = channels_of(product.epilogue, slice(first, end))
    blocks = pack_epilogue(epilogue, product.bias[first:end], columns, order)

    strips = activations.strips
    table, rows = _tables(product, strips, code.sums_row)
    gathered = activations.gathered
    if gathered:
        block = GATHER_BYTES // (STRIP_TILES * strips.height * gathered)
    else:
        fresh = activations.row_bytes
        most, row_bytes = _BLOCK_BYTES, fresh + (end - first) * epilogue_code.output_size
        if packed.nbytes > _MANY_WEIGHTS:
            most, row_bytes = _STREAMING_BYTES, fresh  # results go by, as the weights do
        block = max(1, most // (STRIP_TILES * strips.height * row_bytes))
    source_rows = aligned(product.rows.astype(np.int64))
    segments = aligned(product.segments.astype(np.int64))
    offsets = aligned(activations.offsets.astype(np.int64))
    configuration = aligned(np.frombuffer(tile_configuration(strips.height), np.uint8))
    skip = first * epilogue_code.output_size
    words = {
        StripArgument.FUNCTION: code.function.address,
        StripArgument.PAIRS: tiles // PAIR,
        StripArgument.A: product.a,
        StripArgument.WEIGHTS: packed.ctypes.data,
        StripArgument.BLOCKS: blocks.ctypes.data,
        StripArgument.C: product.c + skip,
        StripArgument.R: product.residual + skip,
        StripArgument.STRIPS: table.ctypes.data,
        StripArgument.STRIP_COUNT: len(table),
        StripArgument.ROWS: rows.ctypes.data,
        StripArgument.STEPS: len(offsets),
        StripArgument.STEP_OFFSETS: offsets.ctypes.data,
        StripArgument.HEIGHT: strips.height,
        StripArgument.STRIDE: strips.stride,
        StripArgument.PANELS: len(packed),
        StripArgument.PANEL_BLOCK: blocks.strides[0],
        StripArgument.COLUMNS: end - first,
        StripArgument.OUTPUT_SIZE: epilogue_code.output_size,
        StripArgument.STRIPS_PER_BLOCK: block,
        StripArgument.CONFIGURATION: configuration.ctypes.data,
        StripArgument.GATHERED: gathered,
        StripArgument.SOURCE_ROWS: source_rows.ctypes.data,
        StripArgument.SEGMENTS: len(segments),
        StripArgument.SEGMENT_OFFSETS: segments.ctypes.data,
        StripArgument.SEGMENT_BYTES: product.weights.shape[1] * weights.itemsize,
        StripArgument.BY_PANELS: int(packed.nbytes > activations.read_bytes),
    }
    arguments = tuple(words[argument] for argument in StripArgument)
    keep = (packed, blocks, table, rows, offsets, configuration, source_rows, segments)
    work = activations.cycles(end - first) / _GIGAHERTZ
    return Call(walk_strips, arguments, keep, work)


def every_amx_kernel(kind: ElementKind, codes: Sequence[EpilogueCode]) -> list[Kernel]:
    """Every kernel that products of one element kind may ask for."""
    if kind not in MULTIPLICATIONS:
        return []
    return [walk_strips] + [
        StripCode(kind, tiles, masked, code).function
        for code in codes
        for tiles in (PAIR, _PANEL_TILES)
        for masked in (False, True)
    ]

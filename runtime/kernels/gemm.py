"""Matrix products over tables of byte offsets: what convolutions and matrix products become.

    C[i, n] = epilogue(sum over s, k of  A[rows[i] + segments[s] + k] * W[s, k, n])

The rows are split evenly into tiles of MR or MR - 1 rows, the columns into panels of NR registers;
what is left over of the columns is a second call with a narrower, masked panel.  A kernel walks
blocks of rows (so many that their activations stay in the second-level cache), in a block the
panels, in a panel the tiles (its weights stay in the first-level cache).  Threads share the panels
if there are many, else the tiles.

The portable kernels are plain loops with the same results (to the bit for integers).  They also
serve weights that the tiles do not take: those with a zero point, as int16 `w - zero point`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from dialects.elements import bfloat16
from runtime.kernels import interleave
from runtime.kernels.abi import Call, Kernel, View, aligned, kernel
from runtime.kernels.amx import amx_calls
from runtime.kernels.epilogue import (
    Epilogue,
    EpilogueCode,
    pack_epilogue,
    scalar_epilogue,
    u8_clamp,
)
from runtime.kernels.half import WIDEN
from runtime.kernels.intrinsics import (
    argument,
    f32_pointer,
    i16_pointer,
    i64_pointer,
    u8_pointer,
    u16_pointer,
)
from runtime.kernels.isa import AMX, Isa
from runtime.kernels.layout import channels_of
from runtime.kernels.packing import pack_tiles
from runtime.kernels.tile import TILE_ROWS, ElementKind, Multiply, Tile, multiply_for

_BLOCK_BYTES = 256 * 1024
"""Activations per block of rows: a quarter of the smallest second-level cache this is meant for."""

_MANY_PANELS = 8
"""From here on threads share panels: the imbalance is at most an eighth."""


_ELEMENTS: dict[np.dtype, ElementKind] = {
    np.dtype(np.float32): "f32",
    np.dtype(np.float16): "f16",
    bfloat16: "bf16",
}


def _reach(weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest sum per column of u8 activations times weights [S, K, N]."""
    flat = weights.reshape(-1, weights.shape[2])
    positive = np.maximum(flat, 0).sum(0, dtype=np.int64)
    total = flat.sum(0, dtype=np.int64)
    return bias + 255 * (total - positive), bias + 255 * positive


@dataclass(frozen=True, eq=False)
class Product:
    """One product.  Addresses and offsets are in bytes.

    a: address of the activations (u8, or the weights' float type); rows [M], segments [S]: offsets
    from it.
    weights: [S, K, N] int8, int16, float32, float16 or bfloat16, or a view [1, K, N] of float32
    that is known only at run time (packed before the product by a call of its own, into memory that
    the call holds).
    bias: [N] int32, zero points folded in; float32 for all floats.
    c: address of the output; outputs [M]: offsets of its rows, whose columns are adjacent.
    residual: like c, with offsets of its own.
    """

    a: int
    rows: np.ndarray
    segments: np.ndarray
    weights: np.ndarray | View
    bias: np.ndarray
    c: int
    outputs: np.ndarray
    epilogue: Epilogue
    residual: int = 0
    residuals: np.ndarray | None = None

    @property
    def element(self) -> ElementKind:
        return _ELEMENTS.get(self.weights.dtype, "u8")

    @property
    def code(self) -> EpilogueCode:
        """The code of its epilogue: the cheapest clamp that is proved to give the same bits."""
        residual = self.residuals is not None
        if self.element != "u8":
            return EpilogueCode(self.epilogue.kind, "f32", residual)
        clamp = "real"
        if self.epilogue.kind == "u8" and isinstance(self.weights, np.ndarray):
            clamp = u8_clamp(self.epilogue, _reach(self.weights, self.bias))
        return EpilogueCode(self.epilogue.kind, "i32", residual, clamp)


def product_calls(product: Product, isa: Isa) -> list[Call]:
    """The calls that compute a product with the kernels of one instruction set."""
    if not len(product.rows) or not product.weights.shape[2]:
        return []
    if isa.includes(AMX) and (calls := amx_calls(product)) is not None:
        return calls
    multiply = multiply_for(isa, product.element)
    if multiply is None or product.weights.dtype == np.int16:
        return _portable_calls(product)
    return _tile_calls(product, multiply)


# --- tiles ---


def _tile_calls(product: Product, multiply: Multiply) -> list[Call]:
    widest = len(TILE_ROWS[multiply.isa, multiply.kind])
    n = product.weights.shape[2]
    whole = n - n % (widest * multiply.lanes)
    calls = []
    if whole:
        calls += _panels_calls(product, multiply, 0, whole, widest)
    if n > whole:
        calls += _panels_calls(product, multiply, whole, n, -(-(n - whole) // multiply.lanes))
    return calls


def _panels_calls(
    product: Product, multiply: Multiply, first: int, end: int, vectors: int
) -> list[Call]:
    """The columns [first, end): whole panels of `vectors` registers, or one narrower panel."""
    m = len(product.rows)
    columns = vectors * multiply.lanes
    tiles = -(-m // TILE_ROWS[multiply.isa, multiply.kind][vectors - 1])
    rows = -(-m // tiles)
    tile = Tile(multiply, rows, vectors, bool((end - first) % columns), product.code)

    order = interleave.order(multiply.lanes) if tile.interleaved else None
    before: list[Call] = []
    if isinstance(product.weights, View):
        pack, weights = pack_panels_call(product.weights.slice(2, first, end - first), columns)
        before.append(pack)
    else:
        weights = pack_tiles(product.weights[:, :, first:end], multiply, vectors, order)
    epilogue = channels_of(product.epilogue, slice(first, end))
    blocks = pack_epilogue(epilogue, product.bias[first:end], columns, order)
    segments, k, _ = product.weights.shape
    tables = _Tables(product)
    itemsize = product.weights.dtype.itemsize
    tiles_per_block = max(1, _BLOCK_BYTES // (rows * segments * k * itemsize))
    skip = first * product.code.output_size
    arguments = (
        product.a,
        weights.ctypes.data,
        k,
        tables.rows.ctypes.data,
        segments,
        tables.segments.ctypes.data,
        blocks.ctypes.data,
        product.c + skip,
        tables.outputs.ctypes.data,
        product.residual + skip,
        tables.residuals.ctypes.data,
        m,
        tiles,
        len(weights),
        weights.strides[0],
        blocks.strides[0],
        columns * product.code.output_size,
        end - first,
        tiles_per_block,
    )
    call = Call(tile_kernel(tile), arguments, (weights, blocks, *tables.arrays))
    return [*before, call]


class _Tables:
    """The offset tables of a product as int64 arrays."""

    def __init__(self, product: Product):
        self.rows = np.ascontiguousarray(product.rows, np.int64)
        self.segments = np.ascontiguousarray(product.segments, np.int64)
        self.outputs = np.ascontiguousarray(product.outputs, np.int64)
        residuals = product.residuals if product.residuals is not None else product.outputs
        self.residuals = np.ascontiguousarray(residuals, np.int64)

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        return (self.rows, self.segments, self.outputs, self.residuals)


@cache
def tile_kernel(tile: Tile) -> Kernel:
    """The kernel that covers a product with tiles of `tile.rows` and one fewer rows."""
    tall = tile.rows
    low_rows = max(tall - 1, 1)
    high = tile.function()
    low = Tile(tile.multiply, low_rows, tile.vectors, tile.masked, tile.epilogue).function()
    panel_columns = tile.columns

    def gemm(row: int, thread: int, threads: int) -> None:
        a = argument(row, 1)
        w = argument(row, 2)
        depth = argument(row, 3)
        rows = argument(row, 4)
        segments = argument(row, 5)
        segment_offsets = argument(row, 6)
        block = argument(row, 7)
        c = argument(row, 8)
        outputs = argument(row, 9)
        r = argument(row, 10)
        residuals = argument(row, 11)
        m = argument(row, 12)
        tiles = argument(row, 13)
        panels = argument(row, 14)
        panel_weights = argument(row, 15)
        panel_block = argument(row, 16)
        panel_output = argument(row, 17)
        columns = argument(row, 18)
        tiles_per_block = argument(row, 19)

        first_panel, end_panel, first_tile, end_tile = 0, panels, 0, tiles
        if panels >= _MANY_PANELS:
            first_panel = panels * thread // threads
            end_panel = panels * (thread + 1) // threads
        else:
            first_tile = tiles * thread // threads
            end_tile = tiles * (thread + 1) // threads

        low_count = m // tiles
        high_tiles = m - tiles * low_count  # so many tiles have one row more
        start = first_tile
        while start < end_tile:
            stop = min(start + tiles_per_block, end_tile)
            for p in range(first_panel, end_panel):
                wp = w + p * panel_weights
                ep = block + p * panel_block
                cp = c + p * panel_output
                rp = r + p * panel_output
                valid = columns - p * panel_columns
                i = start * low_count + min(start, high_tiles)
                for t in range(start, stop):
                    count = low_count + 1 if t < high_tiles else low_count
                    table = 8 * i
                    arguments = (
                        a,
                        wp,
                        depth,
                        rows + table,
                        segments,
                        segment_offsets,
                        ep,
                        cp,
                        outputs + table,
                        rp,
                        residuals + table,
                        valid,
                    )
                    if count == tall:
                        high(arguments)
                    else:
                        low(arguments)
                    i += count
            start = stop

    return Kernel.of(gemm, tile)


# --- weights known at run time ---


def pack_panels_call(b: View, columns: int) -> tuple[Call, np.ndarray]:
    """A call that packs float32 b [1, K, N] of any strides as [panel][K][columns], and where it
    goes.

    The last panel is padded with zeros; `columns` is the width of a tile, or 1 for plain loops.
    """
    _, k, n = b.shape
    panels = -(-n // columns)
    if columns == 1:
        panels = -(-n // _PORTABLE_COLUMNS) * _PORTABLE_COLUMNS
    packed = aligned(np.zeros((panels, k, columns), np.float32))
    arguments = (b.address, k, n, b.strides[1], b.strides[2], packed.ctypes.data, columns)
    return Call(pack_panels_f32, arguments, (packed,)), packed


@kernel
def pack_panels_f32(row: int, thread: int, threads: int) -> None:
    """packed[panel, k, j] = b[k, panel * columns + j]"""
    b = f32_pointer(argument(row, 1))
    depth = argument(row, 2)
    n = argument(row, 3)
    row_stride = argument(row, 4)
    column_stride = argument(row, 5)
    packed = f32_pointer(argument(row, 6))
    columns = argument(row, 7)
    panels = (n + columns - 1) // columns
    total = panels * depth
    for i in range(total * thread // threads, total * (thread + 1) // threads):
        panel = i // depth
        first = panel * columns
        start = (i - panel * depth) * row_stride + first * column_stride
        count = min(columns, n - first)
        if column_stride == 1:
            for j in range(count):
                packed[i * columns + j] = b[start + j]
        else:
            for j in range(count):
                packed[i * columns + j] = b[start + j * column_stride]


# --- plain loops ---

_PORTABLE_COLUMNS = 4
"""Columns that share one pass over a row's activations."""


def _portable_calls(product: Product) -> list[Call]:
    segments, k, n = product.weights.shape
    columns = -(-n // _PORTABLE_COLUMNS) * _PORTABLE_COLUMNS
    before: list[Call] = []
    if isinstance(product.weights, View):
        pack, weights = pack_panels_call(product.weights, 1)
        before.append(pack)
    else:
        dtype = np.int16 if product.element == "u8" else np.float32
        padded = np.zeros((columns, segments, k), dtype)
        padded[:n] = product.weights.transpose(2, 0, 1)
        weights = aligned(padded)
    block = pack_epilogue(product.epilogue, product.bias, columns)
    tables = _Tables(product)
    arguments = (
        product.a,
        weights.ctypes.data,
        k,
        tables.rows.ctypes.data,
        segments,
        tables.segments.ctypes.data,
        block.ctypes.data,
        product.c,
        tables.outputs.ctypes.data,
        product.residual,
        tables.residuals.ctypes.data,
        len(tables.rows),
        n,
        columns,
    )
    code = replace(product.code, clamp="real")
    kernel = portable_kernel(code, product.element)
    return [*before, Call(kernel, arguments, (weights, block, *tables.arrays))]


def element_access(code: EpilogueCode) -> tuple[Any, Any, Any]:
    """What plain loops use: pointers to activations and to weights, and the accumulator's type."""
    if code.accumulator == "f32":
        return f32_pointer, f32_pointer, np.float32
    return u8_pointer, i16_pointer, np.int32


_HALVES: dict[ElementKind, str] = {"bf16": "bfloat16", "f16": "float16"}


@cache
def portable_kernel(code: EpilogueCode, element: ElementKind) -> Kernel:
    """The product as plain loops: dot products of four columns at a time, weights [N][segment][K],
    widened to int16 or float32."""
    finish = scalar_epilogue(code)
    size = code.output_size
    activations, weights_of, number = element_access(code)
    widen = number
    if element in _HALVES:
        activations, widen = u16_pointer, WIDEN[_HALVES[element]]

    def gemm(row: int, thread: int, threads: int) -> None:
        a = argument(row, 1)
        w = weights_of(argument(row, 2))
        k = argument(row, 3)
        rows = i64_pointer(argument(row, 4))
        segments = argument(row, 5)
        segment_offsets = i64_pointer(argument(row, 6))
        block = argument(row, 7)
        c = argument(row, 8)
        outputs = i64_pointer(argument(row, 9))
        r = argument(row, 10)
        residuals = i64_pointer(argument(row, 11))
        m = argument(row, 12)
        n = argument(row, 13)
        columns = argument(row, 14)
        column = segments * k
        for i in range(m * thread // threads, m * (thread + 1) // threads):
            for j in range(0, n, _PORTABLE_COLUMNS):
                sum0 = sum1 = sum2 = sum3 = number(0)
                for s in range(segments):
                    x = activations(a + rows[i] + segment_offsets[s])
                    w0 = j * column + s * k
                    w1, w2, w3 = w0 + column, w0 + 2 * column, w0 + 3 * column
                    for q in range(k):
                        v = widen(x[q])
                        sum0 = number(sum0 + number(v * number(w[w0 + q])))
                        sum1 = number(sum1 + number(v * number(w[w1 + q])))
                        sum2 = number(sum2 + number(v * number(w[w2 + q])))
                        sum3 = number(sum3 + number(v * number(w[w3 + q])))
                output = c + outputs[i] + j * size
                residual = r + residuals[i] + j * size
                finish(sum0, block, columns, j, output, residual)
                if j + 1 < n:
                    finish(sum1, block, columns, j + 1, output + size, residual + size)
                if j + 2 < n:
                    finish(sum2, block, columns, j + 2, output + 2 * size, residual + 2 * size)
                if j + 3 < n:
                    finish(sum3, block, columns, j + 3, output + 3 * size, residual + 3 * size)

    return Kernel.of(gemm, "portable", code, element)

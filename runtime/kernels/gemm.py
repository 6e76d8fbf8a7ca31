"""Matrix products over tables of byte offsets: what convolutions and matrix products become.

    C[i, n] = epilogue(sum over s, k of  A[rows[i] + segments[s] + k] * W[s, k, n])

The rows are split evenly into tiles of MR or MR - 1 rows, the columns into panels of NR or NR - 1
registers (`tiling`).  One kernel walks blocks of rows (so many that their activations stay in the
second-level cache), in a block the panels, in a panel the tiles (its weights stay in the first- or
second-level cache), and calls the generated function that each panel names.  Threads have equal
runs of tiles in that order.

The portable kernels are plain loops with the same results (to the bit for integers).  They also
serve weights that the tiles do not take: those with a zero point, as int16 `w - zero point`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np

from dialects.elements import bfloat16
from runtime.kernels import interleave
from runtime.kernels.abi import Call, Kernel, View, aligned, kernel
from runtime.kernels.amx import amx_calls, every_amx_kernel
from runtime.kernels.epilogue import (
    CLAMPS,
    Epilogue,
    EpilogueCode,
    OutputKind,
    pack_epilogue,
    scalar_epilogue,
    u8_clamp,
)
from runtime.kernels.half import WIDEN
from runtime.kernels.intrinsics import (
    argument,
    call_tile,
    f32_pointer,
    i16_pointer,
    i64_pointer,
    u8_pointer,
    u16_pointer,
)
from runtime.kernels.isa import AMX, Isa
from runtime.kernels.layout import channels_of
from runtime.kernels.multiply import ElementKind, Multiply, multiply_for
from runtime.kernels.packing import (
    PORTABLE_COLUMNS,
    pack_panels_call,
    pack_panels_f32,
    pack_tiles,
)
from runtime.kernels.tile import Argument, PanelWord, Tile
from runtime.kernels.tiling import HEIGHTS, Tiling, choose_tiling, depth_passes, widest_panel
from runtime.kernels.tilings import Problem

# What the walker reads, as the plain numbers that numba needs.
_M, _TILES = int(Argument.M), int(Argument.TILES)
_PANELS, _PANEL_TABLE = int(Argument.PANELS), int(Argument.PANEL_TABLE)
_TILES_PER_BLOCK = int(Argument.TILES_PER_BLOCK)
_HIGH, _LOW = int(PanelWord.HIGH), int(PanelWord.LOW)
_PANEL_BYTES = 8 * len(PanelWord)


_ELEMENTS: dict[np.dtype, ElementKind] = {
    np.dtype(np.float32): "f32",
    np.dtype(np.float16): "f16",
    bfloat16: "bf16",
}


def _reach(weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest sum per column of u8 activations times weights [S, K, N]."""
    flat = weights.reshape(-1, weights.shape[2])
    # Sums of floats are much faster than those of integers, and exact below 2^24 or 2^53.
    exact = len(flat) < 1 << (25 - 8 * weights.itemsize)
    ones = np.ones(len(flat), np.float32 if exact else np.float64)
    values = flat.astype(ones.dtype)
    total = (ones @ values).astype(np.int64)
    sizes = (ones @ np.abs(values, out=values)).astype(np.int64)
    return bias + 255 * (total - sizes) // 2, bias + 255 * (total + sizes) // 2


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

    @cached_property
    def code(self) -> EpilogueCode:
        """The code of its epilogue: the cheapest clamp that is proved to give the same bits."""
        residual = self.residuals is not None
        if self.element != "u8":
            return EpilogueCode(self.epilogue.kind, "f32", residual)
        clamp = "real"
        if self.epilogue.kind == "u8":
            clamp = u8_clamp(self.epilogue, None)
            if clamp == "real" and isinstance(self.weights, np.ndarray):
                clamp = u8_clamp(self.epilogue, _reach(self.weights, self.bias))
        table = self.epilogue.table is not None
        if table and clamp == "none":
            clamp = "bytes"  # costs little and saves a variant of every tile
        return EpilogueCode(self.epilogue.kind, "i32", residual, clamp, table)


def grouped_calls(products: Sequence[Product], isa: Isa) -> list[Call]:
    """The calls that compute the groups of a convolution: products that have rows, segments and
    sizes in common.  Tiles take all groups in one call."""
    multiply = multiply_for(isa, products[0].element)
    together = (
        multiply is not None
        and len(products) > 1
        and all(product.weights.dtype == np.int8 for product in products)
        and len(products[0].rows) > 0
        and not (isa.includes(AMX) and _amx_calls(products[0]) is not None)
    )
    if multiply is None or not together:
        return [call for product in products for call in product_calls(product, isa)]
    tiling = choose_tiling(problem_of(products[0], multiply), multiply)
    return tile_calls(products, multiply, tiling)


def _amx_calls(product: Product) -> list[Call] | None:
    """The calls with AMX, if those are faster than tiles of vector registers."""
    return amx_calls(product, _tile_cycles(product))


def _tile_cycles(product: Product) -> float:
    """About how long the best register tiles take: at 28 steps (of widened floats 10) a cycle,
    results at 5."""
    segments, k, n = product.weights.shape
    columns = -(-n // 16) * 16
    steps = segments * -(-k * product.weights.dtype.itemsize // 4)
    rate = 28 if product.element == "u8" else 10
    return len(product.rows) * columns * (steps / rate + 0.2) + 300


def product_calls(product: Product, isa: Isa) -> list[Call]:
    """The calls that compute a product with the kernels of one instruction set."""
    if not len(product.rows) or not product.weights.shape[2]:
        return []
    multiply = multiply_for(isa, product.element)
    if isa.includes(AMX) and (calls := _amx_calls(product)) is not None:
        return calls
    if multiply is None or product.weights.dtype == np.int16:
        return _portable_calls(product)
    segments, k, _ = product.weights.shape
    if product.element == product.epilogue.kind == "f32" and isinstance(
        product.weights, np.ndarray
    ):
        passes = depth_passes(segments, k, multiply)
        parts = _split_depth(product, passes)
        return [call for part in parts for call in _tile_calls(part, multiply)]
    return _tile_calls(product, multiply)


def _split_depth(product: Product, passes: int) -> list[Product]:
    """Products of consecutive parts of the depth, each of which adds to the one before.

    The sums wait in the output, so they must be of its type; only the last part clamps them.
    """
    assert isinstance(product.weights, np.ndarray)
    segments, k, _ = product.weights.shape
    size = product.weights.itemsize
    parts: list[Product] = []
    for part in range(passes):
        if segments > 1:
            chosen = slice(segments * part // passes, segments * (part + 1) // passes)
            weights, offsets = product.weights[chosen], product.segments[chosen]
        else:
            chosen = slice(k * part // passes, k * (part + 1) // passes)
            weights, offsets = product.weights[:, chosen], product.segments + chosen.start * size
        made = replace(product, weights=weights, segments=offsets)
        if part:
            bias = np.zeros_like(product.bias)
            made = replace(made, bias=bias, residual=product.c, residuals=product.outputs)
        if part < passes - 1:
            made = replace(made, epilogue=replace(product.epilogue, lo=-np.inf, hi=np.inf))
        parts.append(made)
    return parts


# --- tiles ---


observers: list[Callable[[Product, Multiply], None]] = []
"""Called with every product that tiles compute, when it is planned (see `autotune`)."""


def _tile_calls(product: Product, multiply: Multiply) -> list[Call]:
    for observe in observers:
        observe(product, multiply)
    return tile_calls([product], multiply, choose_tiling(problem_of(product, multiply), multiply))


def problem_of(product: Product, multiply: Multiply) -> Problem:
    """What a tiling is chosen by."""
    segments, k, n = product.weights.shape
    return Problem(multiply.isa.name, multiply.kind, len(product.rows), n, segments, k)


def tile_calls(products: Sequence[Product], multiply: Multiply, tiling: Tiling) -> list[Call]:
    """The calls that compute a product with tiles, cut as `tiling` says; or products (groups) that
    have rows, segments and sizes in common."""
    product = products[0]
    segments, k, n = product.weights.shape
    m = len(product.rows)
    tables = _Tables(product)
    before: list[Call] = []
    keep: list[np.ndarray] = [*tables.arrays]
    panels: list[np.ndarray] = []
    for group in products:
        first = 0
        for vectors, count in tiling.panels:
            end = min(first + count * vectors * multiply.lanes, n)
            made = _panels(group, multiply, tiling, first, end, vectors)
            made.table[:, PanelWord.A] = group.a - product.a
            made.table[:, PanelWord.OUTPUT] += group.c - product.c
            before += made.before
            keep += made.keep
            panels.append(made.table)
            first = end
    table = aligned(np.concatenate(panels))
    table[:, PanelWord.NEXT_WEIGHTS] = np.roll(table[:, PanelWord.WEIGHTS], -1)
    row = {
        Argument.A: product.a,
        Argument.K: k,
        Argument.ROWS: tables.rows.ctypes.data,
        Argument.SEGMENTS: segments,
        Argument.SEGMENT_OFFSETS: tables.segments.ctypes.data,
        Argument.C: product.c,
        Argument.OUTPUTS: tables.outputs.ctypes.data,
        Argument.R: product.residual,
        Argument.RESIDUALS: tables.residuals.ctypes.data,
        Argument.M: m,
        Argument.TILES: tiling.tiles,
        Argument.PANELS: len(table),
        Argument.PANEL_TABLE: table.ctypes.data,
        Argument.TILES_PER_BLOCK: tiling.tiles_per_block,
    }
    work = len(products) * n * segments * k
    work *= max(m / multiply.products_per_ns, multiply.element_bytes / 20)  # read: 20 GB/s
    return [*before, Call(walk_tiles, tuple(row[i] for i in Argument), (table, *keep), work)]


@dataclass(frozen=True, eq=False)
class _Panels:
    """Panels of one width: the calls that pack their weights, their `PanelWord`s, and memory."""

    before: list[Call]
    table: np.ndarray
    keep: tuple[np.ndarray, ...]


def _panels(
    product: Product, multiply: Multiply, tiling: Tiling, first: int, end: int, vectors: int
) -> _Panels:
    """The panels of `vectors` registers that cover the columns [first, end)."""
    columns = vectors * multiply.lanes
    masked = vectors < widest_panel(multiply) or bool((end - first) % columns)
    m = len(product.rows)
    high = Tile(multiply, -(-m // tiling.tiles), vectors, masked, product.code)
    low = replace(high, rows=m // tiling.tiles)
    order = interleave.order(multiply.lanes) if high.interleaved else None
    before: list[Call] = []
    if isinstance(product.weights, View):
        pack, weights = pack_panels_call(product.weights.slice(2, first, end - first), columns)
        before.append(pack)
    else:
        weights = pack_tiles(product.weights[:, :, first:end], multiply, vectors, order)
    epilogue = channels_of(product.epilogue, slice(first, end))
    blocks = pack_epilogue(epilogue, product.bias[first:end], columns, order)
    panel = np.arange(len(weights))
    table = np.zeros((len(weights), len(PanelWord)), np.int64)
    table[:, PanelWord.HIGH] = high.function.address
    table[:, PanelWord.LOW] = low.function.address
    table[:, PanelWord.WEIGHTS] = weights.ctypes.data + panel * weights.strides[0]
    table[:, PanelWord.BLOCK] = blocks.ctypes.data + panel * blocks.strides[0]
    table[:, PanelWord.OUTPUT] = (first + panel * columns) * product.code.output_size
    table[:, PanelWord.VALID] = np.minimum(end - first - panel * columns, columns)
    return _Panels(before, table, (weights, blocks))


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


@kernel
def walk_tiles(row: int, thread: int, threads: int) -> None:
    """Computes a product tile by tile: blocks of rows, in those panels, in those tiles.

    Threads share the tiles of all panels evenly: each has a run of them in that order.
    """
    m = argument(row, _M)
    tiles = argument(row, _TILES)
    panels = argument(row, _PANELS)
    table = argument(row, _PANEL_TABLE)
    per_block = argument(row, _TILES_PER_BLOCK)
    low_rows = m // tiles
    high_tiles = m - tiles * low_rows  # so many tiles, the first, have one row more

    first = tiles * panels * thread // threads
    end = tiles * panels * (thread + 1) // threads
    while first < end:
        block = first // (panels * per_block)  # all earlier blocks are whole
        block_tile = block * per_block
        block_tiles = min(per_block, tiles - block_tile)
        inside = first - block_tile * panels
        panel = inside // block_tiles
        start = block_tile + inside - panel * block_tiles
        stop = min(block_tile + block_tiles, start + end - first)
        words = table + panel * _PANEL_BYTES
        high_stop = max(start, min(stop, high_tiles))
        top = start * low_rows + min(start, high_tiles)
        if high_stop > start:
            call_tile(argument(words, _HIGH), row, words, top, high_stop - start)
        if stop > high_stop:
            top = high_stop * low_rows + min(high_stop, high_tiles)
            call_tile(argument(words, _LOW), row, words, top, stop - high_stop)
        first += stop - start


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every kernel and tile function that the products of programs ask for.

    float16 activations are widened before; tables are calls of their own.
    """
    kernels = [walk_tiles, pack_panels_f32]
    kinds: tuple[ElementKind, ...] = ("u8", "f32", "bf16")
    for kind in kinds:
        multiply = multiply_for(isa, kind)
        for code in epilogue_codes(kind):
            if multiply is not None:
                kernels += [tile.function for tile in every_tile(multiply, code)]
            # Weights of 9 bits, which no tile multiplies, are plain loops everywhere.
            if code.clamp == "real" and (multiply is None or kind == "u8"):
                kernels.append(portable_kernel(code, kind))
        if isa.includes(AMX):
            kernels += every_amx_kernel(kind, epilogue_codes(kind))
    return list(dict.fromkeys(kernels))


def epilogue_codes(kind: ElementKind) -> list[EpilogueCode]:
    """The epilogues that products of one element kind have in programs."""
    if kind == "u8":
        return [
            EpilogueCode("i32", "i32", False),
            EpilogueCode("f32", "i32", False),
            *(
                EpilogueCode("u8", "i32", residual, clamp)
                for residual in (False, True)
                for clamp in CLAMPS
            ),
        ]
    outputs: tuple[OutputKind, ...] = ("f32", "f16" if kind == "f32" else kind)
    return [
        EpilogueCode(output, "f32", residual) for output in outputs for residual in (False, True)
    ]


def every_tile(multiply: Multiply, code: EpilogueCode) -> list[Tile]:
    """Every tile of one multiplication and epilogue; narrow ones are masked always."""
    heights = HEIGHTS[multiply.isa, multiply.kind]
    return [
        Tile(multiply, rows, vectors, masked, code)
        for vectors, of_width in enumerate(heights, 1)
        for rows in of_width
        for masked in ((True,) if vectors < len(heights) else (False, True))
    ]


# --- plain loops ---


def _portable_calls(product: Product) -> list[Call]:
    segments, k, n = product.weights.shape
    columns = -(-n // PORTABLE_COLUMNS) * PORTABLE_COLUMNS
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
            for j in range(0, n, PORTABLE_COLUMNS):
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

"""Products of float32 activations with weights in blocks of few bits.

    y[m, n] = clamp(sum over k of  a[m, k] * (q[k, n] - z[block, n]) * scale[block, n]
                    + bias[n] + residual[m, n])

Few rows are multiplied with weights that become floats in registers: such a product waits for
memory, and reads an eighth or a quarter of it. For more rows each thread unpacks a panel of weights
into memory of its own, which stays in its second-level cache, and multiplies all rows with it by
the float32 tiles. `nbits_format` draws how weights lie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from runtime.kernels.abi import Call, Kernel, View, aligned, f32_bits, kernel
from runtime.kernels.epilogue import Epilogue, EpilogueCode, pack_epilogue
from runtime.kernels.gemm import walk_tiles
from runtime.kernels.intrinsics import (
    argument,
    call_tile,
    i64_pointer,
)
from runtime.kernels.isa import Isa
from runtime.kernels.matmul import row_offsets
from runtime.kernels.multiply import Multiply, multiply_for
from runtime.kernels.nbits_format import BlockFormat
from runtime.kernels.nbits_packing import Blocks
from runtime.kernels.nbits_portable import portable_kernel
from runtime.kernels.nbits_tile import BlockArgument, Unpack, WeightTile
from runtime.kernels.tile import Argument, PanelWord, Tile
from runtime.kernels.tiling import HEIGHTS
from runtime.reference.blocks import middle
from runtime.workers import available_cores

Memory = Callable[[int], int]
"""The address of so many bytes for the calls of one op."""

DIRECT: dict[int, tuple[int, ...]] = {64: (4, 4, 4, 4), 32: (2, 2)}
"""By bytes of a register: the registers of a panel for products of 1, 2, ... rows that are
multiplied directly. Parts and totals of all rows must fit the registers."""

_BYTES_PER_NS = 20.0
_LINE = 64


@dataclass(frozen=True, eq=False)
class _Problem:
    """A product, as every way of computing it needs it."""

    a: View
    y: View
    residual: View | None
    weights: Blocks
    bias: np.ndarray
    bounds: tuple[float, float]
    rows: np.ndarray
    outputs: np.ndarray
    residuals: np.ndarray

    @property
    def k(self) -> int:
        return self.a.shape[-1]

    @property
    def n(self) -> int:
        return len(self.weights.scales)

    @property
    def code(self) -> EpilogueCode:
        return EpilogueCode("f32", "f32", self.residual is not None)

    def row(self) -> dict[int, int]:
        """The words that all generated code reads."""
        return {
            Argument.A: self.a.address,
            Argument.K: self.k,
            Argument.ROWS: self.rows.ctypes.data,
            Argument.SEGMENTS: 1,
            Argument.SEGMENT_OFFSETS: _NO_OFFSET.ctypes.data,
            Argument.C: self.y.address,
            Argument.OUTPUTS: self.outputs.ctypes.data,
            Argument.R: 0 if self.residual is None else self.residual.address,
            Argument.RESIDUALS: self.residuals.ctypes.data,
            Argument.M: len(self.rows),
            BlockArgument.BLOCK: self.weights.size,
            BlockArgument.BLOCKS: self.weights.scales.shape[1],
        }

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        return (self.rows, self.outputs, self.residuals)


_NO_OFFSET = np.zeros(1, np.int64)


def matmul_nbits_calls(
    a: View,
    weights: Blocks,
    bias: np.ndarray | None,
    y: View,
    *,
    bounds: tuple[float, float],
    isa: Isa,
    memory: Memory,
    residual: View | None = None,
) -> list[Call]:
    """Plans a product. a: [.., K] float32 with adjacent elements; bias: [N] float32; y, residual:
    [.., N] with adjacent columns. `bounds` clamp y. Raises ValueError for other layouts."""
    for view in (a, y, *(() if residual is None else (residual,))):
        if view.shape[-1] > 1 and view.strides[-1] != 1:
            raise ValueError(f"matmul_nbits: column stride {view.strides[-1]}, expected 1")
    outputs = row_offsets(y)
    problem = _Problem(
        a,
        y,
        residual,
        weights,
        np.zeros(y.shape[-1], np.float32) if bias is None else bias,
        bounds,
        row_offsets(a),
        outputs,
        outputs if residual is None else row_offsets(residual.broadcast_to(y.shape)),
    )
    if not len(outputs) or not problem.n:
        return []
    multiply = multiply_for(isa, "f32")
    if multiply is None:
        return [_portable_call(problem)]
    if len(outputs) <= len(DIRECT[multiply.isa.vector_bytes]):
        return [_direct_call(problem, multiply)]
    return [_unpacking_call(problem, multiply, memory)]


def _format(problem: _Problem, multiply: Multiply, widest: int) -> BlockFormat:
    """Panels of `widest` registers, or what fewer columns need."""
    weights = problem.weights
    vectors = min(widest, -(-problem.n // multiply.lanes))
    return BlockFormat(multiply.isa, weights.bits, weights.zero_points is not None, vectors)


def _panel_table(
    problem: _Problem, form: BlockFormat, high: Kernel, low: Kernel
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """The `PanelWord`s of all panels, and the arrays they point to."""
    packed = problem.weights.packed(form)
    low_bound, high_bound = problem.bounds
    epilogue = Epilogue("f32", lo=low_bound, hi=high_bound)
    blocks = pack_epilogue(epilogue, problem.bias.astype(np.float32), form.columns)
    panel = np.arange(len(packed))
    table = np.zeros((len(packed), len(PanelWord)), np.int64)
    table[:, PanelWord.HIGH] = high.address
    table[:, PanelWord.LOW] = low.address
    table[:, PanelWord.WEIGHTS] = packed.ctypes.data + panel * packed.strides[0]
    table[:, PanelWord.BLOCK] = blocks.ctypes.data + panel * blocks.strides[0]
    table[:, PanelWord.OUTPUT] = panel * form.columns * 4
    table[:, PanelWord.VALID] = np.minimum(problem.n - panel * form.columns, form.columns)
    table[:, PanelWord.NEXT_WEIGHTS] = np.roll(table[:, PanelWord.WEIGHTS], -1)
    table = aligned(table)
    return table, (table, packed, blocks)


def _is_masked(problem: _Problem, form: BlockFormat, widest: int) -> bool:
    """Narrow panels are masked always: one variant fewer."""
    return form.vectors < widest or bool(problem.n % form.columns)


def _words(row: dict[int, int], last: int) -> tuple[int, ...]:
    return tuple(row.get(word, 0) for word in range(1, last + 1))


def _direct_call(problem: _Problem, multiply: Multiply) -> Call:
    m = len(problem.rows)
    widest = DIRECT[multiply.isa.vector_bytes][m - 1]
    form = _format(problem, multiply, widest)
    function = WeightTile(form, m, _is_masked(problem, form, widest), problem.code).function
    table, keep = _panel_table(problem, form, function, function)
    row = problem.row() | {
        Argument.TILES: 1,
        Argument.PANELS: len(table),
        Argument.PANEL_TABLE: table.ctypes.data,
        Argument.TILES_PER_BLOCK: 1,
    }
    work = max(keep[1].nbytes / _BYTES_PER_NS, m * problem.k * problem.n / 20.0)
    words = _words(row, BlockArgument.BLOCKS)
    return Call(walk_tiles, words, (*keep, *problem.arrays), work)


def _unpacking_call(problem: _Problem, multiply: Multiply, memory: Memory) -> Call:
    m = len(problem.rows)
    heights = HEIGHTS[multiply.isa, multiply.kind]
    form = _format(problem, multiply, len(heights))
    tiles = -(-m // heights[form.vectors - 1][-1])
    masked = _is_masked(problem, form, len(heights))
    high = Tile(multiply, -(-m // tiles), form.vectors, masked, problem.code)
    low = Tile(multiply, m // tiles, form.vectors, masked, problem.code)
    table, keep = _panel_table(problem, form, high.function, low.function)
    slots = min(available_cores(), len(table))
    size = -(-(_LINE + 4 * form.columns * problem.k) // _LINE) * _LINE
    row = problem.row() | {
        Argument.TILES: tiles,
        Argument.PANELS: len(table),
        Argument.PANEL_TABLE: table.ctypes.data,
        BlockArgument.UNPACK: Unpack(form).function.address,
        BlockArgument.SCRATCH: memory(slots * size),
        BlockArgument.SCRATCH_BYTES: size,
        BlockArgument.SLOTS: slots,
    }
    work = problem.k * problem.n * (m / multiply.products_per_ns + 0.1)
    words = _words(row, BlockArgument.SLOTS)
    return Call(walk_unpacked, words, (*keep, *problem.arrays), work)


# What the walker reads, as the plain numbers that numba needs.
_M, _TILES = int(Argument.M), int(Argument.TILES)
_PANELS, _PANEL_TABLE = int(Argument.PANELS), int(Argument.PANEL_TABLE)
_UNPACK, _SLOTS = int(BlockArgument.UNPACK), int(BlockArgument.SLOTS)
_SCRATCH, _SCRATCH_BYTES = int(BlockArgument.SCRATCH), int(BlockArgument.SCRATCH_BYTES)
_HIGH, _LOW, _WEIGHTS = int(PanelWord.HIGH), int(PanelWord.LOW), int(PanelWord.WEIGHTS)
_WORDS = len(PanelWord)


@kernel
def walk_unpacked(row: int, thread: int, threads: int) -> None:
    """Unpacks panel by panel, and multiplies all rows with each.

    Threads share the panels; those that have no memory for one leave the work to the others.
    """
    workers = min(threads, argument(row, _SLOTS))
    if thread >= workers:
        return
    m, tiles, panels = argument(row, _M), argument(row, _TILES), argument(row, _PANELS)
    own = argument(row, _SCRATCH) + thread * argument(row, _SCRATCH_BYTES)
    floats = own + _LINE
    low_rows = m // tiles
    high_tiles = m - tiles * low_rows  # so many tiles, the first, have one row more
    words = i64_pointer(own)
    for panel in range(panels * thread // workers, panels * (thread + 1) // workers):
        source = i64_pointer(argument(row, _PANEL_TABLE) + 8 * _WORDS * panel)
        for i in range(_WORDS):
            words[i] = source[i]
        call_tile(argument(row, _UNPACK), row, source[_WEIGHTS], floats, 0)
        words[_WEIGHTS] = floats
        if high_tiles > 0:
            call_tile(source[_HIGH], row, own, 0, high_tiles)
        if tiles > high_tiles:
            first = high_tiles * (low_rows + 1)
            call_tile(source[_LOW], row, own, first, tiles - high_tiles)


# --- plain loops ---


def _portable_call(problem: _Problem) -> Call:
    weights = problem.weights
    stored = aligned(weights.stored)
    scales = aligned(weights.scales)
    given = weights.zero_points
    zeros = aligned(
        np.full(scales.shape, middle(weights.bits), np.uint8) if given is None else given
    )
    bias = aligned(problem.bias.astype(np.float32))
    arguments = (
        problem.a.address, problem.k, problem.rows.ctypes.data, stored.ctypes.data, weights.size,
        scales.shape[1], scales.ctypes.data, zeros.ctypes.data, bias.ctypes.data,
        problem.y.address, problem.outputs.ctypes.data,
        0 if problem.residual is None else problem.residual.address,
        problem.residuals.ctypes.data, len(problem.rows), problem.n,
        *map(f32_bits, problem.bounds),
    )  # fmt: skip
    kept = (stored, scales, zeros, bias, *problem.arrays)
    return Call(portable_kernel(weights.bits, problem.residual is not None), arguments, kept)


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every kernel of products with weights of few bits but the float32 tiles."""
    multiply = multiply_for(isa, "f32")
    flags = (False, True)
    if multiply is None:
        return [portable_kernel(bits, residual) for bits in (4, 8) for residual in flags]
    kernels: list[Kernel] = [walk_unpacked]
    for bits in (4, 8):
        for zero_points in flags:
            for vectors in range(1, len(HEIGHTS[multiply.isa, multiply.kind]) + 1):
                form = BlockFormat(multiply.isa, bits, zero_points, vectors)
                kernels += [Unpack(form).function, *_every_tile(form)]
    return kernels


def _every_tile(form: BlockFormat) -> list[Kernel]:
    found: list[Kernel] = []
    for rows, widest in enumerate(DIRECT[form.isa.vector_bytes], 1):
        if form.vectors > widest:
            continue
        for masked in (True,) if form.vectors < widest else (False, True):
            for residual in (False, True):
                code = EpilogueCode("f32", "f32", residual)
                found.append(WeightTile(form, rows, masked, code).function)
    return found

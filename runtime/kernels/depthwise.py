"""Depthwise convolution: every channel has a window of its own.

    y[n, c, p] = epilogue(sum over t of  x[n, c, p * stride + t * dilation - pad] * w[c, t])

There is no reuse across channels, so the tiles take blocks of adjacent channels and walk along
lines of pixels with their weights: `depthwise_columns` for 3 x 3 windows, `depthwise_tile` for any.

With stride 1 and dense pixels a line is one run of W * C channels: blocks then cover it without
regard to pixel borders, and the weights repeat with period lcm(C, block) / block blocks.  So 24
channels cost no more per channel than 64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import gcd
from typing import cast

import numpy as np

from runtime.kernels import depthwise_columns, interleave
from runtime.kernels.abi import Call, Kernel, View, aligned
from runtime.kernels.depthwise_columns import (
    ColumnsTile,
    depthwise_columns_kernel,
    has_columns,
    masks_stores,
)
from runtime.kernels.depthwise_portable import portable_depthwise_kernel
from runtime.kernels.depthwise_tile import TAPS, DepthwiseTile, depthwise_kernel
from runtime.kernels.epilogue import (
    Epilogue,
    EpilogueCode,
    OutputKind,
    pack_epilogue,
    u8_clamp,
)
from runtime.kernels.half import HALF_KINDS
from runtime.kernels.isa import Isa
from runtime.kernels.layout import fold_zero_points, pixel_offsets
from runtime.kernels.multiply import ElementKind, Multiply, multiply_for
from runtime.kernels.vector_ir import HalfKind


def depthwise_calls(
    x: View,
    weight: np.ndarray,
    bias: np.ndarray | None,
    y: View,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    epilogue: Epilogue,
    isa: Isa,
    x_zero_point: int = 0,
    weight_zero_point: int | np.ndarray = 0,
    residual: View | None = None,
) -> list[Call]:
    """Plans a depthwise convolution over two spatial axes; operands as in `conv.conv_calls`."""
    weight, bias = fold_zero_points(weight, bias, x_zero_point, weight_zero_point)
    _, _, x_row, x_column = x.byte_strides
    height, width = weight.shape[2:]
    half = HALF_KINDS.get(weight.dtype.name)
    widened = weight.dtype if half is None else np.dtype(np.float32)
    lines_shape = (*y.shape[:3], 1)  # a line is the pixels of one output row
    problem = Depthwise(
        a=x.address - pads[0] * x_row - pads[1] * x_column,
        lines=pixel_offsets(x, lines_shape, strides),
        rows=np.arange(height) * (x_row * dilations[0]),
        columns=np.arange(width) * (x_column * dilations[1]),
        weights=weight.reshape(len(weight), height * width).astype(widened),
        half=half,
        bias=bias,
        c=y.address,
        outputs=pixel_offsets(y, lines_shape, (1, 1)),
        pixels=y.shape[3],
        x_step=x_column * strides[1],
        y_step=y.byte_strides[3],
        epilogue=epilogue,
        residual=0 if residual is None else residual.address,
        residuals=None if residual is None else pixel_offsets(residual, lines_shape, (1, 1)),
        r_step=0 if residual is None else residual.byte_strides[3],
    )
    if not len(problem.lines) or not problem.pixels:
        return []
    element = "f32" if widened == np.float32 else "u8"
    multiply = multiply_for(isa, element)
    if multiply is None or weight.dtype == np.int16:
        return [_portable_call(problem)]
    columns = _columns_calls(problem, multiply)
    if columns is not None:
        return columns
    return _tile_calls(_flattened(problem, interleave.REGISTERS * multiply.lanes), multiply)


@dataclass(frozen=True, eq=False)
class Depthwise:
    """A depthwise convolution as lines of pixels.  Addresses, offsets and steps are in bytes.

    lines, outputs, residuals: offset of each line; rows [KH], columns [KW]: offsets of the window's
    from the pixel.  weights [C, KH * KW], bias [C].  The steps lead from one pixel of a line to the
    next.  half: the type of the activations if they are 16-bit floats; the weights are float32.
    """

    a: int
    lines: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    c: int
    outputs: np.ndarray
    pixels: int
    x_step: int
    y_step: int
    epilogue: Epilogue
    residual: int
    residuals: np.ndarray | None
    r_step: int
    half: HalfKind | None = None

    @property
    def taps(self) -> np.ndarray:
        """Offset of each tap from the pixel, [KH * KW]."""
        return (self.rows[:, None] + self.columns).reshape(-1)

    @property
    def itemsize(self) -> int:
        """Bytes of an activation."""
        if self.half is not None:
            return 2
        return 4 if self.weights.dtype == np.float32 else 1

    @property
    def is_dense(self) -> bool:
        """Whether a line's pixels follow one another without gaps, in all operands."""
        channels, size = len(self.weights), self.code.output_size
        steps = [self.y_step] if self.residuals is None else [self.y_step, self.r_step]
        return self.x_step == channels * self.itemsize and all(
            step == channels * size for step in steps
        )

    @property
    def code(self) -> EpilogueCode:
        """The code of its epilogue: the cheapest clamp that is proved to give the same bits."""
        table = self.epilogue.table is not None
        residual = self.residuals is not None
        if self.weights.dtype == np.float32:
            return EpilogueCode(self.epilogue.kind, "f32", residual, table=table)
        # "none" is not worth kernels of its own: it saves two operations per 64 channels.
        proved = self.epilogue.kind == "u8" and u8_clamp(self.epilogue, None) != "real"
        clamp = "bytes" if proved else "real"
        return EpilogueCode(self.epilogue.kind, "i32", residual, clamp, table=table)


@dataclass(frozen=True)
class Block:
    """Adjacent channels at `start` of a line, and again `count - 1` times at equal steps.

    channels: the index (into weights and bias) of each.
    """

    start: int
    count: int
    channels: np.ndarray


@dataclass(frozen=True, eq=False)
class Blocks:
    """A problem, and how its channels are cut into blocks; steps in bytes."""

    problem: Depthwise
    whole: list[Block]
    rest: list[Block]
    x_step: int
    y_step: int
    r_step: int


def _flattened(problem: Depthwise, width: int) -> Blocks:
    """Cuts the channels into blocks of `width`; a dense line is cut as one long run of channels."""
    channels = len(problem.weights)
    if not problem.is_dense or channels % width == 0:
        return _per_pixel(problem, width)
    run = problem.pixels * channels
    blocks = run // width
    period = channels // gcd(channels, width)
    whole = [
        Block(i * width, -(-(blocks - i) // period), (i * width + np.arange(width)) % channels)
        for i in range(min(period, blocks))
    ]
    start = blocks * width
    rest = [Block(start, 1, np.arange(start, run) % channels)] if start < run else []
    step = period * width
    size = problem.code.output_size
    return Blocks(problem, whole, rest, step * problem.itemsize, step * size, step * size)


def _per_pixel(problem: Depthwise, width: int) -> Blocks:
    """Cuts the channels of every pixel into blocks of `width`."""
    channels = len(problem.weights)
    end = channels - channels % width
    whole = [Block(i, problem.pixels, i + np.arange(width)) for i in range(0, end, width)]
    rest = [Block(end, problem.pixels, np.arange(end, channels))] if end < channels else []
    return Blocks(problem, whole, rest, problem.x_step, problem.y_step, problem.r_step)


def _block_epilogues(
    problem: Depthwise, chosen: list[Block], columns: int, order: np.ndarray | None
) -> np.ndarray:
    """The epilogue's words of each block, `columns` channels wide."""
    words = []
    for block in chosen:
        m = problem.epilogue.multiplier
        if m is not None and np.size(m) > 1:
            m = m[block.channels]
        epilogue = replace(problem.epilogue, multiplier=m)
        words.append(pack_epilogue(epilogue, problem.bias[block.channels], columns, order))
    return aligned(np.concatenate(words))


# --- 3 x 3: columns ---

_WASTE = 1.2
"""Blocks that respect pixel borders share columns; blocks of a run fill every register.  So many
times more blocks outweigh what sharing saves."""


def _columns_calls(problem: Depthwise, multiply: Multiply) -> list[Call] | None:
    """None if there is no tile of columns for this problem."""
    if len(problem.rows) != depthwise_columns.TAPS or len(problem.columns) != len(problem.rows):
        return None
    width = ColumnsTile(multiply, 1, 0, False, problem.code).channels
    blocks = _per_pixel(problem, width)
    channels = len(problem.weights)
    if problem.is_dense and -(-channels // width) * width > _WASTE * channels:
        blocks = _flattened(problem, width)
    column = int(problem.columns[1])
    shared = next((n for n in (1, 2) if blocks.x_step == n * column), 0)
    outputs = max(map(len, _row_tasks(problem)))
    if not has_columns(problem.half or multiply.kind, outputs, shared, problem.code):
        return None
    calls = []
    for chosen, partial in ((blocks.whole, False), (blocks.rest, True)):
        if chosen:
            masked = masks_stores(multiply, partial)
            tile = ColumnsTile(multiply, outputs, shared, masked, problem.code, problem.half)
            calls.append(_columns_call(blocks, chosen, tile))
    return calls


def _columns_call(blocks: Blocks, chosen: list[Block], tile: ColumnsTile) -> Call:
    problem = blocks.problem
    tasks = _row_tasks(problem)
    kernel = (depthwise_columns.TAPS,) * 2
    weights = aligned(
        np.stack([tile.pack(problem.weights[b.channels].reshape(-1, *kernel)) for b in chosen])
    )
    order = interleave.order(tile.multiply.lanes) if tile.interleaved else None
    epilogues = _block_epilogues(problem, chosen, tile.channels, order)
    starts = np.array([block.start for block in chosen], np.int64)
    counts = np.array([block.count for block in chosen], np.int64)

    # A task without a second output row reads its last row of x twice, and stores twice to the
    # first: the tile stores that one last.
    row_tables = np.empty((len(tasks), depthwise_columns.ROWS), np.int64)
    output_tables = np.empty((len(tasks), depthwise_columns.OUTPUTS), np.int64)
    residual_tables = np.empty_like(output_tables)
    residuals = problem.outputs if problem.residuals is None else problem.residuals
    for index, task in enumerate(tasks):
        first, last = task[0], task[-1]
        row_tables[index, : depthwise_columns.TAPS] = problem.lines[first] + problem.rows
        row_tables[index, depthwise_columns.TAPS :] = problem.lines[last] + problem.rows[-1]
        output_tables[index] = problem.outputs[first], problem.outputs[last]
        residual_tables[index] = residuals[first], residuals[last]
    arguments = (
        problem.a,
        len(tasks),
        row_tables.ctypes.data,
        int(problem.columns[1]),
        problem.c,
        output_tables.ctypes.data,
        problem.residual,
        residual_tables.ctypes.data,
        len(chosen),
        starts.ctypes.data,
        counts.ctypes.data,
        blocks.x_step,
        blocks.y_step,
        blocks.r_step,
        weights.ctypes.data,
        weights.strides[0],
        epilogues.ctypes.data,
        epilogues.strides[0],
        problem.itemsize,
        problem.code.output_size,
        len(chosen[0].channels),
    )
    keep = (weights, epilogues, starts, counts, row_tables, output_tables, residual_tables)
    return Call(depthwise_columns_kernel(tile), arguments, keep)


def _row_tasks(problem: Depthwise) -> list[tuple[int, ...]]:
    """The lines, in pairs where the windows of two cover four rows of x (vertical stride 1)."""
    tasks: list[tuple[int, ...]] = []
    line, lines = 0, problem.lines
    while line < len(lines):
        pair = (line, line + 1)
        paired = line + 1 < len(lines) and lines[line + 1] - lines[line] == problem.rows[1]
        tasks.append(pair if paired else (line,))
        line += len(tasks[-1])
    return tasks


# --- any window ---


def _registers(multiply: Multiply, half: HalfKind | None, filled: int) -> int:
    """The registers of a tile for a block that fills so many: as few kinds as reading at most 64
    bytes past a buffer allows."""
    if multiply.kind == "u8":
        return interleave.REGISTERS
    return filled if half is None else filled + filled % 2


def _tile_calls(blocks: Blocks, multiply: Multiply) -> list[Call]:
    problem = blocks.problem
    calls = []
    for chosen, partial in ((blocks.whole, False), (blocks.rest, True)):
        if chosen:
            filled = -(-len(chosen[0].channels) // multiply.lanes)
            registers = _registers(multiply, problem.half, filled)
            masked = masks_stores(multiply, partial)
            tile = DepthwiseTile(multiply, registers, masked, problem.code, problem.half)
            calls.append(_tile_call(blocks, chosen, tile))
    return calls


def _tile_call(blocks: Blocks, chosen: list[Block], tile: DepthwiseTile) -> Call:
    problem = blocks.problem
    multiply = tile.multiply
    taps_per_step = TAPS if multiply.kind == "u8" else 1
    steps = -(-len(problem.taps) // taps_per_step)
    weights = aligned(np.stack([tile.pack(problem.weights[b.channels], steps) for b in chosen]))
    order = interleave.order(multiply.lanes) if tile.interleaved else None
    epilogues = _block_epilogues(problem, chosen, tile.columns, order)
    # A missing tap has weight 0 but is read: let it be one that exists.
    taps = np.resize(problem.taps, steps * taps_per_step).astype(np.int64)
    taps[len(problem.taps) :] = problem.taps[-1]
    starts = np.array([block.start for block in chosen], np.int64)
    counts = np.array([block.count for block in chosen], np.int64)
    lines, outputs = _int64(problem.lines), _int64(problem.outputs)
    residuals = outputs if problem.residuals is None else _int64(problem.residuals)
    arguments = (
        problem.a,
        len(lines),
        lines.ctypes.data,
        problem.c,
        outputs.ctypes.data,
        problem.residual,
        residuals.ctypes.data,
        len(chosen),
        starts.ctypes.data,
        counts.ctypes.data,
        blocks.x_step,
        blocks.y_step,
        blocks.r_step,
        weights.ctypes.data,
        weights.strides[0],
        epilogues.ctypes.data,
        epilogues.strides[0],
        steps,
        taps.ctypes.data,
        problem.itemsize,
        problem.code.output_size,
        len(chosen[0].channels),
    )
    keep = (weights, epilogues, taps, starts, counts, lines, outputs, residuals)
    return Call(depthwise_kernel(tile), arguments, keep)


def _int64(offsets: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(offsets, np.int64)


# --- plain loops ---


def _portable_call(problem: Depthwise) -> Call:
    dtype = np.float32 if problem.code.accumulator == "f32" else np.int16
    weights = aligned(problem.weights.astype(dtype))
    channels, taps = weights.shape
    block = pack_epilogue(problem.epilogue, problem.bias, channels)
    lines, outputs, offsets = (_int64(t) for t in (problem.lines, problem.outputs, problem.taps))
    residuals = outputs if problem.residuals is None else _int64(problem.residuals)
    arguments = (
        problem.a,
        len(lines),
        lines.ctypes.data,
        problem.c,
        outputs.ctypes.data,
        problem.residual,
        residuals.ctypes.data,
        problem.pixels,
        problem.x_step,
        problem.y_step,
        problem.r_step,
        weights.ctypes.data,
        channels,
        taps,
        offsets.ctypes.data,
        block.ctypes.data,
    )
    keep = (weights, block, lines, outputs, residuals, offsets)
    kernel = portable_depthwise_kernel(replace(problem.code, clamp="real"), problem.half)
    return Call(kernel, arguments, keep)


# --- all kernels ---

_FLOATS: tuple[HalfKind | None, ...] = (None, "bf16", "f16")
"""The types of float activations, None being float32."""


def _codes(kind: ElementKind, half: HalfKind | None) -> list[EpilogueCode]:
    """What may become of the sums."""
    if kind == "u8":
        # The clamp on bytes covers that of nothing: it costs two operations per 64 channels.
        return [
            *(EpilogueCode("u8", "i32", r, c) for r in (False, True) for c in ("real", "bytes")),
            EpilogueCode("f32", "i32", False),
            EpilogueCode("i32", "i32", False),
        ]
    outputs: tuple[OutputKind, ...] = ("f32",) if half is None else ("f32", half)
    return [EpilogueCode(output, "f32", r) for output in outputs for r in (False, True)]


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every kernel that a depthwise convolution may ask for."""
    elements: list[tuple[ElementKind, HalfKind | None]] = [
        ("u8", None),
        *((cast(ElementKind, "f32"), half) for half in _FLOATS),
    ]
    kernels = []
    for kind, half in elements:
        multiply = multiply_for(isa, kind)
        for code in _codes(kind, half):
            if multiply is not None:
                kernels += _tiles_of(multiply, code, half)
            # Weights of 9 bits, which no tile multiplies, are plain loops everywhere.
            if code.clamp == "real" and (multiply is None or kind == "u8"):
                kernels.append(portable_depthwise_kernel(code, half))
    return kernels


def _tiles_of(multiply: Multiply, code: EpilogueCode, half: HalfKind | None) -> list[Kernel]:
    kernels = []
    for masked in sorted({masks_stores(multiply, partial) for partial in (False, True)}):
        kernels += [
            depthwise_columns_kernel(ColumnsTile(multiply, outputs, shared, masked, code, half))
            for outputs, shared in product((1, 2), (0, 1, 2))
            if has_columns(half or multiply.kind, outputs, shared, code)
        ]
        widths = {_registers(multiply, half, count) for count in range(1, 5)}
        kernels += [
            depthwise_kernel(DepthwiseTile(multiply, registers, masked, code, half))
            for registers in sorted(widths)
        ]
    return kernels

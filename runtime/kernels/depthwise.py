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
from functools import cache
from math import gcd

import numpy as np

from runtime.kernels import depthwise_columns, interleave
from runtime.kernels.abi import Call, Kernel, View, aligned
from runtime.kernels.depthwise_columns import ColumnsTile, depthwise_columns_kernel
from runtime.kernels.depthwise_tile import TAPS, UNROLLED_STEPS, DepthwiseTile, depthwise_kernel
from runtime.kernels.epilogue import Epilogue, EpilogueCode, pack_epilogue, scalar_epilogue
from runtime.kernels.gemm import element_access
from runtime.kernels.half import HALF_KINDS, HALF_WIDEN
from runtime.kernels.intrinsics import argument, i64_pointer, u16_pointer
from runtime.kernels.isa import Isa
from runtime.kernels.layout import fold_zero_points, pixel_offsets
from runtime.kernels.multiply import Multiply, multiply_for
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
    if weight.shape[2:] == (depthwise_columns.TAPS, depthwise_columns.TAPS):
        return _columns_calls(problem, multiply)
    blocks = _flattened(problem, interleave.REGISTERS * multiply.lanes)
    return _tile_calls(blocks, multiply)


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
        accumulator = "f32" if self.weights.dtype == np.float32 else "i32"
        table = self.epilogue.table is not None
        residual = self.residuals is not None
        return EpilogueCode(self.epilogue.kind, accumulator, residual, table=table)


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


def _columns_calls(problem: Depthwise, multiply: Multiply) -> list[Call]:
    width = ColumnsTile(multiply, 1, 0, False, problem.code).channels
    blocks = _per_pixel(problem, width)
    channels = len(problem.weights)
    if problem.is_dense and -(-channels // width) * width > _WASTE * channels:
        blocks = _flattened(problem, width)
    column = int(problem.columns[1])
    shared = next((n for n in (1, 2) if blocks.x_step == n * column), 0)
    calls = []
    for chosen, masked in ((blocks.whole, False), (blocks.rest, True)):
        if chosen:
            calls.append(_columns_call(blocks, chosen, multiply, shared, masked))
    return calls


def _columns_call(
    blocks: Blocks, chosen: list[Block], multiply: Multiply, shared: int, masked: bool
) -> Call:
    problem = blocks.problem
    tasks = _row_tasks(problem)
    outputs = max(len(task) for task in tasks)
    tile = ColumnsTile(multiply, outputs, shared, masked, problem.code, problem.half)
    kernel = (depthwise_columns.TAPS,) * 2
    weights = aligned(
        np.stack([tile.pack(problem.weights[b.channels].reshape(-1, *kernel)) for b in chosen])
    )
    order = interleave.order(multiply.lanes) if tile.interleaved else None
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


def _tile_calls(blocks: Blocks, multiply: Multiply) -> list[Call]:
    calls = []
    if blocks.whole:
        calls.append(_tile_call(blocks, blocks.whole, multiply, interleave.REGISTERS, masked=False))
    if blocks.rest:
        registers = -(-len(blocks.rest[0].channels) // multiply.lanes)
        calls.append(_tile_call(blocks, blocks.rest, multiply, registers, masked=True))
    return calls


def _tile_call(
    blocks: Blocks, chosen: list[Block], multiply: Multiply, registers: int, masked: bool
) -> Call:
    problem = blocks.problem
    taps_per_step = TAPS if multiply.kind == "u8" else 1
    steps = -(-len(problem.taps) // taps_per_step)
    unrolled = steps if steps <= UNROLLED_STEPS.get((multiply.isa, multiply.kind), 0) else 0
    tile = DepthwiseTile(multiply, registers, masked, unrolled, problem.code, problem.half)

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
    return Call(portable_depthwise_kernel(problem.code, problem.half), arguments, keep)


@cache
def portable_depthwise_kernel(code: EpilogueCode, half: HalfKind | None) -> Kernel:
    """The convolution as plain loops, one channel of one pixel at a time."""
    finish = scalar_epilogue(code)
    size = code.output_size
    activations, weights_of, number = element_access(code)
    widen = number
    itemsize = 4 if code.accumulator == "f32" else 1
    if half is not None:
        activations, widen, itemsize = u16_pointer, HALF_WIDEN[half], 2

    def depthwise(row: int, thread: int, threads: int) -> None:
        a = argument(row, 1)
        line_count = argument(row, 2)
        lines = i64_pointer(argument(row, 3))
        c = argument(row, 4)
        outputs = i64_pointer(argument(row, 5))
        r = argument(row, 6)
        residuals = i64_pointer(argument(row, 7))
        pixels = argument(row, 8)
        x_step = argument(row, 9)
        y_step = argument(row, 10)
        r_step = argument(row, 11)
        weights = weights_of(argument(row, 12))
        channels = argument(row, 13)
        taps = argument(row, 14)
        offsets = i64_pointer(argument(row, 15))
        block = argument(row, 16)
        for line in range(line_count * thread // threads, line_count * (thread + 1) // threads):
            for pixel in range(pixels):
                x = a + lines[line] + pixel * x_step
                output = c + outputs[line] + pixel * y_step
                residual = r + residuals[line] + pixel * r_step
                for channel in range(channels):
                    total = number(0)
                    for tap in range(taps):
                        value = widen(activations(x + offsets[tap] + channel * itemsize)[0])
                        weight = number(weights[channel * taps + tap])
                        total = number(total + number(value * weight))
                    skip = channel * size
                    finish(total, block, channels, channel, output + skip, residual + skip)

    return Kernel.of(depthwise, "portable", code, half)

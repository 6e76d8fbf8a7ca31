"""Depthwise convolution: every channel has a window of its own.

    y[n, c, p] = epilogue(sum over t of  x[n, c, p * stride + t * dilation - pad] * w[c, t])

There is no reuse across channels, so the tile is a block of 4 registers of adjacent channels of one
output pixel, and it walks along a line of pixels with its weights.

u8 x s8: the dot-product instruction sums four products per lane, so the bytes of four taps are
interleaved (see `interleave`); weights are packed in the order of channels that this gives:

    u8 x s8     [block][taps / 4][4 registers][L][4]          missing taps have weight 0
    f32 x f32   [block][tap][registers][L]

With stride 1 and dense pixels a line is one run of W * C channels: blocks then cover it without
regard to pixel borders, and the weights repeat with period lcm(C, block) / block blocks.  So 24
channels cost no more per channel than 64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import gcd
from typing import Any

import numpy as np

from runtime.kernels import interleave
from runtime.kernels.abi import Call, Kernel, View, aligned
from runtime.kernels.epilogue import (
    Epilogue,
    EpilogueCode,
    VectorEpilogue,
    pack_epilogue,
    scalar_epilogue,
)
from runtime.kernels.gemm import element_access
from runtime.kernels.intrinsics import argument, i64_pointer
from runtime.kernels.isa import AVX512_VNNI, Isa
from runtime.kernels.layout import fold_zero_points, pixel_offsets
from runtime.kernels.multiply import Multiply, multiply_for
from runtime.kernels.vector_ir import I8, I64, Emitter, Vector, generated

_TAPS = 4  # per dot product


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
    lines_shape = (*y.shape[:3], 1)  # a line is the pixels of one output row
    problem = Depthwise(
        a=x.address - pads[0] * x_row - pads[1] * x_column,
        lines=pixel_offsets(x, lines_shape, strides),
        taps=(
            np.arange(height)[:, None] * (x_row * dilations[0])
            + np.arange(width) * (x_column * dilations[1])
        ).reshape(-1),
        weights=weight.reshape(len(weight), height * width),
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
    element = "f32" if weight.dtype == np.float32 else "u8"
    multiply = multiply_for(isa, element)
    if multiply is None or weight.dtype == np.int16:
        return [_portable_call(problem)]
    return _block_calls(_flattened(problem, interleave.REGISTERS * multiply.lanes), multiply)


@dataclass(frozen=True, eq=False)
class Depthwise:
    """A depthwise convolution as lines of pixels.  Addresses, offsets and steps are in bytes.

    lines, outputs, residuals: offset of each line; taps [T]: offset of each tap from the pixel.
    weights [C, T], bias [C].  The steps lead from one pixel of a line to the next.
    """

    a: int
    lines: np.ndarray
    taps: np.ndarray
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

    @property
    def code(self) -> EpilogueCode:
        accumulator = "f32" if self.weights.dtype == np.float32 else "i32"
        return EpilogueCode(self.epilogue.kind, accumulator, self.residuals is not None)


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
    itemsize = problem.weights.dtype.itemsize
    pixel = channels * itemsize
    size = problem.code.output_size
    dense = (
        problem.x_step == pixel
        and problem.y_step == channels * size
        and (problem.residuals is None or problem.r_step == channels * size)
    )
    if dense and channels % width:
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
        return Blocks(problem, whole, rest, step * itemsize, step * size, step * size)
    end = channels - channels % width
    whole = [Block(i, problem.pixels, i + np.arange(width)) for i in range(0, end, width)]
    rest = [Block(end, problem.pixels, np.arange(end, channels))] if end < channels else []
    return Blocks(problem, whole, rest, problem.x_step, problem.y_step, problem.r_step)


# --- generated blocks ---


def _block_calls(blocks: Blocks, multiply: Multiply) -> list[Call]:
    calls = []
    if blocks.whole:
        calls.append(
            _block_call(blocks, blocks.whole, multiply, interleave.REGISTERS, masked=False)
        )
    if blocks.rest:
        registers = -(-len(blocks.rest[0].channels) // multiply.lanes)
        calls.append(_block_call(blocks, blocks.rest, multiply, registers, masked=True))
    return calls


def _block_call(
    blocks: Blocks, chosen: list[Block], multiply: Multiply, registers: int, masked: bool
) -> Call:
    problem = blocks.problem
    itemsize, size = problem.weights.dtype.itemsize, problem.code.output_size
    taps_per_step = 4 // itemsize
    steps = -(-len(problem.taps) // taps_per_step)
    unrolled = steps if steps <= _UNROLLED_STEPS.get((multiply.isa, multiply.kind), 0) else 0
    tile = DepthwiseTile(multiply, registers, masked, unrolled, problem.code)

    weights = aligned(np.stack([_pack_block(problem, block, tile, steps) for block in chosen]))
    order = interleave.order(multiply.lanes) if tile.interleaved else None
    words = []
    for block in chosen:
        m = problem.epilogue.multiplier
        if m is not None and np.size(m) > 1:
            m = m[block.channels]
        epilogue = replace(problem.epilogue, multiplier=m)
        words.append(pack_epilogue(epilogue, problem.bias[block.channels], tile.columns, order))
    epilogues = aligned(np.concatenate(words))
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
        itemsize,
        size,
        len(chosen[0].channels),
    )
    keep = (weights, epilogues, taps, starts, counts, lines, outputs, residuals)
    return Call(depthwise_kernel(tile), arguments, keep)


def _int64(offsets: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(offsets, np.int64)


def _pack_block(problem: Depthwise, block: Block, tile: DepthwiseTile, steps: int) -> np.ndarray:
    """The weights of one block, as drawn above."""
    lanes = tile.multiply.lanes
    taps = problem.weights.shape[1]
    if tile.multiply.kind == "f32":
        packed = np.zeros((steps, tile.registers * lanes), np.float32)
        packed[:, : len(block.channels)] = problem.weights[block.channels].T
        return packed
    padded = np.zeros((interleave.REGISTERS * lanes, steps * _TAPS), np.int8)
    padded[: len(block.channels), :taps] = problem.weights[block.channels]
    groups = padded[interleave.order(lanes)].reshape(interleave.REGISTERS, lanes, steps, _TAPS)
    return tile.multiply.pack(groups.transpose(2, 0, 1, 3))


_UNROLLED_STEPS = {(AVX512_VNNI, "u8"): 3}
"""Up to so many steps (12 taps) the weights stay in registers: 4 each of the 32."""


@dataclass(frozen=True)
class DepthwiseTile:
    """A block of `registers` * lanes channels; masked if not all of them are stored.

    unrolled: number of steps if the weights are kept in registers, else 0.
    """

    multiply: Multiply
    registers: int
    masked: bool
    unrolled: int
    epilogue: EpilogueCode

    def __str__(self) -> str:
        m = self.multiply
        masked = "-masked" if self.masked else ""
        return f"{m.isa}-{m.kind}-x{self.registers}{masked}-u{self.unrolled}-{self.epilogue}"

    def function(self) -> Any:
        """The tile as a function that numba kernels call with one tuple of int64:

        (count, A, x_step, C, y_step, R, r_step, W, steps, taps, block, valid): `count` pixels from
        addresses A, C and R, packed weights, table of tap offsets, the epilogue's block and the
        number of channels to store.
        """
        return generated("depthwise_tile", 12, self._emit)

    def _emit(self, e: Emitter, arguments: list[Any]) -> None:
        count, a, x_step, c, y_step, r, r_step, w, steps, taps, block, valid = arguments
        lanes, size = self.multiply.lanes, self.epilogue.output_size
        epilogue = VectorEpilogue(e, self.epilogue, block, self.columns, lanes)
        masks: list[Any] = [None] * self.registers
        if self.masked and self.interleaved:
            masks = [e.first_lanes(valid, 4 * lanes)]
        elif self.masked:
            masks = [e.first_lanes(e.offset(valid, -lanes * i), lanes) for i in range(len(masks))]
        kept = [
            (self._weights(e, w, I64(step)), self._tap_offsets(e, taps, I64(step)))
            for step in range(self.unrolled)
        ]

        def pixel(_: Any, state: list[Any]) -> list[Any]:
            x, output, residual = state
            sums = [self.multiply.zero(e)] * self._sums
            if self.unrolled:
                for weights, offsets in kept:
                    sums = self._step(e, x, weights, offsets, sums)
            else:
                sums = e.loop(
                    steps,
                    sums,
                    lambda step, sums: self._step(
                        e, x, self._weights(e, w, step), self._tap_offsets(e, taps, step), sums
                    ),
                )
            add = e.builder.add if self.multiply.kind == "u8" else e.builder.fadd
            if self.interleaved:
                sums = [add(total, epilogue.bias(i)) for i, total in enumerate(sums)]
                epilogue.finish_interleaved(sums, output, residual, masks[0])
            else:
                if self.multiply.kind == "u8":
                    sums = interleave.in_channel_order(e, sums, lanes)
                for i, total in enumerate(sums[: self.registers]):
                    skip = i * lanes * size
                    place, added = e.offset(output, skip), e.offset(residual, skip)
                    epilogue.finish(add(total, epilogue.bias(i)), i, place, added, masks[i])
            return [
                e.builder.add(address, step)
                for address, step in ((x, x_step), (output, y_step), (residual, r_step))
            ]

        e.loop(count, [a, c, r], pixel)

    @property
    def interleaved(self) -> bool:
        """Whether the epilogue takes the sums in `interleave.order`."""
        return self.epilogue.interleaved(self._sums)

    @property
    def columns(self) -> int:
        """Channels in the epilogue's block."""
        return (self._sums if self.interleaved else self.registers) * self.multiply.lanes

    @property
    def _sums(self) -> int:
        """Accumulators: interleaving always fills four registers."""
        return interleave.REGISTERS if self.multiply.kind == "u8" else self.registers

    def _weights(self, e: Emitter, w: Any, step: Any) -> list[Any]:
        register = self.multiply.isa.vector_bytes
        start = e.builder.add(w, e.builder.mul(step, I64(self._sums * register)))
        return [self.multiply.weights(e, e.offset(start, i * register)) for i in range(self._sums)]

    def _tap_offsets(self, e: Emitter, taps: Any, step: Any) -> list[Any]:
        number = _TAPS if self.multiply.kind == "u8" else 1
        start = e.builder.add(taps, e.builder.mul(step, I64(8 * number)))
        return [e.load(e.offset(start, 8 * tap), I64) for tap in range(number)]

    def _step(
        self, e: Emitter, x: Any, weights: list[Any], offsets: list[Any], sums: list[Any]
    ) -> list[Any]:
        """Adds the products of one step: four taps of bytes, or one of floats."""
        addresses = [e.builder.add(x, offset) for offset in offsets]
        lanes = self.multiply.lanes
        if self.multiply.kind == "u8":
            loads = [e.load(address, Vector(I8, 4 * lanes)) for address in addresses]
            values = [
                self.multiply.from_bytes(e, value)
                for value in interleave.interleave(e, loads, lanes)
            ]
        else:
            values = [
                e.load(
                    e.offset(addresses[0], 4 * lanes * i), Vector(self.multiply.accumulator, lanes)
                )
                for i in range(self._sums)
            ]
        return [
            self.multiply.accumulate(e, acc, value, weight)
            for acc, value, weight in zip(sums, values, weights, strict=True)
        ]


@cache
def depthwise_kernel(tile: DepthwiseTile) -> Kernel:
    """The kernel that walks lines and blocks with one kind of tile; threads share the lines."""
    run = tile.function()

    def depthwise(row: int, thread: int, threads: int) -> None:
        a = argument(row, 1)
        line_count = argument(row, 2)
        lines = i64_pointer(argument(row, 3))
        c = argument(row, 4)
        outputs = i64_pointer(argument(row, 5))
        r = argument(row, 6)
        residuals = i64_pointer(argument(row, 7))
        blocks = argument(row, 8)
        starts = i64_pointer(argument(row, 9))
        counts = i64_pointer(argument(row, 10))
        x_step = argument(row, 11)
        y_step = argument(row, 12)
        r_step = argument(row, 13)
        weights = argument(row, 14)
        block_weights = argument(row, 15)
        epilogues = argument(row, 16)
        block_epilogue = argument(row, 17)
        steps = argument(row, 18)
        taps = argument(row, 19)
        itemsize = argument(row, 20)
        size = argument(row, 21)
        valid = argument(row, 22)
        for line in range(line_count * thread // threads, line_count * (thread + 1) // threads):
            for block in range(blocks):
                run(
                    (
                        counts[block],
                        a + lines[line] + starts[block] * itemsize,
                        x_step,
                        c + outputs[line] + starts[block] * size,
                        y_step,
                        r + residuals[line] + starts[block] * size,
                        r_step,
                        weights + block * block_weights,
                        steps,
                        taps,
                        epilogues + block * block_epilogue,
                        valid,
                    )
                )

    return Kernel.of(depthwise, tile)


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
    return Call(portable_depthwise_kernel(problem.code), arguments, keep)


@cache
def portable_depthwise_kernel(code: EpilogueCode) -> Kernel:
    """The convolution as plain loops, one channel of one pixel at a time."""
    finish = scalar_epilogue(code)
    size = code.output_size
    activations, weights_of, number = element_access(code)
    itemsize = 4 if code.accumulator == "f32" else 1

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
                        value = number(activations(x + offsets[tap] + channel * itemsize)[0])
                        weight = number(weights[channel * taps + tap])
                        total = number(total + number(value * weight))
                    skip = channel * size
                    finish(total, block, channels, channel, output + skip, residual + skip)

    return Kernel.of(depthwise, "portable", code)

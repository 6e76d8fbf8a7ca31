"""Pooling of adjacent channels in vector registers.

A tile walks along output pixels of one line whose windows have the same taps, with a block of 64 or
16 channels:

    acc = start;  for each row, for each column of the window:  acc = combine(acc, x);  store

The kernel cuts a line into the pixels at its left border, whose windows are clamped to the tensor,
the run inside, and the pixels at its right border.  The vectors are those of LLVM's IR, which cuts
them to what the CPU has: one tile for every instruction set.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import numpy as np

from runtime.kernels.abi import Kernel, View
from runtime.kernels.half import FLOATS, HALF_KINDS, STORED, has_vectors
from runtime.kernels.intrinsics import argument
from runtime.kernels.strided import device
from runtime.kernels.vector_ir import F32, I8, I16, I32, I64, Emitter, HalfKind, Vector, generated

Kind = Literal["max", "average"]

WIDE, NARROW = 64, 16
"""Channels of a tile; with fewer than 16 there is none."""

# Words of the row: addresses, sizes, element strides (n, c, h, w), window, parameters.
X, Y, TABLE = 1, 2, 3
N, C, OH, OW, H, W = range(4, 10)
XN, XC, XH, XW = range(10, 14)
YN, YC, YH, YW = range(14, 18)
KH, KW, SH, SW, PH, PW, DH, DW = range(18, 26)
ZA, LOW, HIGH, ZY = range(26, 30)


@device
def first_tap(origin: int, dilation: int) -> int:
    """The first tap that lies inside the tensor, for a window that begins at `origin`."""
    return (-origin + dilation - 1) // dilation if origin < 0 else 0


@device
def end_tap(origin: int, dilation: int, taps: int, size: int) -> int:
    """One past the last tap that lies inside the tensor."""
    return max(0, min(taps, (size - origin + dilation - 1) // dilation))


def takes(x: View, y: View) -> bool:
    """Whether the channels of [N, C, H, W] views lie side by side and fill a vector."""
    dense = x.shape[1] == 1 or (x.strides[1] == 1 and y.strides[1] == 1)
    return dense and x.shape[1] >= NARROW and has_vectors(x.dtype.name)


class _Maximum:
    """The largest element; NaN wins."""

    def __init__(self, dtype: str, lanes: int):
        self.dtype = dtype
        self.half: HalfKind | None = HALF_KINDS.get(dtype)
        self.floats = dtype in FLOATS
        self.kind = Vector(F32 if self.floats else I8, lanes)
        lowest = -np.inf if self.floats else int(np.iinfo(dtype).min)
        self.start = self.kind([lowest] * lanes)

    def combine(self, e: Emitter, acc: Any, address: Any) -> Any:
        b = e.builder
        if self.floats:
            x = e.load_floats(address, self.kind.count, self.half)
            wins = b.or_(b.fcmp_ordered(">", x, acc), b.fcmp_unordered("uno", x, x))
        else:
            x = e.load(address, self.kind)
            compare = b.icmp_unsigned if self.dtype == "uint8" else b.icmp_signed
            wins = compare(">", x, acc)
        return b.select(wins, x, acc)

    def finish(self, e: Emitter, acc: Any, value: Any, row: Any, taps: Any) -> Any:
        if self.half != "bf16":
            return acc if self.half is None else e.narrow(acc, self.half)
        # One of the numbers that were widened: nothing to round, and nothing to flush to zero.
        lanes = self.kind.count
        words = e.builder.bitcast(acc, Vector(I32, lanes))
        upper = e.builder.lshr(words, e.constant(I32, [16] * lanes))
        return e.builder.trunc(upper, Vector(I16, lanes))


class _Average:
    """The sum divided by the number of elements (floats), or requantized (u8)."""

    def __init__(self, dtype: str, lanes: int):
        self.lanes = lanes
        self.half: HalfKind | None = HALF_KINDS.get(dtype)
        self.quantized = dtype == "uint8"
        self.kind = Vector(I8 if self.quantized else F32, lanes)
        self.sum = Vector(I32 if self.quantized else F32, lanes)
        self.start = self.sum([0] * lanes)

    def combine(self, e: Emitter, acc: Any, address: Any) -> Any:
        if self.quantized:
            return e.builder.add(acc, e.builder.zext(e.load(address, self.kind), self.sum))
        return e.builder.fadd(acc, e.load_floats(address, self.lanes, self.half))

    def finish(self, e: Emitter, acc: Any, value: Any, row: Any, taps: Any) -> Any:
        b, lanes = e.builder, self.lanes
        value = e.splat(value, lanes)
        if not self.quantized:
            mean = b.fdiv(acc, value)
            return mean if self.half is None else e.narrow(mean, self.half)
        zero_point = b.trunc(e.load(e.offset(row, 8 * ZA), I64), I32)
        centered = b.sub(acc, e.splat(b.mul(b.trunc(taps, I32), zero_point), lanes))
        floats = Vector(F32, lanes)
        f = b.fmul(b.sitofp(centered, floats), value)
        low, high = (e.splat(e.load(e.offset(row, 8 * word), F32), lanes) for word in (LOW, HIGH))
        f = b.select(b.fcmp_ordered(">", f, low), f, low)
        f = b.select(b.fcmp_ordered("<", f, high), f, high)
        rounded = e.call(f"llvm.rint.v{lanes}f32", floats, f)
        shift = e.splat(b.trunc(e.load(e.offset(row, 8 * ZY), I64), I32), lanes)
        return b.trunc(b.add(b.fptosi(rounded, self.sum), shift), self.kind)


def _tile(kind: Kind, dtype: str, lanes: int) -> Any:
    """A function that numba kernels call with one tuple of int64:

    (count, x, x_step, rows, x_row, columns, x_column, y, y_step, table, row): `count` windows of
    `rows` x `columns` taps, the first at address x; all steps in bytes; `table` is the address of
    the first window's divisor or multiplier, `row` that of the call's words.
    """
    operation = (_Maximum if kind == "max" else _Average)(dtype, lanes)

    def emit(e: Emitter, arguments: list[Any]) -> None:
        count, x, x_step, rows, x_row, columns, x_column, y, y_step, table, row = arguments
        taps = e.builder.mul(rows, columns)

        def pixel(_: Any, state: list[Any]) -> list[Any]:
            x, y, table = state

            def window_row(_: Any, state: list[Any]) -> list[Any]:
                at, acc = state
                total = e.loop(columns, [at, acc], tap)[1]
                return [e.builder.add(at, x_row), total]

            def tap(_: Any, state: list[Any]) -> list[Any]:
                at, acc = state
                return [e.builder.add(at, x_column), operation.combine(e, acc, at)]

            acc = e.loop(rows, [x, operation.start], window_row)[1]
            e.store(operation.finish(e, acc, e.load(table, F32), row, taps), y)
            return [e.builder.add(x, x_step), e.builder.add(y, y_step), e.offset(table, 4)]

        e.loop(count, [x, y, table], pixel)

    return generated(f"pool_{lanes}", 11, emit)


@cache
def pool_rows_kernel(kind: Kind, dtype: str) -> Kernel:
    """Pooling of views that `takes` accepts; threads share the lines."""
    wide, narrow = _tile(kind, dtype, WIDE), _tile(kind, dtype, NARROW)
    size = np.dtype(STORED.get(dtype, dtype)).itemsize

    def pool(row: int, thread: int, threads: int) -> None:
        channels, oh, ow = argument(row, C), argument(row, OH), argument(row, OW)
        h, w, kw = argument(row, H), argument(row, W), argument(row, KW)
        sw, dh, dw = argument(row, SW), argument(row, DH), argument(row, DW)
        xh, xw, yw = argument(row, XH) * size, argument(row, XW) * size, argument(row, YW) * size
        table = argument(row, TABLE)
        block = WIDE if channels >= WIDE else NARROW
        blocks = (channels + block - 1) // block
        # Windows that begin at 0 <= left <= last are not clamped.
        last = w - 1 - (kw - 1) * dw
        lines = argument(row, N) * oh
        for item in range(
            lines * thread // threads * blocks, lines * (thread + 1) // threads * blocks
        ):
            line = item // blocks
            # The last block reaches back instead of past the end: these channels are done twice.
            channel = min((item - line * blocks) * block, channels - block)
            image = line // oh
            oy = line - image * oh
            top = oy * argument(row, SH) - argument(row, PH)
            i0, i1 = first_tap(top, dh), end_tap(top, dh, argument(row, KH), h)
            x = argument(row, X) + size * (image * argument(row, XN) + channel)
            x += (top + i0 * dh) * xh
            y = argument(row, Y) + size * (image * argument(row, YN) + channel)
            y += oy * argument(row, YH) * size
            ox = 0
            while ox < ow:
                left = ox * sw - argument(row, PW)
                j0, j1 = first_tap(left, dw), end_tap(left, dw, kw, w)
                count = 1
                if left >= 0 and left <= last:
                    count = min((last - left) // sw + 1, ow - ox)
                task = (
                    count,
                    x + (left + j0 * dw) * xw,
                    sw * xw,
                    max(i1 - i0, 0),
                    dh * xh,
                    max(j1 - j0, 0),
                    dw * xw,
                    y + ox * yw,
                    yw,
                    table + 4 * (oy * ow + ox),
                    row,
                )
                if block == WIDE:
                    wide(task)
                else:
                    narrow(task)
                ox += count

    return Kernel.of(pool, kind, dtype)

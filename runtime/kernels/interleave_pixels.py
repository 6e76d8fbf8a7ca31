"""Planes of an image (NCHW) to interleaved pixels (NHWC), 2 to 4 channels: moved, or cast to bf16.

16 pixels of every plane are loaded, rounded if the result is bfloat16 (in 32-bit lanes, as
`half.f32_to_bfloat16` does, then cut to 16 bits), and interleaved by one shuffle of two registers
per 16 results. An element at a time, the stores alone take longer than that.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from runtime.kernels.abi import Call, Kernel, View
from runtime.kernels.half import f32_to_bfloat16
from runtime.kernels.intrinsics import POINTERS, argument
from runtime.kernels.isa import Isa
from runtime.kernels.strided import device
from runtime.kernels.vector_ir import F32, I16, I32, Emitter, Vector, generated

_X, _Y, _IMAGES, _ROWS, _PIXELS, _PLANE = range(1, 7)
_X_IMAGE, _X_ROW, _Y_IMAGE, _Y_ROW = range(7, 11)
_LANES = 16

MOVED, ROUNDED = 4, 2
"""Bytes of a result: of any 32-bit element that is moved, of a float32 rounded to bfloat16."""


def _rounded(e: Emitter, bits: Any) -> Any:
    """The bfloat16 nearest to each float32, as 16 bits: half to even, a NaN the quiet one."""

    def every(number: int) -> Any:
        return e.constant(I32, [number] * _LANES)

    builder = e.builder
    value = builder.bitcast(bits, Vector(F32, _LANES))
    high = builder.lshr(bits, every(16))
    odd = builder.and_(high, every(1))
    nearest = builder.lshr(builder.add(builder.add(bits, every(0x7FFF)), odd), every(16))
    nan = builder.or_(builder.and_(high, every(0x8000)), every(0x7FC0))
    is_nan = builder.fcmp_unordered("uno", value, value)
    return builder.trunc(builder.select(is_nan, nan, nearest), Vector(I16, _LANES))


def _interleave_16(e: Emitter, x: Any, plane: Any, y: Any, channels: int, size: int) -> None:
    """16 pixels: `channels` registers loaded, as many (or halves of them) stored."""
    planes = []
    for _ in range(channels):
        loaded = e.load(x, Vector(I32, _LANES))
        planes.append(_rounded(e, loaded) if size == ROUNDED else loaded)
        x = e.builder.add(x, plane)
    first = e.shuffle(planes[0], planes[1], range(2 * _LANES))
    last = e.shuffle(planes[min(2, channels - 1)], planes[channels - 1], range(2 * _LANES))
    for part in range(channels):
        places = range(part * _LANES, (part + 1) * _LANES)
        picked = [(place % channels) * _LANES + place // channels for place in places]
        e.store(e.shuffle(first, last, picked), e.offset(y, size * _LANES * part))


_FLOAT32, _INT32, _UINT16 = POINTERS["float32"], POINTERS["int32"], POINTERS["uint16"]


@device
def _move_one(x: int, y: int, i: int, at: int) -> None:
    _INT32(y)[at] = _INT32(x)[i]


@device
def _round_one(x: int, y: int, i: int, at: int) -> None:
    _UINT16(y)[at] = f32_to_bfloat16(_FLOAT32(x)[i])


@cache
def interleave_pixel_kernel(channels: int, size: int) -> Kernel:
    """Interleaves rows of pixels of 2 to 4 channels into elements of `size` bytes; threads share
    the rows."""

    def emit(e: Emitter, arguments: list[Any]) -> None:
        count, x, plane, y = arguments

        def pixels(_: Any, state: list[Any]) -> list[Any]:
            x, y = state
            _interleave_16(e, x, plane, y, channels, size)
            return [e.offset(x, 4 * _LANES), e.offset(y, size * channels * _LANES)]

        e.loop(count, [x, y], pixels)

    groups = generated("interleave_pixels", 4, emit)
    one = _round_one if size == ROUNDED else _move_one
    pixel = size * channels

    def interleave_pixels(row: int, thread: int, threads: int) -> None:
        rows, n, plane = argument(row, _ROWS), argument(row, _PIXELS), argument(row, _PLANE)
        total = argument(row, _IMAGES) * rows
        for index in range(total * thread // threads, total * (thread + 1) // threads):
            image = index // rows
            line = index - image * rows
            x = argument(row, _X) + image * argument(row, _X_IMAGE) + line * argument(row, _X_ROW)
            y = argument(row, _Y) + image * argument(row, _Y_IMAGE) + line * argument(row, _Y_ROW)
            groups((n // _LANES, x, plane, y))
            done = n // _LANES * _LANES
            if done < n and done > 0:  # the last 16 once more: some of them are done twice
                done = n
                groups((1, x + 4 * (n - _LANES), plane, y + pixel * (n - _LANES)))
            for i in range(done, n):
                for c in range(channels):
                    one(x + c * plane, y, i, i * channels + c)

    return Kernel.of(interleave_pixels, channels, size)


def moves_pixels(x: View, y: View) -> bool:
    """Whether x is made of planes of 32-bit elements and y of dense pixels of 2 to 4 of them."""
    return x.dtype.itemsize == y.dtype.itemsize == MOVED and _planes_to_pixels(x, y)


def casts_pixels(x: View, y: View) -> bool:
    """Whether x is made of float32 planes and y of dense bfloat16 pixels of 2 to 4 channels."""
    names = (x.dtype.name, y.dtype.name)
    return names == ("float32", "bfloat16") and _planes_to_pixels(x, y)


def _planes_to_pixels(x: View, y: View) -> bool:
    if x.rank != 4 or x.shape != y.shape or not 2 <= x.shape[1] <= 4:
        return False
    return x.strides[3] == 1 and y.strides[1] == 1 and y.strides[3] == x.shape[1]


def interleave_pixel_calls(x: View, y: View) -> list[Call]:
    """Moves or casts x to y, for which `moves_pixels` or `casts_pixels` holds."""
    xn, xc, xh, _ = x.byte_strides
    yn, _, yh, _ = y.byte_strides
    n, channels, rows, pixels = x.shape
    words = (x.address, y.address, n, rows, pixels, xc, xn, xh, yn, yh)
    return [Call(interleave_pixel_kernel(channels, y.dtype.itemsize), words)]


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every kernel; they are the same for all instruction sets."""
    return [
        interleave_pixel_kernel(channels, size)
        for channels in (2, 3, 4)
        for size in (MOVED, ROUNDED)
    ]

"""The cast of an image: float32 planes (NCHW) to interleaved bfloat16 (NHWC), 2 to 4 channels.

16 pixels of every plane are rounded in 32-bit lanes, as `half.f32_to_bfloat16` does, cut to 16 bits
and interleaved by one shuffle of two registers per 16 results. An element at a time, the stores
alone take longer than that.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from runtime.kernels.abi import Call, Kernel, View
from runtime.kernels.half import f32_to_bfloat16
from runtime.kernels.intrinsics import POINTERS, argument
from runtime.kernels.isa import Isa
from runtime.kernels.vector_ir import F32, I16, I32, Emitter, Vector, generated

_X, _Y, _IMAGES, _ROWS, _PIXELS, _PLANE = range(1, 7)
_X_IMAGE, _X_ROW, _Y_IMAGE, _Y_ROW = range(7, 11)
_LANES = 16


def _rounded(e: Emitter, value: Any) -> Any:
    """The bfloat16 nearest to each float32, as 16 bits: half to even, a NaN the quiet one."""

    def every(number: int) -> Any:
        return e.constant(I32, [number] * _LANES)

    builder = e.builder
    bits = builder.bitcast(value, Vector(I32, _LANES))
    high = builder.lshr(bits, every(16))
    odd = builder.and_(high, every(1))
    nearest = builder.lshr(builder.add(builder.add(bits, every(0x7FFF)), odd), every(16))
    nan = builder.or_(builder.and_(high, every(0x8000)), every(0x7FC0))
    is_nan = builder.fcmp_unordered("uno", value, value)
    return builder.trunc(builder.select(is_nan, nan, nearest), Vector(I16, _LANES))


def _cast_16(e: Emitter, x: Any, plane: Any, y: Any, channels: int) -> None:
    """16 pixels: `channels` registers loaded, as many half registers stored."""
    halves = []
    for _ in range(channels):
        halves.append(_rounded(e, e.load(x, Vector(F32, _LANES))))
        x = e.builder.add(x, plane)
    first = e.shuffle(halves[0], halves[1], range(2 * _LANES))
    last = e.shuffle(halves[min(2, channels - 1)], halves[channels - 1], range(2 * _LANES))
    for part in range(channels):
        places = range(part * _LANES, (part + 1) * _LANES)
        picked = [(place % channels) * _LANES + place // channels for place in places]
        e.store(e.shuffle(first, last, picked), e.offset(y, 2 * _LANES * part))


@cache
def cast_pixel_kernel(channels: int) -> Kernel:
    """Casts rows of pixels of 2 to 4 channels; threads share the rows."""

    def emit(e: Emitter, arguments: list[Any]) -> None:
        count, x, plane, y = arguments

        def pixels(_: Any, state: list[Any]) -> list[Any]:
            x, y = state
            _cast_16(e, x, plane, y, channels)
            return [e.offset(x, 4 * _LANES), e.offset(y, 2 * channels * _LANES)]

        e.loop(count, [x, y], pixels)

    groups = generated("cast_pixels", 4, emit)
    f32_pointer, u16_pointer = POINTERS["float32"], POINTERS["uint16"]

    def cast_pixels(row: int, thread: int, threads: int) -> None:
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
                groups((1, x + 4 * (n - _LANES), plane, y + 2 * channels * (n - _LANES)))
            for i in range(done, n):
                for c in range(channels):
                    value = f32_pointer(x + c * plane)[i]
                    u16_pointer(y)[i * channels + c] = f32_to_bfloat16(value)

    return Kernel.of(cast_pixels, channels)


def casts_pixels(x: View, y: View) -> bool:
    """Whether x is made of float32 planes and y of dense bfloat16 pixels of 2 to 4 channels."""
    if (x.dtype.name, y.dtype.name) != ("float32", "bfloat16"):
        return False
    if x.rank != 4 or not 2 <= x.shape[1] <= 4:
        return False
    return x.strides[3] == 1 and y.strides[1] == 1 and y.strides[3] == x.shape[1]


def cast_pixel_calls(x: View, y: View) -> list[Call]:
    """Casts x to y, for which `casts_pixels` holds."""
    xn, xc, xh, _ = x.byte_strides
    yn, _, yh, _ = y.byte_strides
    n, channels, rows, pixels = x.shape
    words = (x.address, y.address, n, rows, pixels, xc, xn, xh, yn, yh)
    return [Call(cast_pixel_kernel(channels), words)]


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every kernel; they are the same for all instruction sets."""
    return [cast_pixel_kernel(channels) for channels in (2, 3, 4)]

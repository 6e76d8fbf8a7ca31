"""Quantization of an image: float32 planes (NCHW) to interleaved bytes (NHWC), 2 to 4 channels.

Pixels are packed 16 at a time, without a store per byte:

    word[i] = q(x[0, i]) | q(x[1, i]) << 8 | q(x[2, i]) << 16          vectorized over the pixels
    y[3 i : 3 i + 3] = word[i]                                         by a shuffle in 128-bit lanes

With 3 channels the 12 bytes of 4 pixels are stored as 16; the next store puts the rest right, and
the last one of the 16 pixels is exact.

A division takes as long as all the rest.  Where the CPU has a fused multiply-add it is done as

    q = x * r,  twice  q = fma(fma(-q, scale, x), r, q)                with r = 1 / scale, rounded

The first step leaves q within one unit in the last place, the second makes it the quotient, rounded
once (Markstein, "Computation of elementary functions on the IBM RISC System/6000 processor", 1990),
as long as nothing overflows or loses bits at the lower end: see `_DIVISIBLE`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from runtime.kernels.abi import Call, Kernel, View, f32_bits
from runtime.kernels.intrinsics import POINTERS, argument, f32_argument, fma, rint
from runtime.kernels.isa import Isa, cpu_features
from runtime.kernels.quantized_elementwise import clamp
from runtime.kernels.strided import device
from runtime.kernels.vector_ir import F32, I8, I32, I64, Emitter, Vector, generated

_X, _Y, _IMAGES, _ROWS, _PIXELS, _PLANE = range(1, 7)
_X_IMAGE, _X_ROW, _Y_IMAGE, _Y_ROW = range(7, 11)
_SCALE, _RECIPROCAL, _ZERO_POINT, _LOW, _HIGH = range(11, 16)
_LANES = 16
_FLOATS = Vector(F32, _LANES)
_INTEGERS = Vector(I32, _LANES)

_DIVISIBLE = (2.0**-60, 2.0**60)
"""Scales for which the bounds do not overflow, and a quotient that the corrections do not get right
(x below 2^-100) is rounded to 0."""


@device
def quantized(x: Any, scale: Any, low: Any, high: Any, zero_point: Any) -> Any:
    """rint(clamp(x / scale, low, high)) + zero_point; the bounds are relative to the zero point."""
    return np.int32(np.int32(rint(clamp(x / scale, low, high))) + zero_point)


@device
def quantized_by_reciprocal(
    x: Any, scale: Any, reciprocal: Any, low: Any, high: Any, zero_point: Any
) -> Any:
    """`quantized` by multiplications, for scales and CPUs with `divides_by_reciprocal`; the bounds
    are multiples of the scale (see `reciprocal_words`)."""
    x = clamp(x, low, high)
    quotient = x * reciprocal
    quotient = fma(fma(-quotient, scale, x), reciprocal, quotient)
    quotient = fma(fma(-quotient, scale, x), reciprocal, quotient)
    return np.int32(np.int32(rint(quotient)) + zero_point)


def divides_by_reciprocal(scale: float) -> bool:
    """Whether this CPU divides by a scale exactly without a division."""
    return _has_fma() and _DIVISIBLE[0] <= scale <= _DIVISIBLE[1]


def reciprocal_words(scale: float, low: int, high: int) -> tuple[int, int, int]:
    """(1 / scale, low * scale, high * scale), the bounds being relative to the zero point.

    They are applied before the division, as multiples of the scale: their quotients round to the
    bounds again, and everything beyond them is cut off by the definition too.
    """
    divisor = np.float32(scale)
    values = (np.float32(1) / divisor, *(np.float32(bound) * divisor for bound in (low, high)))
    reciprocal, least, most = (f32_bits(float(value)) for value in values)
    return reciprocal, least, most


def _quotient(e: Emitter, x: Any, row: Any, fma: bool) -> Any:
    """x / scale, correctly rounded; `x` is finite."""
    scale = e.splat(_word(e, row, _SCALE, F32), _LANES)
    if not fma:
        return e.builder.fdiv(x, scale)
    reciprocal = e.splat(_word(e, row, _RECIPROCAL, F32), _LANES)
    name = f"llvm.fma.v{_LANES}f32"
    quotient = e.builder.fmul(x, reciprocal)
    for _ in range(2):
        rest = e.call(name, _FLOATS, e.builder.fneg(quotient), scale, x)
        quotient = e.call(name, _FLOATS, rest, reciprocal, quotient)
    return quotient


def _word(e: Emitter, row: Any, index: int, kind: Any) -> Any:
    return e.load(e.offset(row, 8 * index), kind)


def _words(e: Emitter, x: Any, plane: Any, row: Any, channels: int, fma: bool) -> Any:
    """16 pixels as one 32-bit word each."""
    builder = e.builder
    low, high = (e.splat(_word(e, row, word, F32), _LANES) for word in (_LOW, _HIGH))
    zero_point = e.splat(builder.trunc(_word(e, row, _ZERO_POINT, I64), I32), _LANES)
    words = None
    for channel in range(channels):
        value = e.load(x, _FLOATS)
        value = builder.select(builder.fcmp_ordered(">", value, low), value, low)
        value = builder.select(builder.fcmp_ordered("<", value, high), value, high)
        quotient = _quotient(e, value, row, fma)
        stored = e.call(f"llvm.lrint.v{_LANES}i32.v{_LANES}f32", _INTEGERS, quotient)
        stored = builder.add(stored, zero_point)
        if channel < 3:
            stored = builder.and_(stored, e.constant(I32, [0xFF] * _LANES))
        stored = builder.shl(stored, e.constant(I32, [8 * channel] * _LANES))
        words = stored if words is None else builder.or_(words, stored)
        x = builder.add(x, plane)
    return words


def _store_pixels(e: Emitter, words: Any, y: Any, channels: int) -> None:
    """Stores 16 words as pixels of 2 to 4 bytes, and nothing behind them."""
    octets = e.builder.bitcast(words, Vector(I8, 4 * _LANES))
    if channels == 4:
        e.store(octets, y)
        return
    if channels == 2:
        kept = [4 * pixel + channel for pixel in range(_LANES) for channel in range(2)]
        e.store(e.shuffle(octets, octets, kept), y)
        return
    dense = [4 * pixel + channel for pixel in range(4) for channel in range(3)] + [3, 7, 11, 15]
    packed = e.shuffle(octets, octets, [16 * lane + i for lane in range(4) for i in dense])
    for lane in range(4):
        part = e.shuffle(packed, packed, range(16 * lane, 16 * lane + 16))
        at = e.offset(y, 12 * lane)
        if lane < 3:
            e.store(part, at)
        else:
            e.store(e.shuffle(part, part, range(8)), at)
            e.store(e.shuffle(part, part, range(8, 12)), e.offset(at, 8))


@cache
def pixel_kernel(channels: int, fma: bool) -> Kernel:
    """Quantizes rows of pixels of 2 to 4 channels; threads share the rows."""

    def emit(e: Emitter, arguments: list[Any]) -> None:
        count, x, plane, y, row = arguments

        def pixels(_: Any, state: list[Any]) -> list[Any]:
            x, y = state
            _store_pixels(e, _words(e, x, plane, row, channels, fma), y, channels)
            return [e.offset(x, 4 * _LANES), e.offset(y, channels * _LANES)]

        e.loop(count, [x, y], pixels)

    groups = generated("quantize_pixels", 5, emit)
    f32_pointer, u8_pointer = POINTERS["float32"], POINTERS["uint8"]

    def quantize_pixels(row: int, thread: int, threads: int) -> None:
        rows, n = argument(row, _ROWS), argument(row, _PIXELS)
        plane = argument(row, _PLANE)
        scale, zero_point = f32_argument(row, _SCALE), np.int32(argument(row, _ZERO_POINT))
        low, high = f32_argument(row, _LOW), f32_argument(row, _HIGH)
        total = argument(row, _IMAGES) * rows
        for index in range(total * thread // threads, total * (thread + 1) // threads):
            image = index // rows
            line = index - image * rows
            x = argument(row, _X) + image * argument(row, _X_IMAGE) + line * argument(row, _X_ROW)
            y = argument(row, _Y) + image * argument(row, _Y_IMAGE) + line * argument(row, _Y_ROW)
            groups((n // _LANES, x, plane, y, row))
            done = n // _LANES * _LANES
            if done < n and done > 0:  # the last 16 once more: some of them are done twice
                done = n
                groups((1, x + 4 * (n - _LANES), plane, y + channels * (n - _LANES), row))
            for i in range(done, n):
                for c in range(channels):
                    value = f32_pointer(x + c * plane)[i]
                    limited = clamp(value, low, high)
                    stored = np.int32(np.int32(rint(limited / scale)) + zero_point)
                    u8_pointer(y)[i * channels + c] = np.uint8(stored)

    return Kernel.of(quantize_pixels, channels, fma)


def packs_pixels(x: View, y: View, scale: float) -> bool:
    """Whether x is made of planes, y of dense pixels of 2 to 4 channels (axis 1), and `scale` one
    that the kernel divides by exactly."""
    if x.rank != 4 or not 2 <= x.shape[1] <= 4:
        return False
    packed = x.strides[3] == 1 and y.strides[1] == 1 and y.strides[3] == x.shape[1]
    return packed and _DIVISIBLE[0] <= scale <= _DIVISIBLE[1]


def pixel_calls(
    x: View, y: View, *, scale: float, zero_point: int, low: int, high: int
) -> list[Call]:
    """Quantizes x to y, for which `packs_pixels` holds; the result saturates at [low, high]."""
    reciprocal, *limits = reciprocal_words(scale, low - zero_point, high - zero_point)
    xn, xc, xh, _ = x.byte_strides
    yn, _, yh, _ = y.byte_strides
    n, channels, rows, pixels = x.shape
    words = (x.address, y.address, n, rows, pixels, xc, xn, xh, yn, yh)
    parameters = (f32_bits(scale), reciprocal, zero_point)
    return [Call(pixel_kernel(channels, _has_fma()), (*words, *parameters, *limits))]


def _has_fma() -> bool:
    return "+fma" in cpu_features().split(",")


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every kernel that this CPU may use; they are the same for all instruction sets."""
    return [pixel_kernel(channels, _has_fma()) for channels in (2, 3, 4)]

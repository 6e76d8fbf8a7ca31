"""Quantization of an image: float32 planes (NCHW) to interleaved bytes (NHWC), 2 to 4 channels.

A store per byte would cost more than the arithmetic.  Pixels are packed instead, 64 at a time:

    word[i] = q(x[0, i]) | q(x[1, i]) << 8 | q(x[2, i]) << 16          vectorized over the pixels
    y[3 i : 3 i + 4] = word[i]                                         one 4-byte store per pixel

With fewer than 4 channels a store also writes the beginning of the next pixel, which the next store
puts right; the last pixel of a row is stored byte by byte.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from runtime.kernels.abi import Call, Kernel, View
from runtime.kernels.intrinsics import f32_argument, intrinsic, rint
from runtime.kernels.lanes import scratch
from runtime.kernels.quantized_elementwise import clamp
from runtime.kernels.strided import (
    advance,
    argument,
    device,
    nest2,
    nest_arguments,
    parameters_at,
)

_SCALE, _ZERO_POINT, _LOW, _HIGH, _CHANNELS, _PLANE = range(parameters_at(2), parameters_at(2) + 6)
_PIXELS = 64
_words = scratch(types.int32, _PIXELS)


@device
def quantized(x: Any, scale: Any, low: Any, high: Any, zero_point: Any) -> Any:
    """rint(clamp(x / scale, low, high)) + zero_point; the bounds are relative to the zero point."""
    return np.int32(np.int32(rint(clamp(x / scale, low, high))) + zero_point)


@intrinsic
def _store_word(typingctx: Any, place: Any, word: Any) -> Any:
    """Stores an int32 at a byte pointer, at any alignment."""
    signature = types.void(place, types.int32)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.bitcast(arguments[0], ir.IntType(32).as_pointer())
        builder.store(arguments[1], place).align = 1
        return context.get_dummy_value()

    return signature, generate


@cache
def pixel_kernel(y: str) -> Kernel:
    """Quantizes rows of pixels to dtype `y`; the operands are the planes and bytes of channel 0."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        words = _words()
        scale, zero_point = f32_argument(row, _SCALE), np.int32(argument(row, _ZERO_POINT))
        low, high = f32_argument(row, _LOW), f32_argument(row, _HIGH)
        channels, plane = argument(row, _CHANNELS), argument(row, _PLANE)
        for first in range(0, n, _PIXELS):
            count = min(_PIXELS, n - first)
            for i in range(count):
                words[i] = np.int32(0)
            for c in range(channels):
                source, shift = advance(x, first + c * plane), np.int32(8 * c)
                for i in range(count):
                    value = quantized(source[i], scale, low, high, zero_point)
                    value = np.int32(np.int32(value & np.int32(255)) << shift)
                    words[i] = np.int32(words[i] | value)
            for i in range(count - 1):
                _store_word(advance(y, (first + i) * sy), words[i])
            word = words[count - 1]
            for c in range(channels):
                y[(first + count - 1) * sy + c] = np.int32(word >> np.int32(8 * c))

    return nest2(pixel_kernel, row_function, "float32", y)


def packs_pixels(x: View, y: View) -> bool:
    """Whether x is made of planes and y of dense pixels of 2 to 4 channels (axis 1)."""
    if x.rank != 4 or not 2 <= x.shape[1] <= 4:
        return False
    return x.strides[3] == 1 and y.strides[1] == 1 and y.strides[3] == x.shape[1]


def pixel_calls(x: View, y: View, parameters: tuple[int, ...]) -> list[Call]:
    """Quantizes x to y, for which `packs_pixels` holds.

    parameters: the words scale, zero point, low and high (relative to the zero point).
    """
    words = nest_arguments((x.slice(1, 0, 1), y.slice(1, 0, 1)), lead=0)
    return [Call(pixel_kernel(y.dtype.name), (*words, *parameters, x.shape[1], x.strides[1]))]

"""Changes of element type.

    quantize    y = rint(clamp(x / scale, low - zp, high - zp)) + zp      x float32, y u8 or s8
    dequantize  y = float32(x - zp) * scale                               x u8, s8 or i32
    cast        to integer toward zero, saturating, NaN to 0; integers wrap; bool is x != 0;
                to a float nearest, half to even
    flip_sign   y = x xor 0x80: s8 stored as u8 with its zero point shifted by 128, and back

The division and the rounding (half to even) are one float32 operation each.  Scale and zero point
are per tensor, or arrays along one axis.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from runtime.kernels.abi import Call, Kernel, View, contiguous_strides, f32_bits
from runtime.kernels.any_element import any_cast_calls
from runtime.kernels.element_types import BYTES, EVERY_ELEMENT
from runtime.kernels.half import NARROW, STORED, WIDEN, itself
from runtime.kernels.interleave_pixels import casts_pixels, interleave_pixel_calls
from runtime.kernels.intrinsics import f32_argument, rint
from runtime.kernels.isa import Isa
from runtime.kernels.quantize_pixels import packs_pixels, pixel_calls, quantized
from runtime.kernels.quantized_elementwise import clamp
from runtime.kernels.scalar_functions import saturating
from runtime.kernels.strided import (
    argument,
    device,
    nest2,
    nest4,
    nest_arguments,
    parameters_at,
)

_SCALE = parameters_at(2)
_ZERO_POINT, _LOW, _HIGH = _SCALE + 1, _SCALE + 2, _SCALE + 3
_AXIS_LOW, _AXIS_HIGH = parameters_at(4), parameters_at(4) + 1

# --- quantize ------------------------------------------------------------------------------------


@cache
def quantize_kernel(y: str) -> Kernel:
    """Per-tensor quantization to dtype `y`."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        scale, zero_point = f32_argument(row, _SCALE), np.int32(argument(row, _ZERO_POINT))
        low, high = f32_argument(row, _LOW), f32_argument(row, _HIGH)
        if sx == 1 and sy == 1:
            for i in range(n):
                y[i] = quantized(x[i], scale, low, high, zero_point)
        else:
            for i in range(n):
                y[i * sy] = quantized(x[i * sx], scale, low, high, zero_point)

    return nest2(quantize_kernel, row_function, "float32", y)


@cache
def quantize_axis_kernel(y: str) -> Kernel:
    """Quantization with a scale and zero point per element (broadcast along all axes but one)."""

    @device
    def row_function(
        row: int, n: int, x: Any, sx: int, s: Any, ss: int, z: Any, sz: int, y: Any, sy: int
    ) -> None:
        low, high = f32_argument(row, _AXIS_LOW), f32_argument(row, _AXIS_HIGH)
        for i in range(n):
            zero = np.float32(z[i * sz])
            scaled = clamp(x[i * sx] / s[i * ss], low - zero, high - zero)
            y[i * sy] = np.int32(np.int32(rint(scaled)) + z[i * sz])

    return nest4(quantize_axis_kernel, row_function, "float32", "float32", "int32", y)


def quantize_calls(
    x: View,
    y: View,
    *,
    scale: float,
    zero_point: int,
    low: int | None = None,
    high: int | None = None,
) -> list[Call]:
    """Quantizes float32 `x` into `y` (u8 or s8), saturating at [low, high] (default: y's range).

    Any strides; the axis that is contiguous in `x` is the inner loop, which makes an NCHW source
    with an NHWC destination fast too.
    """
    if y.size == 0:
        return []
    limits = np.iinfo(y.dtype)
    low = int(limits.min) if low is None else low
    high = int(limits.max) if high is None else high
    bounds = (f32_bits(low - zero_point), f32_bits(high - zero_point))
    if packs_pixels(x, y, scale):
        return pixel_calls(x, y, scale=scale, zero_point=zero_point, low=low, high=high)
    words = (*nest_arguments((x, y), lead=0), f32_bits(scale), zero_point, *bounds)
    return [Call(quantize_kernel(y.dtype.name), words)]


def quantize_axis_calls(
    x: View, y: View, *, scale: np.ndarray, zero_point: np.ndarray, axis: int
) -> list[Call]:
    """Quantizes with scale[c] and zero_point[c], c the index along `axis`."""
    if y.size == 0:
        return []
    scales, zeros = (
        _along_axis(scale, np.float32, x, axis),
        _along_axis(zero_point, np.int32, x, axis),
    )
    views = (x, scales[0], zeros[0], y)
    limits = np.iinfo(y.dtype)
    words = (*nest_arguments(views), f32_bits(limits.min), f32_bits(limits.max))
    return [Call(quantize_axis_kernel(y.dtype.name), words, (scales[1], zeros[1]))]


def _along_axis(values: np.ndarray, dtype: type, x: View, axis: int) -> tuple[View, np.ndarray]:
    """(view of x's shape that repeats values[c] along all other axes, the array it looks at)."""
    array = np.ascontiguousarray(values, dtype)
    shape = [1] * x.rank
    shape[axis] = array.size
    view = View(array.ctypes.data, tuple(shape), contiguous_strides(tuple(shape)), array.dtype)
    return view.broadcast_to(x.shape), array


# --- dequantize ----------------------------------------------------------------------------------


@cache
def dequantize_kernel(x: str) -> Kernel:
    """Per-tensor dequantization from dtype `x`."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        scale, zero_point = f32_argument(row, _SCALE), np.int32(argument(row, _ZERO_POINT))
        if sx == 1 and sy == 1:
            for i in range(n):
                y[i] = np.float32(np.int32(np.int32(x[i]) - zero_point)) * scale
        else:
            for i in range(n):
                y[i * sy] = np.float32(np.int32(np.int32(x[i * sx]) - zero_point)) * scale

    return nest2(dequantize_kernel, row_function, x, "float32")


@cache
def dequantize_axis_kernel(x: str) -> Kernel:
    """Dequantization with a scale and zero point per element (see `quantize_axis_kernel`)."""

    @device
    def row_function(
        row: int, n: int, x: Any, sx: int, s: Any, ss: int, z: Any, sz: int, y: Any, sy: int
    ) -> None:
        for i in range(n):
            y[i * sy] = np.float32(np.int32(np.int32(x[i * sx]) - z[i * sz])) * s[i * ss]

    return nest4(dequantize_axis_kernel, row_function, x, "float32", "int32", "float32")


def dequantize_calls(x: View, y: View, *, scale: float, zero_point: int) -> list[Call]:
    """y = float32(x - zero_point) * scale; `x` is u8, s8 or i32."""
    if y.size == 0:
        return []
    words = (*nest_arguments((x, y)), f32_bits(scale), zero_point)
    return [Call(dequantize_kernel(x.dtype.name), words)]


def dequantize_axis_calls(
    x: View, y: View, *, scale: np.ndarray, zero_point: np.ndarray, axis: int
) -> list[Call]:
    """y = float32(x - zero_point[c]) * scale[c], c the index along `axis`."""
    if y.size == 0:
        return []
    scales, zeros = (
        _along_axis(scale, np.float32, x, axis),
        _along_axis(zero_point, np.int32, x, axis),
    )
    words = nest_arguments((x, scales[0], zeros[0], y))
    return [Call(dequantize_axis_kernel(x.dtype.name), words, (scales[1], zeros[1]))]


# --- cast ----------------------------------------------------------------------------------------


@device
def _nonzero(value: Any) -> Any:
    return np.uint8(value != 0)


def _cast_function(x: str, y: str) -> Any:
    """The conversion of one element, which is not in half precision."""
    if y in NARROW:
        return NARROW[y]
    if y == "bool":
        return _nonzero
    if not x.startswith("float") or y.startswith("float"):
        return itself  # storing it converts
    return saturating(y, np.dtype(x).type)


@cache
def cast_kernel(x: str, y: str) -> Kernel:
    """The kernel that casts dtype `x` to dtype `y`, one of which is float32."""
    widen = WIDEN.get(x, itself)
    function = _cast_function("float32" if x in WIDEN else x, y)

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        if sx == 1 and sy == 1:
            for i in range(n):
                y[i] = function(widen(x[i]))
        else:
            for i in range(n):
                y[i * sy] = function(widen(x[i * sx]))

    return nest2(cast_kernel, row_function, STORED.get(x, x), STORED.get(y, y), x, y)


def cast_calls(x: View, y: View) -> list[Call]:
    """y = x in y's element type; bool, 8 to 64-bit integers, bfloat16, float16, 32 and 64."""
    if y.size == 0:
        return []
    if casts_pixels(x, y):
        return interleave_pixel_calls(x, y)
    if "float32" not in (x.dtype.name, y.dtype.name):
        return any_cast_calls(x, y)
    return [Call(cast_kernel(x.dtype.name, y.dtype.name), nest_arguments((x, y)))]


# --- flip_sign -----------------------------------------------------------------------------------


@cache
def flip_sign_kernel() -> Kernel:
    """y = x xor a byte given at run time (LLVM 22.1 does not finish on a constant one)."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        mask = np.uint8(argument(row, _SCALE))
        for i in range(n):
            y[i * sy] = x[i * sx] ^ mask

    return nest2(flip_sign_kernel, row_function, "uint8", "uint8")


def flip_sign_calls(x: View, y: View) -> list[Call]:
    """y = x xor 0x80: s8 to u8 or back, both views of one byte per element."""
    if y.size == 0:
        return []
    return [Call(flip_sign_kernel(), (*nest_arguments((x, y)), 0x80))]


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every conversion but that of pixels; they are the same for all instruction sets."""
    return [
        *(make(y) for make in (quantize_kernel, quantize_axis_kernel) for y in BYTES),
        *(
            make(x)
            for make in (dequantize_kernel, dequantize_axis_kernel)
            for x in (*BYTES, "int32")
        ),
        *(cast_kernel("float32", y) for y in EVERY_ELEMENT),
        *(cast_kernel(x, "float32") for x in EVERY_ELEMENT if x != "float32"),
        flip_sign_kernel(),
    ]

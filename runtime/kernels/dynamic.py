"""Integer ops whose zero points are known only at run time (ONNX).

    dynamic_quantize   lo = min(x, 0)    hi = max(x, 0)    scale = (hi - lo) / 255, or 1 if lo = hi
                       zero_point = rint(clamp(-lo / scale, 0, 255))
                       y = clamp(rint(x / scale) + zero_point, 0, 255)
    conv_integer       y = sum of (x - zx) * (w - zw[o])        int32, padding counts as zx
    matmul_integer     y = sum of (a - za[m]) * (b - zb[n])     int32

Plain loops over the sums of stored values: sum (x - zx)(w - zw) is not expanded, so nothing else
is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from runtime.kernels.abi import Call, Kernel, View
from runtime.kernels.element_types import BYTES
from runtime.kernels.intrinsics import (
    POINTERS,
    argument,
    f32_pointer,
    i32_pointer,
    rint,
    u8_pointer,
)
from runtime.kernels.isa import Isa
from runtime.kernels.quantized_elementwise import clamp
from runtime.kernels.strided import (
    advance,
    device,
    inner_part,
    inner_stride,
    nest2,
    nest4,
    nest_arguments,
    parameters_at,
    row_address,
    row_part,
)

_PARTS = 16
"""Into how many parts x is cut to find its range: fixed, so that threads share them."""
_RANGE = parameters_at(1)
_SCALE, _ZERO_POINT = parameters_at(2), parameters_at(2) + 1
_U8_MAX, _ZERO, _ONE = np.float32(255), np.float32(0), np.float32(1)


def _range_of_parts(row: int, thread: int, threads: int) -> None:
    """partial[p] = (min, max) of part p, both taking 0 in."""
    partial = f32_pointer(argument(row, _RANGE))
    stride = inner_stride(row, 0)
    part = thread
    while part < _PARTS:
        low = high = _ZERO
        first, n = inner_part(row, part, _PARTS)
        begin, end = row_part(row, part, _PARTS)
        for index in range(begin, end):
            x = f32_pointer(row_address(row, 0, index) + 4 * first * stride)
            for i in range(n):
                value = x[i * stride]
                low = value if value < low else low
                high = value if value > high else high
        partial[2 * part] = low
        partial[2 * part + 1] = high
        part += threads


def _scale_of_range(row: int, thread: int, threads: int) -> None:
    if thread != 0:
        return
    partial = f32_pointer(argument(row, 1))
    low = high = _ZERO
    for part in range(_PARTS):
        low = min(low, partial[2 * part])
        high = max(high, partial[2 * part + 1])
    scale = (high - low) / _U8_MAX if high > low else _ONE
    f32_pointer(argument(row, 2))[0] = scale
    zero_point = rint(clamp(-low / scale, _ZERO, _U8_MAX))
    u8_pointer(argument(row, 3))[0] = np.int32(zero_point)


RANGE_KERNEL = Kernel.of(_range_of_parts)
SCALE_KERNEL = Kernel.of(_scale_of_range)


@cache
def quantize_kernel() -> Kernel:
    """Quantization with a scale and zero point in memory."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        scale = f32_pointer(argument(row, _SCALE))[0]
        zero_point = np.int32(u8_pointer(argument(row, _ZERO_POINT))[0])
        low = np.float32(-zero_point)
        high = np.float32(np.int32(255) - zero_point)
        for i in range(n):
            f = rint(clamp(x[i * sx] / scale, low, high))
            y[i * sy] = np.int32(np.int32(f) + zero_point)

    return nest2(quantize_kernel, row_function, "float32", "uint8")


def dynamic_quantize_calls(x: View, y: View, scale: View, zero_point: View) -> list[Call]:
    """Quantizes f32 `x` to u8 `y` over its own range; writes one scale (f32), zero point (u8)."""
    partial = np.zeros(2 * _PARTS, np.float32)
    address = partial.ctypes.data
    calls: list[Call] = []
    if x.size:
        calls.append(Call(RANGE_KERNEL, (*nest_arguments((x,)), address), (partial,)))
    calls.append(Call(SCALE_KERNEL, (address, scale.address, zero_point.address), (partial,)))
    if x.size:
        words = (*nest_arguments((x, y)), scale.address, zero_point.address)
        calls.append(Call(quantize_kernel(), words))
    return calls


# --- integer convolution and product -------------------------------------------------------------

_X, _W, _Y, _XZ, _WZ, _WZ_STEP = range(1, 7)
_N, _O, _OH, _OW, _H, _WIDTH, _C, _KH, _KW, _OUTPUTS_PER_GROUP = range(7, 17)
_XN, _XC, _XH, _XW = range(17, 21)
_WO, _WC, _WH, _WW = range(21, 25)
_YN, _YO, _YH, _YW = range(25, 29)
_SH, _SW, _PH, _PW, _DH, _DW = range(29, 35)


@cache
def conv_integer_kernel(x: str, weight: str) -> Kernel:
    """Direct convolution of 8-bit integers of the given dtypes."""
    x_pointer, w_pointer = POINTERS[x], POINTERS[weight]

    def conv(row: int, thread: int, threads: int) -> None:
        outputs, oh, ow = argument(row, _O), argument(row, _OH), argument(row, _OW)
        h, width, channels = argument(row, _H), argument(row, _WIDTH), argument(row, _C)
        kh, kw = argument(row, _KH), argument(row, _KW)
        dh, dw = argument(row, _DH), argument(row, _DW)
        xc, xh, xw = argument(row, _XC), argument(row, _XH), argument(row, _XW)
        wc, wh, ww = argument(row, _WC), argument(row, _WH), argument(row, _WW)
        zx = np.int32(x_pointer(argument(row, _XZ))[0])
        zeros = w_pointer(argument(row, _WZ))
        lines = argument(row, _N) * outputs * oh
        for line in range(lines * thread // threads, lines * (thread + 1) // threads):
            plane = line // oh
            oy = line - plane * oh
            image = plane // outputs
            o = plane - image * outputs
            zw = np.int32(zeros[o * argument(row, _WZ_STEP)])
            first_channel = o // argument(row, _OUTPUTS_PER_GROUP) * channels
            x = x_pointer(argument(row, _X) + image * argument(row, _XN) + first_channel * xc)
            w = w_pointer(argument(row, _W) + o * argument(row, _WO))
            at_y = image * argument(row, _YN) + o * argument(row, _YO) + oy * argument(row, _YH)
            y = i32_pointer(argument(row, _Y) + 4 * at_y)
            top = oy * argument(row, _SH) - argument(row, _PH)
            for ox in range(ow):
                left = ox * argument(row, _SW) - argument(row, _PW)
                total = np.int32(0)
                for i in range(kh):
                    iy = top + i * dh
                    if iy < 0 or iy >= h:
                        continue
                    for j in range(kw):
                        ix = left + j * dw
                        if ix < 0 or ix >= width:
                            continue
                        at_x, at_w = iy * xh + ix * xw, i * wh + j * ww
                        for c in range(channels):
                            p = np.int32(np.int32(x[at_x + c * xc]) - zx)
                            q = np.int32(np.int32(w[at_w + c * wc]) - zw)
                            total = np.int32(total + np.int32(p * q))
                y[ox * argument(row, _YW)] = total

    return Kernel.of(conv, x, weight)


def _zero_point(view: View | None, dtype: np.dtype) -> tuple[View, tuple[np.ndarray, ...]]:
    """The zero points, and the arrays to keep alive; none is zero."""
    if view is not None:
        return view, ()
    array = np.zeros(1, dtype)
    return View.of(array), (array,)


def conv_integer_calls(
    x: View,
    weight: View,
    y: View,
    *,
    x_zero_point: View | None,
    weight_zero_point: View | None,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
) -> list[Call]:
    """y (i32) = convolution of u8 or s8 x [N, C, spatial (1 or 2)] with weight [O, C / groups,
    ...].

    Zero points have their operand's type: one for x, one or O (contiguous) for the weight.
    """
    if y.size == 0:
        return []
    if x.rank == 3:
        x, weight, y = (view.expand_dims(2) for view in (x, weight, y))
        strides, dilations = (1, *strides), (1, *dilations)
        pads = (0, pads[0], 0, pads[1])
    zx, kept_x = _zero_point(x_zero_point, x.dtype)
    zw, kept_w = _zero_point(weight_zero_point, weight.dtype)
    n, outputs, oh, ow = y.shape
    channels, kh, kw = weight.shape[1:]
    addresses = (x.address, weight.address, y.address, zx.address, zw.address, int(zw.size > 1))
    sizes = (n, outputs, oh, ow, *x.shape[2:], channels, kh, kw, outputs // groups)
    geometry = (*strides, pads[0], pads[1], *dilations)
    words = (*addresses, *sizes, *x.strides, *weight.strides, *y.strides, *geometry)
    return [Call(conv_integer_kernel(x.dtype.name, weight.dtype.name), words, kept_x + kept_w)]


_ZB, _ZB_STEP, _SUMS, _AK, _BK, _BN, _COLUMNS, _Y_STEP = range(
    parameters_at(4), parameters_at(4) + 8
)


@cache
def matmul_integer_kernel(a: str, b: str) -> Kernel:
    """y[n] = sum over k of (a[k] - za) * (b[k, n] - zb[n]) for every row of a."""
    b_pointer = POINTERS[b]

    @device
    def row_function(
        row: int, n: int, a: Any, sa: int, b: Any, sb: int, z: Any, sz: int, y: Any, sy: int
    ) -> None:
        columns, sums = argument(row, _COLUMNS), argument(row, _SUMS)
        ak, yn = argument(row, _AK), argument(row, _Y_STEP)
        bk, bn = argument(row, _BK), argument(row, _BN)
        zeros, zero_step = b_pointer(argument(row, _ZB)), argument(row, _ZB_STEP)
        for m in range(n):
            source, weights, result = advance(a, m * sa), advance(b, m * sb), advance(y, m * sy)
            zero = np.int32(z[m * sz])
            for j in range(columns):
                result[j * yn] = np.int32(0)
            for k in range(sums):
                factor = np.int32(np.int32(source[k * ak]) - zero)
                for j in range(columns):
                    q = np.int32(
                        np.int32(weights[k * bk + j * bn]) - np.int32(zeros[j * zero_step])
                    )
                    result[j * yn] = np.int32(result[j * yn] + np.int32(factor * q))

    return nest4(matmul_integer_kernel, row_function, a, b, a, "int32")


def matmul_integer_calls(
    a: View, b: View, y: View, *, a_zero_point: View | None, b_zero_point: View | None
) -> list[Call]:
    """y (i32) = a [..., M, K] times b [..., K, N], both u8 or s8, with numpy's matmul semantics.

    Zero points have their operand's type: one, or one per row of a (M) and per column of b (N).
    """
    if y.size == 0:
        return []
    if a.rank == 1:
        a, y = a.expand_dims(0), y.expand_dims(y.rank - (b.rank > 1))
    if b.rank == 1:
        b, y = b.expand_dims(1), y.expand_dims(y.rank)
    za, kept_a = _zero_point(a_zero_point, a.dtype)
    zb, kept_b = _zero_point(b_zero_point, b.dtype)
    rows = y.shape[:-1]
    zeros = View(za.address, (za.size,), za.strides[-1:] or (0,), za.dtype)
    views = (
        _without_last(a).broadcast_to(rows),
        _without_last(b.slice(b.rank - 2, 0, 1)).broadcast_to(rows),
        zeros.broadcast_to(rows),
        _without_last(y),
    )
    columns = (zb.address, int(zb.size > 1), b.shape[-2], a.strides[-1], *b.strides[-2:])
    words = (*nest_arguments(views), *columns, b.shape[-1], y.strides[-1])
    return [Call(matmul_integer_kernel(a.dtype.name, b.dtype.name), words, kept_a + kept_b)]


def _without_last(view: View) -> View:
    return View(view.address, view.shape[:-1], view.strides[:-1], view.dtype)


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every dynamic integer kernel; they are the same for all instruction sets."""
    makers = (conv_integer_kernel, matmul_integer_kernel)
    products = [make(a, b) for make in makers for a in BYTES for b in BYTES]
    return [RANGE_KERNEL, SCALE_KERNEL, quantize_kernel(), *products]

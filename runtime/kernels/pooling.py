"""Max and average pooling of [N, C, H, W] (or [N, C, L]) views.

    max       y = max of the window's valid elements          (the type's least value if none)
    average   f32: y = sum / n
              u8:  y = rint(clamp(sum(x - za) * m, low - zy, high - zy)) + zy      m = sa / (sy * n)

n is the number of averaged elements, which varies along the border: a table with one divisor or
multiplier per output pixel.  Windows are clamped to the tensor, so the padding is never read.
Channels that are contiguous (NHWC memory) are pooled by the vector code of `pooling_tile`, few or
strided ones by plain loops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba.core import types

from runtime.kernels import pooling_tile as word
from runtime.kernels.abi import Call, Kernel, View, f32_bits
from runtime.kernels.half import FLOATS, HALF_KINDS, element_access
from runtime.kernels.intrinsics import POINTERS, argument, f32_argument, f32_pointer
from runtime.kernels.isa import Isa
from runtime.kernels.lanes import larger, scratch
from runtime.kernels.pooling_tile import Kind, end_tap, first_tap, pool_rows_kernel, takes
from runtime.kernels.quantized_elementwise import Quantization, to_u8
from runtime.kernels.strided import device
from runtime.translation.marks import unrolled

_BLOCK = 64


@dataclass(frozen=True)
class Window:
    """Where a pooling looks: per spatial axis, and `pads` as all begins and then all ends."""

    kernel: Sequence[int]
    strides: Sequence[int]
    pads: Sequence[int]
    dilations: Sequence[int]


def _scratch_type(kind: Kind, dtype: str) -> Any:
    if kind == "average" and dtype == "uint8":
        return types.int32
    return {"uint8": types.uint8, "int8": types.int8}.get(dtype, types.float32)


def _lowest(kind: Kind, dtype: str) -> Any:
    if kind == "average":
        return np.float32(0) if dtype in FLOATS else np.int32(0)
    return -np.float32(np.inf) if dtype in FLOATS else int(np.iinfo(dtype).min)


@device
def _add_i32(total: Any, x: Any) -> Any:
    return np.int32(total + np.int32(x))


@device
def _add_f32(total: Any, x: Any) -> Any:
    return total + x


def _finish_function(kind: Kind, dtype: str) -> Any:
    """(row, total, table value, taps) -> the stored result."""
    if kind == "max":

        @device
        def keep(row: int, total: Any, value: Any, taps: int) -> Any:
            return total

        return keep
    if dtype in FLOATS:

        @device
        def divide(row: int, total: Any, value: Any, taps: int) -> Any:
            return total / value

        return divide

    @device
    def rescale(row: int, total: Any, value: Any, taps: int) -> Any:
        centered = np.int32(total - np.int32(taps * argument(row, word.ZA)))
        low, high = f32_argument(row, word.LOW), f32_argument(row, word.HIGH)
        return to_u8(np.float32(centered) * value, low, high, np.int32(argument(row, word.ZY)))

    return rescale


@cache
def pool_kernel(kind: Kind, dtype: str) -> Kernel:
    """The kernel of one kind of pooling on one element type (uint8, floats; max also int8)."""
    stored, load, store = element_access(dtype)
    pointer, size = POINTERS[stored], np.dtype(stored).itemsize
    block_scratch = scratch(_scratch_type(kind, dtype), _BLOCK)
    lowest = _lowest(kind, dtype)
    combine = larger if kind == "max" else (_add_f32 if dtype in FLOATS else _add_i32)
    finish = _finish_function(kind, dtype)

    def pool(row: int, thread: int, threads: int) -> None:
        totals = block_scratch()
        channels, oh, ow = argument(row, word.C), argument(row, word.OH), argument(row, word.OW)
        h, w = argument(row, word.H), argument(row, word.W)
        dh, dw = argument(row, word.DH), argument(row, word.DW)
        xc, xh, xw = argument(row, word.XC), argument(row, word.XH), argument(row, word.XW)
        yc = argument(row, word.YC)
        table = f32_pointer(argument(row, word.TABLE))
        blocks = (channels + _BLOCK - 1) // _BLOCK
        items = argument(row, word.N) * oh * ow * blocks
        for item in range(items * thread // threads, items * (thread + 1) // threads):
            pixel = item // blocks
            first_channel = (item - pixel * blocks) * _BLOCK
            n = min(_BLOCK, channels - first_channel)
            line = pixel // ow
            ox = pixel - line * ow
            image = line // oh
            oy = line - image * oh
            top = oy * argument(row, word.SH) - argument(row, word.PH)
            left = ox * argument(row, word.SW) - argument(row, word.PW)
            i0, i1 = first_tap(top, dh), end_tap(top, dh, argument(row, word.KH), h)
            j0, j1 = first_tap(left, dw), end_tap(left, dw, argument(row, word.KW), w)
            base = argument(row, word.X) + size * (
                image * argument(row, word.XN) + first_channel * xc
            )
            for c in range(n):
                totals[c] = lowest
            for i in range(i0, i1):
                for j in range(j0, j1):
                    x = pointer(base + size * ((top + i * dh) * xh + (left + j * dw) * xw))
                    for c in unrolled(n):
                        totals[c] = combine(totals[c], load(x[c * xc]))
            taps = max(i1 - i0, 0) * max(j1 - j0, 0)
            at_y = image * argument(row, word.YN) + first_channel * yc
            at_y += oy * argument(row, word.YH) + ox * argument(row, word.YW)
            y = pointer(argument(row, word.Y) + size * at_y)
            value = table[oy * ow + ox]
            for c in unrolled(n):
                y[c * yc] = store(finish(row, totals[c], value, taps))

    return Kernel.of(pool, kind, dtype)


def _counts(
    size: int,
    outputs: int,
    kernel: int,
    stride: int,
    begin: int,
    end: int,
    dilation: int,
    padded: bool,
) -> np.ndarray:
    """How many taps of each window are averaged along one axis, shape [outputs]."""
    positions = np.arange(outputs)[:, None] * stride - begin + np.arange(kernel) * dilation
    low, high = (-begin, size + end) if padded else (0, size)
    return ((positions >= low) & (positions < high)).sum(axis=1)


def _four_axes(view: View) -> View:
    return view.expand_dims(2) if view.rank == 3 else view


def _call(kind: Kind, x: View, y: View, window: Window, table: np.ndarray, words: tuple) -> Call:
    """`words`: zero point of x, bounds (relative to the zero point of y), zero point of y."""
    x, y = _four_axes(x), _four_axes(y)
    extra = 2 - len(window.kernel)  # a missing height is 1
    geometry = (
        *([1] * extra + list(window.kernel)),
        *([1] * extra + list(window.strides)),
        *([0] * extra + list(window.pads[: 2 - extra])),
        *([1] * extra + list(window.dilations)),
    )
    n, channels, oh, ow = y.shape
    sizes = (n, channels, oh, ow, x.shape[2], x.shape[3])
    addresses = (x.address, y.address, table.ctypes.data)
    arguments = (*addresses, *sizes, *x.strides, *y.strides, *geometry, *words)
    kernel = pool_rows_kernel if takes(x, y) else pool_kernel
    return Call(kernel(kind, x.dtype.name), arguments, (table,))


def max_pool_calls(x: View, y: View, window: Window) -> list[Call]:
    """y = the largest element of each window; `ceil_mode` is expressed by y's shape.

    x, y: [N, C, spatial (1 or 2)] of one type: u8, s8, f32 or a 16-bit float.
    """
    if y.size == 0:
        return []
    table = np.zeros(y.size // (y.shape[0] * y.shape[1]), np.float32)
    return [_call("max", x, y, window, table, (0, 0, 0, 0))]


def average_pool_calls(
    x: View,
    y: View,
    window: Window,
    *,
    count_include_pad: bool = False,
    qx: Quantization | None = None,
    qy: Quantization | None = None,
    low: int = 0,
    high: int = 255,
) -> list[Call]:
    """y = the mean of each window; `ceil_mode` is expressed by y's shape.

    x, y: [N, C, spatial (1 or 2)], both of one float type, or both u8 with `qx` and `qy`;
    [low, high] limits a u8 result. With `count_include_pad` the declared padding counts as zeros,
    but not what ceil_mode adds.
    """
    if y.size == 0:
        return []
    rank = len(window.kernel)
    counts = np.ones((), np.int64)
    for axis in range(rank):
        along = _counts(
            x.shape[2 + axis],
            y.shape[2 + axis],
            window.kernel[axis],
            window.strides[axis],
            window.pads[axis],
            window.pads[rank + axis],
            window.dilations[axis],
            count_include_pad,
        )
        counts = counts[..., None] * along
    if qx is None or qy is None:
        return [_call("average", x, y, window, counts.astype(np.float32).ravel(), (0, 0, 0, 0))]
    table = mean_multiplier(qx, qy, counts)
    bounds = (f32_bits(low - qy.zero_point), f32_bits(high - qy.zero_point))
    return [_call("average", x, y, window, table, (qx.zero_point, *bounds, qy.zero_point))]


def mean_multiplier(qx: Quantization, qy: Quantization, counts: np.ndarray) -> np.ndarray:
    """float32 sx / (sy * n) for every n, computed in float64 and rounded once; shape [size]."""
    sx, sy = np.float64(np.float32(qx.scale)), np.float64(np.float32(qy.scale))
    with np.errstate(divide="ignore"):  # a window without elements has a sum of 0
        factor = np.where(counts == 0, 0.0, sx / (sy * counts))
    return np.ascontiguousarray(factor.ravel(), np.float32)


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every pooling kernel; they are the same for all instruction sets."""
    members: list[tuple[Kind, str]] = [
        *(("max", dtype) for dtype in ("uint8", "int8", "float32", *HALF_KINDS)),
        *(("average", dtype) for dtype in ("uint8", "float32", *HALF_KINDS)),
    ]
    return [make(*member) for make in (pool_kernel, pool_rows_kernel) for member in members]

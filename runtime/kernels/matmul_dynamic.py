"""Products of float32 activations, quantized row by row, with int8 weights.

    q[m, k] = u8(a[m, k])            over the range of row m: scale s[m], zero point z[m]
    acc     = sum over k of  q[m, k] * b[k, n]                            the int8 tiles, int32
    f       = float32(acc - z[m] * sum over k of b[k, n]) * (s[m] * sb[n])
    y       = clamp(f + bias[n] + residual[m, n])

Every step rounds as `runtime.reference.integer.dynamic` says: results have its bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from runtime.kernels.abi import Call, Kernel, View, f32_bits, kernel
from runtime.kernels.epilogue import Epilogue
from runtime.kernels.gemm import Product, product_calls
from runtime.kernels.intrinsics import (
    argument,
    f32_argument,
    f32_pointer,
    i32_pointer,
    i64_pointer,
    rint,
    u8_pointer,
)
from runtime.kernels.isa import Isa
from runtime.kernels.lanes import itself, lane_reduction, larger, smaller
from runtime.kernels.matmul import row_offsets
from runtime.kernels.quantized_elementwise import clamp

Memory = Callable[[int], int]
"""The address of so many bytes for the calls of one op."""

_ZERO, _TOP, _LEAST = np.float32(0), np.float32(255), np.float32(2.0**-60)
_ALIGNMENT = 64
_greatest = lane_reduction(larger, itself, _ZERO)
_least = lane_reduction(smaller, itself, _ZERO)


@kernel
def quantize_rows(row: int, thread: int, threads: int) -> None:
    """q, scale and zero point of each row of a."""
    a, k = argument(row, 1), argument(row, 2)
    rows = i64_pointer(argument(row, 3))
    quantized, step = argument(row, 4), argument(row, 5)
    scales = f32_pointer(argument(row, 6))
    zeros = i32_pointer(argument(row, 7))
    m = argument(row, 8)
    for i in range(m * thread // threads, m * (thread + 1) // threads):
        x = f32_pointer(a + rows[i])
        low, high = _least(x, 1, k, _ZERO), _greatest(x, 1, k, _ZERO)
        scale = (high - low) / _TOP
        if scale < _LEAST:
            scale = _LEAST
        zero = np.int32(rint(clamp(-low / scale, _ZERO, _TOP)))
        bottom, top = np.float32(-zero), np.float32(np.int32(255) - zero)
        q = u8_pointer(quantized + i * step)
        for j in range(k):
            q[j] = np.int32(np.int32(rint(clamp(x[j] / scale, bottom, top))) + zero)
        scales[i] = scale
        zeros[i] = zero


@cache
def dequantize_rows(residual: bool) -> Kernel:
    """y from the int32 sums."""

    def dequantize(row: int, thread: int, threads: int) -> None:
        sums = argument(row, 1)
        m, n = argument(row, 2), argument(row, 3)
        scales = f32_pointer(argument(row, 4))
        zeros = i32_pointer(argument(row, 5))
        totals = i32_pointer(argument(row, 6))
        factors = f32_pointer(argument(row, 7))
        bias = f32_pointer(argument(row, 8))
        c = argument(row, 9)
        outputs = i64_pointer(argument(row, 10))
        r = argument(row, 11)
        residuals = i64_pointer(argument(row, 12))
        lo, hi = f32_argument(row, 13), f32_argument(row, 14)
        for i in range(m * thread // threads, m * (thread + 1) // threads):
            acc = i32_pointer(sums + 4 * n * i)
            y = f32_pointer(c + outputs[i])
            scale, zero = scales[i], zeros[i]
            added = f32_pointer(r + residuals[i])
            for j in range(n):
                exact = np.int32(acc[j] - np.int32(zero * totals[j]))
                f = np.float32(exact) * (scale * factors[j]) + bias[j]
                if residual:
                    f = f + added[j]
                y[j] = clamp(f, lo, hi)

    return Kernel.of(dequantize, residual)


def matmul_dynamic_calls(
    a: View,
    b: np.ndarray,
    b_scale: np.ndarray,
    bias: np.ndarray | None,
    y: View,
    *,
    bounds: tuple[float, float],
    isa: Isa,
    memory: Memory,
    residual: View | None = None,
) -> list[Call]:
    """Plans a product with dynamic quantization.

    a: [.., K] float32 with adjacent elements; b: int8 [K, N]; b_scale: float32, one or N; bias: [N]
    float32; y, residual: [.., N] with adjacent columns. `bounds` clamp y. Raises ValueError for a
    layout that is not taken.
    """
    for view in (a, y, *(() if residual is None else (residual,))):
        if view.shape[-1] > 1 and view.strides[-1] != 1:
            raise ValueError(f"matmul_dynamic: column stride {view.strides[-1]}, expected 1")
    k, n = b.shape
    rows, outputs = row_offsets(a), row_offsets(y)
    m = len(rows)
    if not m or not n:
        return []
    step = -(-max(k, 1) // _ALIGNMENT) * _ALIGNMENT
    quantized, sums = memory(m * step), memory(4 * m * n)
    scales, zeros = memory(4 * m), memory(4 * m)
    residuals = outputs if residual is None else row_offsets(residual.broadcast_to(y.shape))
    totals = b.sum(axis=0, dtype=np.int32)
    factors = np.ascontiguousarray(np.broadcast_to(b_scale, n), np.float32)
    added = np.zeros(n, np.float32) if bias is None else np.ascontiguousarray(bias, np.float32)
    product = Product(
        a=quantized,
        rows=np.arange(m) * step,
        segments=np.zeros(1, np.int64),
        weights=b[None],
        bias=np.zeros(n, np.int32),
        c=sums,
        outputs=np.arange(m) * 4 * n,
        epilogue=Epilogue("i32"),
    )
    before = Call(
        quantize_rows,
        (a.address, k, rows.ctypes.data, quantized, step, scales, zeros, m),
        (rows,),
        _ROW_NS * m + k * m / _ELEMENTS_PER_NS,
    )
    after = Call(
        dequantize_rows(residual is not None),
        (
            sums, m, n, scales, zeros, totals.ctypes.data, factors.ctypes.data, added.ctypes.data,
            y.address, outputs.ctypes.data, 0 if residual is None else residual.address,
            residuals.ctypes.data, *map(f32_bits, bounds),
        ),
        (totals, factors, added, outputs, residuals),
        _ROW_NS * m + m * n / _ELEMENTS_PER_NS,
    )  # fmt: skip
    return [before, *product_calls(product, isa), after]


_ROW_NS, _ELEMENTS_PER_NS = 20.0, 3.0
"""About how long the steps around the product take: per row, and elements of a row."""


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every kernel of dynamic products but those of the int8 products."""
    return [quantize_rows, *(dequantize_rows(residual) for residual in (False, True))]

"""Products with weights in blocks of few bits as plain loops, for any CPU."""

from __future__ import annotations

from functools import cache

import numpy as np

from runtime.kernels.abi import Kernel
from runtime.kernels.intrinsics import (
    argument,
    f32_argument,
    f32_pointer,
    i64_pointer,
    u8_pointer,
)
from runtime.kernels.quantized_elementwise import clamp


@cache
def portable_kernel(bits: int, residual: bool) -> Kernel:
    """The product as plain loops over [N][block][K], as the weights are stored."""

    def product(row: int, thread: int, threads: int) -> None:
        a, k = argument(row, 1), argument(row, 2)
        rows = i64_pointer(argument(row, 3))
        stored = argument(row, 4)
        size, blocks = argument(row, 5), argument(row, 6)
        scales = f32_pointer(argument(row, 7))
        zeros = u8_pointer(argument(row, 8))
        bias = f32_pointer(argument(row, 9))
        c, outputs = argument(row, 10), i64_pointer(argument(row, 11))
        r, residuals = argument(row, 12), i64_pointer(argument(row, 13))
        m, n = argument(row, 14), argument(row, 15)
        lo, hi = f32_argument(row, 16), f32_argument(row, 17)
        width = size * bits // 8
        for j in range(n * thread // threads, n * (thread + 1) // threads):
            for i in range(m):
                x = f32_pointer(a + rows[i])
                total = bias[j]
                for block in range(blocks):
                    at = j * blocks + block
                    q = u8_pointer(stored + at * width)
                    zero = np.int32(zeros[at])
                    first = block * size
                    part = np.float32(0)
                    for t in range(min(size, k - first)):
                        value = np.int32(q[t]) if bits == 8 else np.int32(q[t >> 1])
                        if bits == 4:
                            value = np.int32((value >> np.int32(4 * (t & 1))) & np.int32(15))
                        part = part + x[first + t] * np.float32(np.int32(value - zero))
                    total = total + part * scales[at]
                if residual:
                    total = total + f32_pointer(r + residuals[i])[j]
                f32_pointer(c + outputs[i])[j] = clamp(total, lo, hi)

    return Kernel.of(product, bits, residual)

"""y[i] = table[x[i]]: any function of one unsigned byte, as a table of 256 results, or of 16 bits.

A u8 result is a requantization, an activation, ...; results can be float32 too. On CPUs
with AVX512-VBMI a u8 table lives in four registers and 64 bytes are looked up by two permutes:

    low  = vpermi2b(table[0:64],    table[64:128],  x)        (uses the low 7 bits of x)
    high = vpermi2b(table[128:192], table[192:256], x)
    y    = x >= 128 ? high : low
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from runtime.kernels.abi import Call, Kernel, View
from runtime.kernels.intrinsics import POINTERS, declare, intrinsic, u16_pointer
from runtime.kernels.isa import Isa, cpu_features
from runtime.kernels.strided import (
    advance,
    argument,
    device,
    nest2,
    nest_arguments,
    parameters_at,
)
from runtime.translation.marks import unrolled

_TABLE = parameters_at(2)
_BYTES = ir.VectorType(ir.IntType(8), 64)


@intrinsic
def _lookup_64(typingctx: Any, table: Any, x: Any, y: Any) -> Any:
    """y[0:64] = table[x[0:64]], all three u8 pointers."""
    signature = types.void(table, table, table)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table, x, y = (builder.bitcast(pointer, _BYTES.as_pointer()) for pointer in arguments)

        def load(base: Any, index: int) -> Any:
            value = builder.load(builder.gep(base, [ir.IntType(64)(index)]))
            value.align = 1
            return value

        permute = declare(builder.module, "llvm.x86.avx512.vpermi2var.qi.512", _BYTES, [_BYTES] * 3)
        bytes_ = load(x, 0)
        low = builder.call(permute, [load(table, 0), bytes_, load(table, 1)])
        high = builder.call(permute, [load(table, 2), bytes_, load(table, 3)])
        upper = builder.icmp_signed("<", bytes_, ir.Constant(_BYTES, [0] * 64))
        builder.store(builder.select(upper, high, low), y).align = 1
        return context.get_dummy_value()

    return signature, generate


@cache
def lookup_kernel(y: str, permute: bool) -> Kernel:
    """The kernel for results of dtype `y`; `permute`: 64 bytes at a time (u8, AVX512-VBMI)."""
    table_pointer = POINTERS[y]

    if permute:

        @device
        def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
            table = table_pointer(argument(row, _TABLE))
            start = 0
            if sx == 1 and sy == 1:
                start = n // 64 * 64
                for i in range(0, start, 64):
                    _lookup_64(table, advance(x, i), advance(y, i))
            for i in range(start, n):
                y[i * sy] = table[x[i * sx]]
    else:

        @device
        def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
            table = table_pointer(argument(row, _TABLE))
            for i in unrolled(n):
                y[i * sy] = table[x[i * sx]]

    return nest2(lookup_kernel, row_function, "uint8", y, permute)


def lookup_calls(x: View, y: View, table: np.ndarray) -> list[Call]:
    """y = table[x] for a u8 `x`; `table` holds 256 elements of y's type (u8 or f32)."""
    if table.shape != (256,) or table.dtype != y.dtype:
        raise ValueError(f"expected 256 entries of type {y.dtype}, got {table.dtype}{table.shape}")
    if y.size == 0:
        return []
    table = np.ascontiguousarray(table)
    kernel = _kernel_for(y.dtype.name)
    return [Call(kernel, (*nest_arguments((x, y)), table.ctypes.data), (table,))]


def _kernel_for(y: str) -> Kernel:
    return lookup_kernel(y, y == "uint8" and "+avx512vbmi" in cpu_features().split(","))


@cache
def half_lookup_kernel() -> Kernel:
    """The kernel for 16-bit elements and results."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        table = u16_pointer(argument(row, _TABLE))
        if sx == 1 and sy == 1:
            for i in range(n):
                y[i] = table[x[i]]
        else:
            for i in range(n):
                y[i * sy] = table[x[i * sx]]

    return nest2(half_lookup_kernel, row_function, "uint16", "uint16")


def half_lookup_calls(x: View, y: View, table: np.ndarray) -> list[Call]:
    """y = table[x] by the bits of 16-bit elements; `table` holds 65536 results as uint16."""
    if table.shape != (1 << 16,) or table.dtype != np.uint16:
        raise ValueError(f"expected 65536 entries of type uint16, got {table.dtype}{table.shape}")
    if x.dtype.itemsize != 2 or y.dtype.itemsize != 2:
        raise ValueError(f"expected elements of 16 bits, got {x.dtype} and {y.dtype}")
    if y.size == 0:
        return []
    words = (*nest_arguments((x, y)), table.ctypes.data)
    return [Call(half_lookup_kernel(), words, (table,))]


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every kernel that this CPU may use; they are the same for all instruction sets."""
    return [*(_kernel_for(y) for y in ("uint8", "float32")), half_lookup_kernel()]

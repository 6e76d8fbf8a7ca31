"""add, sub and mul of 8-bit integers, with numpy broadcasting.

    add   f = (a - za) * ka + (b - zb) * kb        ka = sa / sy, kb = sb / sy
    sub   f = (a - za) * ka - (b - zb) * kb
    mul   f = ((a - za) * (b - zb)) * k            k = sa * sb / sy
    u8    y = rint(clamp(f, low - zy, high - zy)) + zy
    f32   y = clamp(f, low, high)                  with sy = 1

Every product and sum is one float32 operation (no fused multiply-add); rint rounds half to even.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
from numba.core import types

from runtime.kernels.abi import Call, Kernel, View, f32_bits
from runtime.kernels.intrinsics import f32_argument, rint
from runtime.kernels.lanes import scratch
from runtime.kernels.strided import address, argument, device, nest3, nest_arguments, parameters_at
from runtime.kernels.vector_ir import F32, I8, I32, I64, Emitter, Vector, generated

Operation = Literal["add", "sub", "mul"]

_KA = parameters_at(3)
_KB, _ZA, _ZB, _LOW, _HIGH, _ZY = range(_KA + 1, _KA + 7)


class Quantization(NamedTuple):
    """real = scale * (stored - zero_point), for a tensor stored as unsigned bytes."""

    scale: float
    zero_point: int


@device
def clamp(value: float, low: float, high: float) -> float:
    """`value` limited to [low, high]; NaN becomes `low`."""
    value = value if value > low else low
    return value if value < high else high


@device
def to_u8(value: Any, low: Any, high: Any, zero_point: Any) -> Any:
    """rint(clamp(value, low, high)) + zero_point; the bounds are relative to the zero point."""
    return np.uint8(np.int32(np.int32(rint(clamp(value, low, high))) + zero_point))


@device
def _add(a: Any, b: Any, ka: Any, kb: Any) -> Any:
    return np.float32(a) * ka + np.float32(b) * kb


@device
def _sub(a: Any, b: Any, ka: Any, kb: Any) -> Any:
    return np.float32(a) * ka - np.float32(b) * kb


@device
def _mul(a: Any, b: Any, ka: Any, kb: Any) -> Any:
    return np.float32(np.int32(a * b)) * ka


_FUNCTIONS: dict[Operation, Any] = {"add": _add, "sub": _sub, "mul": _mul}


@device
def _store_u8(f: Any, low: Any, high: Any, zero_point: Any) -> Any:
    return to_u8(f, low, high, zero_point)


@device
def _store_f32(f: Any, low: Any, high: Any, zero_point: Any) -> Any:
    return clamp(f, low, high)


_LANES = 32
_repeated = scratch(types.uint8, _LANES)


def _vectors(operation: Operation, y: str) -> Any:
    """The formulas for 32 elements at a time, as a function that kernels call with one tuple of
    int64:

    (count, a, b, b_step, y, row): `count` times 32 elements at addresses a, b and y; `b_step` is
    the distance of two groups in b; `row` is the address of the call's words.
    """
    floats, integers, octets = Vector(F32, _LANES), Vector(I32, _LANES), Vector(I8, _LANES)

    def emit(e: Emitter, arguments: list[Any]) -> None:
        count, a, b, b_step, result, row = arguments
        build = e.builder

        def word(index: int, kind: Any) -> Any:
            return e.load(e.offset(row, 8 * index), kind)

        ka, kb, low, high = (e.splat(word(i, F32), _LANES) for i in (_KA, _KB, _LOW, _HIGH))
        za, zb, zy = (e.splat(build.trunc(word(i, I64), I32), _LANES) for i in (_ZA, _ZB, _ZY))
        fa, fb = build.sitofp(za, floats), build.sitofp(zb, floats)

        def centered(address: Any, zero: Any) -> Any:
            return build.fsub(build.uitofp(e.load(address, octets), floats), zero)  # exact

        def group(_: Any, state: list[Any]) -> list[Any]:
            a, b, result = state
            left, right = centered(a, fa), centered(b, fb)
            if operation == "mul":
                f = build.fmul(build.fmul(left, right), ka)  # the first product is exact
            else:
                combine = build.fadd if operation == "add" else build.fsub
                f = combine(build.fmul(left, ka), build.fmul(right, kb))
            f = build.select(build.fcmp_ordered(">", f, low), f, low)
            f = build.select(build.fcmp_ordered("<", f, high), f, high)
            if y == "uint8":
                rounded = e.call(f"llvm.lrint.v{_LANES}i32.v{_LANES}f32", integers, f)
                f = build.trunc(build.add(rounded, zy), octets)
            e.store(f, result)
            size = np.dtype(y).itemsize * _LANES
            return [e.offset(a, _LANES), build.add(b, b_step), e.offset(result, size)]

        e.loop(count, [a, b, result], group)

    return generated("quantized_binary", 6, emit)


@cache
def quantized_binary_kernel(operation: Operation, y: str) -> Kernel:
    """The kernel of one operation with results of dtype `y` (uint8 or float32)."""
    combine = _FUNCTIONS[operation]
    store = _store_u8 if y == "uint8" else _store_f32
    vectors = _vectors(operation, y)

    @device
    def row_function(row: int, n: int, a: Any, sa: int, b: Any, sb: int, y: Any, sy: int) -> None:
        ka, kb = f32_argument(row, _KA), f32_argument(row, _KB)
        za, zb = np.int32(argument(row, _ZA)), np.int32(argument(row, _ZB))
        low, high = f32_argument(row, _LOW), f32_argument(row, _HIGH)
        zy = np.int32(argument(row, _ZY))
        done = 0
        if sa == 1 and sb == 1 and sy == 1:
            vectors((n // _LANES, address(a), address(b), _LANES, address(y), row))
            done = n // _LANES * _LANES
        elif sa == 1 and sb == 0 and sy == 1:
            repeated = _repeated()
            for i in range(_LANES):
                repeated[i] = b[0]
            vectors((n // _LANES, address(a), address(repeated), 0, address(y), row))
            done = n // _LANES * _LANES
        for i in range(done, n):
            p = np.int32(np.int32(a[i * sa]) - za)
            q = np.int32(np.int32(b[i * sb]) - zb)
            y[i * sy] = store(combine(p, q, ka, kb), low, high, zy)

    return nest3(quantized_binary_kernel, row_function, "uint8", "uint8", y, operation)


def quantized_binary_calls(
    operation: Operation,
    a: View,
    b: View,
    y: View,
    *,
    qa: Quantization,
    qb: Quantization,
    qy: Quantization | None = None,
    low: float | None = None,
    high: float | None = None,
) -> list[Call]:
    """`a` and `b` (u8, broadcast to y's shape) combined into `y`.

    A u8 `y` needs `qy`, and [low, high] are stored values (0 and 255 by default); an f32 `y` takes
    none, and [low, high] are real values (default: no limit).
    """
    if y.size == 0:
        return []
    if operation != "sub" and a.size < b.size:
        a, b, qa, qb = b, a, qb, qa  # the fast loops expect the scalar, if any, second
    f32 = np.float32
    if y.dtype == np.float32:
        scale, zero_point = f32(1), 0
        low = -np.inf if low is None else low
        high = np.inf if high is None else high
    else:
        assert qy is not None, "a u8 result needs its scale and zero point"
        scale, zero_point = f32(qy.scale), qy.zero_point
        low = (0 if low is None else low) - zero_point
        high = (255 if high is None else high) - zero_point
    sa, sb = f32(qa.scale), f32(qb.scale)
    if operation == "mul":
        ka = kb = f32(sa * sb) / scale
    else:
        ka, kb = sa / scale, sb / scale
    views = (a.broadcast_to(y.shape), b.broadcast_to(y.shape), y)
    parameters = (f32_bits(float(ka)), f32_bits(float(kb)), qa.zero_point, qb.zero_point)
    parameters += (f32_bits(low), f32_bits(high), zero_point)
    kernel = quantized_binary_kernel(operation, y.dtype.name)
    return [Call(kernel, nest_arguments(views) + parameters)]

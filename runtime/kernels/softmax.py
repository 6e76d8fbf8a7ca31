"""Softmax and log-softmax along one axis, float32.

    m = max(x)    e = exp(x - m)    s = sum(e), in 16 lanes
    softmax      y = e / s
    log_softmax  y = (x - m) - log(s), the logarithm in float64, rounded once

Equal to `runtime.reference.normalization` in every bit.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from runtime.kernels.abi import Call, Kernel, View
from runtime.kernels.isa import Isa
from runtime.kernels.lanes import LANES, lane_max, lane_sum
from runtime.kernels.scalar_math import exp
from runtime.kernels.strided import (
    address,
    advance,
    argument,
    device,
    nest2,
    nest_arguments,
    parameters_at,
)
from runtime.kernels.vector_ir import F32, I64, Emitter, Vector, generated
from runtime.kernels.vector_math import across, splat
from runtime.kernels.vector_math import exp as exp_vector

_SIZE, _X, _Y = range(parameters_at(2), parameters_at(2) + 3)


@device
def _exp_shifted(x: Any, sx: int, y: Any, sy: int, n: int, shift: Any) -> None:
    """y = exp(x - shift)."""
    if sx == 1 and sy == 1:
        for k in range(n):
            y[k] = exp(x[k] - shift)
    else:
        for k in range(n):
            y[k * sy] = exp(x[k * sx] - shift)


def _emit_row(e: Emitter, arguments: list[Any]) -> None:
    x, y, size = arguments
    builder = e.builder
    floats = Vector(F32, LANES)
    whole, rest = builder.sdiv(size, I64(LANES)), builder.srem(size, I64(LANES))
    has_rest = builder.zext(builder.icmp_signed(">", rest, I64(0)), I64)
    inside = e.first_lanes(rest, LANES)

    def load(start: Any, chunk: Any) -> Any:
        return e.load(builder.add(start, builder.mul(chunk, I64(4 * LANES))), floats)

    def store(value: Any, chunk: Any, mask: Any) -> None:
        e.store(value, builder.add(y, builder.mul(chunk, I64(4 * LANES))), mask)

    def for_all(first: Any, step: Any) -> Any:
        """`step(chunk, carried, mask)` over the row; the mask is that of what is left over."""
        state = e.loop(whole, [first], lambda chunk, now: [step(chunk, now[0], None)])
        return e.loop(has_rest, state, lambda _, now: [step(whole, now[0], inside)])[0]

    def wins(a: Any, b: Any) -> Any:
        bigger = builder.fcmp_ordered(">", b, a)
        return builder.select(builder.or_(bigger, builder.fcmp_unordered("uno", b, b)), b, a)

    def keep(value: Any, other: Any, mask: Any) -> Any:
        return value if mask is None else builder.select(mask, value, other)

    nothing = splat(-np.inf, LANES)
    largest = for_all(
        nothing, lambda chunk, now, mask: wins(now, keep(load(x, chunk), nothing, mask))
    )
    shift = e.splat(across(e, largest, wins), LANES)

    def weigh(chunk: Any, total: Any, mask: Any) -> Any:
        weight = exp_vector(e, builder.fsub(load(x, chunk), shift), LANES)
        store(weight, chunk, mask)
        return builder.fadd(total, keep(weight, splat(0.0, LANES), mask))

    total = e.splat(across(e, for_all(splat(0.0, LANES), weigh), builder.fadd), LANES)

    def divide(chunk: Any, none: Any, mask: Any) -> Any:
        store(builder.fdiv(load(y, chunk), total), chunk, mask)
        return none

    for_all(I64(0), divide)


_softmax_row = generated("softmax_row", 3, _emit_row)
"""(x, y, size): softmax of adjacent elements; `y` may be `x`."""


@cache
def softmax_kernel() -> Kernel:
    """softmax; the exponentials are kept in y."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        size, xs, ys = argument(row, _SIZE), argument(row, _X), argument(row, _Y)
        for i in range(n):
            source, result = advance(x, i * sx), advance(y, i * sy)
            if xs == 1 and ys == 1:
                _softmax_row((address(source), address(result), size))
            else:
                _exp_shifted(source, xs, result, ys, size, lane_max(source, xs, size))
                total = lane_sum(result, ys, size)
                for k in range(size):
                    result[k * ys] = result[k * ys] / total

    return nest2(softmax_kernel, row_function, "float32", "float32")


@cache
def log_softmax_kernel() -> Kernel:
    """log_softmax; y holds the exponentials until their sum is known."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        size, xs, ys = argument(row, _SIZE), argument(row, _X), argument(row, _Y)
        for i in range(n):
            source, result = advance(x, i * sx), advance(y, i * sy)
            largest = lane_max(source, xs, size)
            _exp_shifted(source, xs, result, ys, size, largest)
            total = np.float32(np.log(np.float64(lane_sum(result, ys, size))))
            for k in range(size):
                result[k * ys] = (source[k * xs] - largest) - total

    return nest2(log_softmax_kernel, row_function, "float32", "float32")


def _calls(kernel: Kernel, x: View, y: View, axis: int) -> list[Call]:
    if y.size == 0:
        return []
    size, strides = x.shape[axis], (x.strides[axis], y.strides[axis])
    words = nest_arguments((x.slice(axis, 0, 1), y.slice(axis, 0, 1)))
    return [Call(kernel, (*words, size, *strides))]


def softmax_calls(x: View, y: View, axis: int) -> list[Call]:
    """y = softmax(x) along `axis`; y may be x."""
    return _calls(softmax_kernel(), x, y, axis)


def log_softmax_calls(x: View, y: View, axis: int) -> list[Call]:
    """y = log(softmax(x)) along `axis`; y must not overlap x."""
    return _calls(log_softmax_kernel(), x, y, axis)


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every kernel; they are the same for all instruction sets."""
    return [softmax_kernel(), log_softmax_kernel()]

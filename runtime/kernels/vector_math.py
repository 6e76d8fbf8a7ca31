"""Vectors of float32 as LLVM IR: constants, the largest, sums across lanes, the exponential."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from runtime.kernels.vector_ir import F32, I32, Emitter, Vector
from runtime.reference.elementary import (
    EXP_HALF_BITS,
    EXP_LN2_HI,
    EXP_LN2_LO,
    EXP_LOG2E,
    EXP_MAX,
    EXP_MIN,
    EXP_POLYNOMIAL,
    EXP_ROUND,
)

_MANTISSA = 23


def splat(value: float | np.float32, lanes: int) -> Any:
    """A constant vector of float32."""
    return ir.Constant(Vector(F32, lanes), [float(value)] * lanes)


def bit_pattern(value: np.float32, lanes: int) -> Any:
    """The bit pattern of a float32 in all lanes, as int32."""
    return ir.Constant(Vector(I32, lanes), [int(value.view(np.int32))] * lanes)


def larger(e: Emitter, a: Any, b: Any) -> Any:
    """a if a > b else b: b where a is NaN."""
    return e.builder.select(e.builder.fcmp_ordered(">", a, b), a, b)


def across(e: Emitter, value: Any, combine: Callable[[Any, Any], Any]) -> Any:
    """All lanes combined, halves first."""
    width = value.type.count
    while width > 1:
        width //= 2
        low = e.shuffle(value, value, range(width))
        value = combine(low, e.shuffle(value, value, range(width, 2 * width)))
    return e.builder.extract_element(value, I32(0))


def exp(e: Emitter, x: Any, lanes: int) -> Any:
    """`runtime.reference.elementary.exp_f32`, operation for operation."""
    builder = e.builder
    integers, floats = Vector(I32, lanes), Vector(F32, lanes)
    low, high = splat(EXP_MIN, lanes), splat(EXP_MAX, lanes)
    x = builder.select(builder.fcmp_ordered("<", x, low), low, x)
    x = builder.select(builder.fcmp_ordered(">", x, high), high, x)
    t = builder.fadd(builder.fmul(x, splat(EXP_LOG2E, lanes)), splat(EXP_ROUND, lanes))
    k = builder.fsub(t, splat(EXP_ROUND, lanes))
    r = builder.fsub(x, builder.fmul(k, splat(EXP_LN2_HI, lanes)))
    r = builder.fsub(r, builder.fmul(k, splat(EXP_LN2_LO, lanes)))
    p = splat(EXP_POLYNOMIAL[0], lanes)
    for coefficient in EXP_POLYNOMIAL[1:]:
        p = builder.fadd(builder.fmul(p, r), splat(coefficient, lanes))
    y = builder.fadd(builder.fmul(p, builder.fmul(r, r)), r)
    y = builder.fadd(y, splat(1.0, lanes))
    power = builder.shl(builder.bitcast(t, integers), integers([_MANTISSA] * lanes))
    power = builder.add(power, integers([int(EXP_HALF_BITS)] * lanes))
    return builder.fmul(builder.fadd(y, y), builder.bitcast(power, floats))

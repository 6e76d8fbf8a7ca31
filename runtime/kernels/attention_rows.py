"""What attention does with rows of scores: softmax, and the scaling of what it weighed.

Bytes: weights of 0 ... 255 and their integer sum, equal to `runtime.reference.integer.attention`
in every bit. Floats: exponentials (`runtime.reference.elementary.exp_f32`) and their sum; the
result is divided by the sum at the end, so it differs from the reference by roundings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from runtime.kernels.attention_tiles import Products
from runtime.kernels.vector_ir import F32, I8, I32, I64, Emitter, Vector, generated
from runtime.reference.elementary import (
    EXP_LN2_HI,
    EXP_LN2_LO,
    EXP_LOG2E,
    EXP_MAX,
    EXP_MIN,
    EXP_POLYNOMIAL,
    EXP_ROUND,
)
from runtime.reference.integer.attention import EXP2_255, LEAST_EXPONENT, LOG2E, LOWEST, ROUND

_MANTISSA = 23


def softmax_rows(products: Products) -> Any:
    """(scores, row stride, keys, rows, weights, row stride, mask, row stride, multiplier, totals).

    For every row: s = score * multiplier + mask, weights of exp(s - max(s)), and their sum in
    `totals`. The weights may lie over the scores. `multiplier` is the bit pattern of a float32.
    """
    lanes, integer = products.lanes, products.taps == 4
    floats = Vector(F32, lanes)

    def emit(e: Emitter, arguments: list[Any]) -> None:
        scores, stride, keys, rows, weights, w_stride, mask, mask_stride, bits, totals = arguments
        builder = e.builder
        multiplier = e.splat(builder.bitcast(builder.trunc(bits, I32), F32), lanes)
        whole = builder.sdiv(keys, I64(lanes))
        rest = builder.srem(keys, I64(lanes))
        has_rest = builder.zext(builder.icmp_signed(">", rest, I64(0)), I64)
        chunks = builder.add(whole, has_rest)
        inside = e.first_lanes(rest, lanes)
        nothing = _splat(-np.inf, lanes)

        def scaled(start: Any, added: Any, chunk: Any) -> Any:
            skip = builder.mul(chunk, I64(4 * lanes))
            place = builder.add(start, skip)
            value = e.load(place, Vector(products.multiply.accumulator, lanes))
            value = builder.sitofp(value, floats) if integer else value
            value = builder.fmul(value, multiplier)
            return builder.fadd(value, e.load(builder.add(added, skip), floats)), place

        def row(index: Any, _: list[Any]) -> list[Any]:
            start = builder.add(scores, builder.mul(index, stride))
            added = builder.add(mask, builder.mul(index, mask_stride))
            target = builder.add(weights, builder.mul(index, w_stride))

            def full(chunk: Any, carried: list[Any]) -> list[Any]:
                value, place = scaled(start, added, chunk)
                e.store(value, place)
                return [_larger(e, value, carried[0])]

            def partial(_: Any, carried: list[Any]) -> list[Any]:
                value, place = scaled(start, added, whole)
                value = builder.select(inside, value, nothing)
                e.store(value, place)
                return [_larger(e, value, carried[0])]

            largest = [_splat(LOWEST if integer else -np.inf, lanes)]
            (largest,) = e.loop(has_rest, e.loop(whole, largest, full), partial)
            shift = e.splat(_across(e, largest, lambda a, b: _larger(e, a, b)), lanes)

            def weigh(chunk: Any, carried: list[Any]) -> list[Any]:
                place = builder.add(start, builder.mul(chunk, I64(4 * lanes)))
                x = builder.fsub(e.load(place, floats), shift)
                if integer:
                    weight = _weight(e, x, lanes)
                    octets = builder.trunc(weight, Vector(I8, lanes))
                    e.store(octets, builder.add(target, builder.mul(chunk, I64(lanes))))
                    return [builder.add(carried[0], weight)]
                weight = _exp(e, x, lanes)
                e.store(weight, builder.add(target, builder.mul(chunk, I64(4 * lanes))))
                return [builder.fadd(carried[0], weight)]

            (total,) = e.loop(chunks, [products.multiply.zero(e)], weigh)
            combine = builder.add if integer else builder.fadd
            e.store(_across(e, total, combine), builder.add(totals, builder.mul(index, I64(4))))
            return []

        e.loop(rows, [], row)

    return generated(f"attention_softmax_{products.name}", 10, emit)


def finish_rows(products: Products) -> Any:
    """(sums, row stride, columns, rows, totals, y, row stride, v's zero, multiplier, lo, hi, zero).

    Bytes: y = rint(clamp((sums - total * zero of v) * (multiplier / total))) + zero, total at
    least 1. Floats: y = sums * (1 / total). Multiplier and bounds are bit patterns of float32.
    """
    lanes, integer = products.lanes, products.taps == 4
    floats, integers = Vector(F32, lanes), Vector(I32, lanes)
    y_size = 1 if integer else 4

    def emit(e: Emitter, arguments: list[Any]) -> None:
        sums, stride, columns, rows, totals, y, y_stride, v_zero, *words = arguments
        builder = e.builder
        multiplier, lo, hi = (builder.bitcast(builder.trunc(word, I32), F32) for word in words[:3])
        lo, hi = e.splat(lo, lanes), e.splat(hi, lanes)
        zero = e.splat(builder.trunc(words[3], I32), lanes)
        v_zero = builder.trunc(v_zero, I32)
        whole = builder.sdiv(columns, I64(lanes))
        rest = builder.srem(columns, I64(lanes))
        has_rest = builder.zext(builder.icmp_signed(">", rest, I64(0)), I64)
        inside = e.first_lanes(rest, lanes)

        def row(index: Any, _: list[Any]) -> list[Any]:
            start = builder.add(sums, builder.mul(index, stride))
            target = builder.add(y, builder.mul(index, y_stride))
            place = builder.add(totals, builder.mul(index, I64(4)))
            if integer:
                total = e.load(place, I32)
                total = builder.select(builder.icmp_signed(">", total, I32(1)), total, I32(1))
                shift = e.splat(builder.mul(e.load(place, I32), v_zero), lanes)
                factor = builder.fdiv(multiplier, builder.sitofp(total, F32))
            else:
                shift = None
                factor = builder.fdiv(F32(1.0), e.load(place, F32))
            factor = e.splat(factor, lanes)

            def chunk(number: Any, mask: Any) -> None:
                address = builder.add(start, builder.mul(number, I64(4 * lanes)))
                value = e.load(address, Vector(products.multiply.accumulator, lanes))
                if integer:
                    value = builder.sitofp(builder.sub(value, shift), floats)
                value = builder.fmul(value, factor)
                if integer:
                    value = _larger(e, value, lo)
                    value = builder.select(builder.fcmp_ordered("<", value, hi), value, hi)
                    rounded = builder.fadd(value, _splat(ROUND, lanes))
                    bits = builder.sub(builder.bitcast(rounded, integers), _bits(ROUND, lanes))
                    value = builder.trunc(builder.add(bits, zero), Vector(I8, lanes))
                skip = builder.mul(number, I64(y_size * lanes))
                e.store(value, builder.add(target, skip), mask)

            def full(number: Any, _: list[Any]) -> list[Any]:
                chunk(number, None)
                return []

            def partial(_: Any, __: list[Any]) -> list[Any]:
                chunk(whole, inside)
                return []

            e.loop(whole, [], full)
            e.loop(has_rest, [], partial)
            return []

        e.loop(rows, [], row)

    return generated(f"attention_finish_{products.name}", 12, emit)


def _splat(value: float | np.float32, lanes: int) -> Any:
    return ir.Constant(Vector(F32, lanes), [float(value)] * lanes)


def _bits(value: np.float32, lanes: int) -> Any:
    return ir.Constant(Vector(I32, lanes), [int(value.view(np.int32))] * lanes)


def _larger(e: Emitter, a: Any, b: Any) -> Any:
    """a if a > b else b: b where a is NaN."""
    return e.builder.select(e.builder.fcmp_ordered(">", a, b), a, b)


def _across(e: Emitter, value: Any, combine: Callable[[Any, Any], Any]) -> Any:
    """All lanes combined, halves first."""
    width = value.type.count
    while width > 1:
        width //= 2
        low = e.shuffle(value, value, range(width))
        value = combine(low, e.shuffle(value, value, range(width, 2 * width)))
    return e.builder.extract_element(value, I32(0))


def _weight(e: Emitter, x: Any, lanes: int) -> Any:
    """`runtime.reference.integer.attention.attention_weights` of s - max(s), as int32."""
    builder = e.builder
    integers, round_ = Vector(I32, lanes), _splat(ROUND, lanes)
    x = _larger(e, builder.fmul(x, _splat(LOG2E, lanes)), _splat(LEAST_EXPONENT, lanes))
    t = builder.fadd(x, round_)
    f = builder.fsub(x, builder.fsub(t, round_))
    p = _splat(EXP2_255[0], lanes)
    for coefficient in EXP2_255[1:]:
        p = builder.fadd(builder.fmul(p, f), _splat(coefficient, lanes))
    # The low bits of t are the exponent; those of ROUND vanish in the shift.
    exponent = builder.shl(builder.bitcast(t, integers), integers([_MANTISSA] * lanes))
    p = builder.bitcast(builder.add(builder.bitcast(p, integers), exponent), Vector(F32, lanes))
    rounded = builder.bitcast(builder.fadd(p, round_), integers)
    return builder.sub(rounded, _bits(ROUND, lanes))


def _exp(e: Emitter, x: Any, lanes: int) -> Any:
    """`runtime.reference.elementary.exp_f32`, operation for operation."""
    builder = e.builder
    integers, floats = Vector(I32, lanes), Vector(F32, lanes)
    low, high = _splat(EXP_MIN, lanes), _splat(EXP_MAX, lanes)
    x = builder.select(builder.fcmp_ordered("<", x, low), low, x)
    x = builder.select(builder.fcmp_ordered(">", x, high), high, x)
    t = builder.fadd(builder.fmul(x, _splat(EXP_LOG2E, lanes)), _splat(EXP_ROUND, lanes))
    k = builder.fsub(t, _splat(EXP_ROUND, lanes))
    r = builder.fsub(x, builder.fmul(k, _splat(EXP_LN2_HI, lanes)))
    r = builder.fsub(r, builder.fmul(k, _splat(EXP_LN2_LO, lanes)))
    p = _splat(EXP_POLYNOMIAL[0], lanes)
    for coefficient in EXP_POLYNOMIAL[1:]:
        p = builder.fadd(builder.fmul(p, r), _splat(coefficient, lanes))
    y = builder.fadd(builder.fmul(p, builder.fmul(r, r)), r)
    y = builder.fadd(y, _splat(1.0, lanes))
    exponent = builder.sub(builder.bitcast(t, integers), _bits(EXP_ROUND, lanes))
    half = builder.ashr(exponent, integers([1] * lanes))
    for part in (half, builder.sub(exponent, half)):
        biased = builder.add(part, integers([127] * lanes))
        power = builder.shl(biased, integers([_MANTISSA] * lanes))
        y = builder.fmul(y, builder.bitcast(power, floats))
    return y

"""What attention does with rows of scores: softmax, and the scaling of what it weighed.

Bytes: weights of 0 ... 255 and their integer sum, equal to `runtime.reference.integer.attention`
in every bit. Floats: exponentials (`runtime.reference.elementary.exp_f32`) and their sum; the
result is divided by the sum at the end, so it differs from the reference by roundings.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.kernels.attention_tiles import Products
from runtime.kernels.vector_ir import F32, I8, I32, I64, Emitter, Vector, generated
from runtime.kernels.vector_math import across, bit_pattern, exp, larger, splat
from runtime.reference.integer.attention import EXP2_255, LEAST_EXPONENT, LOG2E, LOWEST, ROUND

_MANTISSA = 23

GROUP = 4
"""Registers of scores that become one register of bytes."""


def softmax_rows(products: Products) -> Any:
    """(scores, row stride, keys, rows, weights, row stride, mask, row stride, multiplier, totals).

    For every row: s = score * multiplier + mask, weights of exp(s - max(s)), and their sum in
    `totals`, where the maximum is kept before. The weights may lie over the scores. `multiplier`
    is the bit pattern of a float32.
    """
    lanes, integer = products.lanes, products.integer
    size, floats = products.multiply.element_bytes, Vector(F32, lanes)

    def emit(e: Emitter, arguments: list[Any]) -> None:
        scores, stride, keys, rows, weights, w_stride, mask, mask_stride, bits, totals = arguments
        builder = e.builder
        multiplier = e.splat(builder.bitcast(builder.trunc(bits, I32), F32), lanes)
        whole = builder.sdiv(keys, I64(lanes))
        rest = builder.srem(keys, I64(lanes))
        has_rest = builder.zext(builder.icmp_signed(">", rest, I64(0)), I64)
        chunks = builder.add(whole, has_rest)
        groups = builder.sdiv(e.offset(chunks, GROUP - 1), I64(GROUP))
        inside = e.first_lanes(rest, lanes)
        nothing = splat(-np.inf, lanes)

        def scaled(start: Any, added: Any, chunk: Any) -> Any:
            skip = builder.mul(chunk, I64(4 * lanes))
            place = builder.add(start, skip)
            value = e.load(place, Vector(products.multiply.accumulator, lanes))
            value = builder.sitofp(value, floats) if integer else value
            value = builder.fmul(value, multiplier)
            return builder.fadd(value, e.load(builder.add(added, skip), floats)), place

        def scale(index: Any, _: list[Any]) -> list[Any]:
            start = builder.add(scores, builder.mul(index, stride))
            added = builder.add(mask, builder.mul(index, mask_stride))

            def full(chunk: Any, carried: list[Any]) -> list[Any]:
                value, place = scaled(start, added, chunk)
                e.store(value, place)
                return [larger(e, value, carried[0])]

            def partial(_: Any, carried: list[Any]) -> list[Any]:
                value, place = scaled(start, added, whole)
                value = builder.select(inside, value, nothing)
                e.store(value, place)
                return [larger(e, value, carried[0])]

            def beyond(chunk: Any, _: list[Any]) -> list[Any]:
                skip = builder.mul(builder.add(chunks, chunk), I64(4 * lanes))
                e.store(nothing, builder.add(start, skip))
                return []

            if integer:
                e.loop(builder.sub(builder.mul(groups, I64(GROUP)), chunks), [], beyond)
            largest = [splat(LOWEST if integer else -np.inf, lanes)]
            (largest,) = e.loop(has_rest, e.loop(whole, largest, full), partial)
            largest = across(e, largest, lambda a, b: larger(e, a, b))
            e.store(largest, builder.add(totals, builder.mul(index, I64(4))))
            return []

        def weigh(index: Any, _: list[Any]) -> list[Any]:
            start = builder.add(scores, builder.mul(index, stride))
            target = builder.add(weights, builder.mul(index, w_stride))
            total_at = builder.add(totals, builder.mul(index, I64(4)))
            shift = e.splat(e.load(total_at, F32), lanes)

            def bytes_of(group: Any, carried: list[Any]) -> list[Any]:
                address = builder.add(start, builder.mul(group, I64(4 * lanes * GROUP)))
                places = [e.offset(address, 4 * lanes * i) for i in range(GROUP)]
                parts = [
                    _weight_bits(e, builder.fsub(e.load(place, floats), shift), lanes)
                    for place in places
                ]
                octets = _lowest_bytes(e, parts, lanes)
                e.store(octets, builder.add(target, builder.mul(group, I64(lanes * GROUP))))
                pairs = builder.add(parts[0], parts[1]), builder.add(parts[2], parts[3])
                return [builder.add(carried[0], builder.add(*pairs))]

            def floats_of(chunk: Any, carried: list[Any]) -> list[Any]:
                skip = builder.mul(chunk, I64(4 * lanes))
                weight = exp(
                    e, builder.fsub(e.load(builder.add(start, skip), floats), shift), lanes
                )
                place = builder.add(target, builder.mul(chunk, I64(size * lanes)))
                e.store(e.narrow(weight, "bf16") if size == 2 else weight, place)
                return [builder.fadd(carried[0], weight)]

            zero = [products.multiply.zero(e)]
            if integer:
                (total,) = e.loop(groups, zero, bytes_of)
                # All the ROUNDs in the sum, modulo 2^32.
                count = builder.trunc(builder.mul(groups, I64(GROUP * lanes)), I32)
                rounds = builder.mul(count, I32(int(ROUND.view(np.int32))))
                total = builder.sub(across(e, total, builder.add), rounds)
            else:
                (total,) = e.loop(chunks, zero, floats_of)
                total = across(e, total, builder.fadd)
            e.store(total, total_at)
            return []

        # One after the other: a row's maximum takes long to be known, and other rows fill the time.
        e.loop(rows, [], scale)
        e.loop(rows, [], weigh)

    return generated(f"attention_softmax_{products.name}", 10, emit)


def finish_rows(products: Products) -> Any:
    """(sums, row stride, columns, rows, totals, y, row stride, v's zero, multiplier, lo, hi, zero).

    Bytes: y = rint(clamp((sums - total * zero of v) * (multiplier / total))) + zero, total at
    least 1. Floats: y = sums * (1 / total). Multiplier and bounds are bit patterns of float32.
    """
    lanes, integer = products.lanes, products.integer
    floats, integers = Vector(F32, lanes), Vector(I32, lanes)
    y_size = products.multiply.element_bytes

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
                    value = larger(e, value, lo)
                    value = builder.select(builder.fcmp_ordered("<", value, hi), value, hi)
                    rounded = builder.fadd(value, splat(ROUND, lanes))
                    bits = builder.sub(
                        builder.bitcast(rounded, integers), bit_pattern(ROUND, lanes)
                    )
                    value = builder.trunc(builder.add(bits, zero), Vector(I8, lanes))
                elif y_size == 2:
                    value = e.narrow(value, "bf16")
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


def _weight_bits(e: Emitter, x: Any, lanes: int) -> Any:
    """`runtime.reference.integer.attention.attention_weights` of s - max(s): the bits of ROUND
    plus the weight."""
    builder = e.builder
    integers, round_ = Vector(I32, lanes), splat(ROUND, lanes)
    x = larger(e, builder.fmul(x, splat(LOG2E, lanes)), splat(LEAST_EXPONENT, lanes))
    t = builder.fadd(x, round_)
    f = builder.fsub(x, builder.fsub(t, round_))
    p = splat(EXP2_255[0], lanes)
    for coefficient in EXP2_255[1:]:
        p = builder.fadd(builder.fmul(p, f), splat(coefficient, lanes))
    # The low bits of t are the exponent; those of ROUND vanish in the shift.
    exponent = builder.shl(builder.bitcast(t, integers), integers([_MANTISSA] * lanes))
    p = builder.bitcast(builder.add(builder.bitcast(p, integers), exponent), Vector(F32, lanes))
    return builder.bitcast(builder.fadd(p, round_), integers)


def _lowest_bytes(e: Emitter, parts: list[Any], lanes: int) -> Any:
    """The lowest byte of every 32-bit lane of four registers, in order."""
    octets = [e.builder.bitcast(part, Vector(I8, 4 * lanes)) for part in parts]
    low, high = (e.shuffle(octets[i], octets[i + 1], range(0, 8 * lanes, 4)) for i in (0, 2))
    return e.shuffle(low, high, range(4 * lanes))

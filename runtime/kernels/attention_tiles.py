"""The matrix products of attention: both operands known at run time, both small enough for a cache.

    C[i, n] = bias[n] + sum over k of  A[i, k] * B[k, n]         32-bit sums or float32, as they are

B is packed by the kernel itself, in panels of one register (L lanes, T taps: 4 of u8, 2 of
bfloat16, 1 of float32), zero-padded in K:

    [N / L][K / T][L][T]        the order inside [L][T] is that of `Multiply.pack`

`pack_columns` makes it of B transposed (the keys: a row holds a column of B), by transposing L x L
blocks of 32-bit words; `pack_rows` of B itself (the values). Unsigned bytes become signed by
flipping their highest bit, which subtracts 128.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.kernels.abi import Kernel
from runtime.kernels.isa import PORTABLE, Isa
from runtime.kernels.multiply import ElementKind, Multiply, multiply_for
from runtime.kernels.vector_ir import (
    F32,
    I8,
    I16,
    I32,
    I64,
    Emitter,
    GeneratedFunction,
    Vector,
    generated,
)

_STEP = 4  # bytes of each row per step
_UNROLL = 4


@dataclass(frozen=True)
class PlainMultiply(Multiply):
    """What any CPU can do, in vectors of four lanes."""

    kind: ElementKind
    isa = PORTABLE

    @property
    def accumulator(self) -> Any:
        return F32 if self.kind == "f32" else I32

    @property
    def lanes(self) -> int:
        return 4

    def weights(self, e: Emitter, address: Any) -> Any:
        if self.kind == "f32":
            return e.load(address, Vector(F32, self.lanes))
        return e.builder.sext(e.load(address, Vector(I8, 16)), Vector(I32, 16))

    def activation(self, e: Emitter, address: Any) -> Any:
        if self.kind == "f32":
            return e.splat(e.load(address, F32), self.lanes)
        return self.from_bytes(e, e.splat(e.load(address, I32), self.lanes))

    def from_bytes(self, e: Emitter, value: Any) -> Any:
        return e.builder.zext(e.builder.bitcast(value, Vector(I8, 16)), Vector(I32, 16))

    def accumulate(self, e: Emitter, acc: Any, activation: Any, weights: Any) -> Any:
        if self.kind == "f32":
            return e.builder.fadd(acc, e.builder.fmul(activation, weights))
        products = e.builder.mul(activation, weights)
        for tap in range(4):
            acc = e.builder.add(acc, e.shuffle(products, products, range(tap, 16, 4)))
        return acc


def attention_multiply(isa: Isa, kind: ElementKind) -> Multiply:
    """How an instruction set multiplies; with plain vector code where it has nothing better."""
    return multiply_for(isa, kind) or PlainMultiply(kind)


@dataclass(frozen=True)
class Products:
    """The functions of one instruction set and element type; numba kernels call each with one
    tuple of int64. All strides are in bytes."""

    multiply: Multiply

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """What tells it from the others; part of the names of generated functions."""
        return f"{self.multiply.isa}_{self.multiply.kind}"

    @property
    def lanes(self) -> int:
        return self.multiply.lanes

    @property
    def taps(self) -> int:
        """Elements of K in a step."""
        return 4 // self.multiply.element_bytes

    @property
    def integer(self) -> bool:
        """Whether it multiplies bytes, and sums int32."""
        return self.multiply.kind == "u8"

    @property
    def rows(self) -> int:
        """Rows of a tile: with two registers of columns, 16 (or 8) independent sums hide the
        latency of a multiplication."""
        return 8 if self.multiply.isa.vector_bytes == 64 else 4

    @property
    def vectors(self) -> int:
        """Registers of columns of a tile."""
        return 2

    @property
    def steps_together(self) -> int:
        """Steps that one step of a tile multiplies."""
        return 1

    def query_row(self, depth: int) -> int:
        """Bytes of a row of `depth` copied queries; 0 where tiles read them where they lie."""
        return 0

    def gather(self) -> Any:
        """(source, row stride, last row, bytes, target, row stride): copies the rows of a tile,
        each padded with zeros; those beyond the last are the last."""
        return generated(f"attention_gather_{self.name}", 6, _nothing)

    def begin(self) -> Any:
        """(address of a tile configuration,): before the first product of a call."""
        return generated(f"attention_begin_{self.name}", 1, _nothing)

    def end(self) -> Any:
        """(0,): after the last product of a call."""
        return generated(f"attention_end_{self.name}", 1, _nothing)

    def _register_of_bytes(self, e: Emitter, value: Any) -> Any:
        """A register of [L][4] bytes in the order of `Multiply.pack`."""
        if not self.integer:
            return value
        places = np.arange(4 * self.lanes, dtype=np.int16).reshape(1, self.lanes, 4)
        order = self.multiply.pack(places).reshape(-1).tolist()
        octets = e.builder.bitcast(value, Vector(I8, 4 * self.lanes))
        if order == list(range(4 * self.lanes)):
            return octets
        return e.shuffle(octets, octets, order)

    def pack_columns(self) -> Any:
        """(source, row stride, last row, panels, blocks, packed, flip, last word, tail): packs B
        given transposed.

        `blocks` of L words of each row; rows beyond the last are the last. `flip` is xored to every
        word, and word number `last word` of a row (its bytes beyond K) is masked with `tail`.
        """
        lanes = self.lanes
        words = Vector(I32, lanes)

        def emit(e: Emitter, arguments: list[Any]) -> None:
            source, stride, last, panels, blocks, packed, flip, last_word, tail = arguments
            builder = e.builder
            flips = e.splat(builder.trunc(flip, I32), lanes)
            masked, whole = builder.trunc(tail, I32), I32(-1)

            def panel(index: Any, carried: list[Any]) -> list[Any]:
                (target,) = carried
                first = builder.mul(index, I64(lanes))
                rows = [
                    builder.add(source, builder.mul(least(e, e.offset(first, i), last), stride))
                    for i in range(lanes)
                ]

                def block(number: Any, carried: list[Any]) -> list[Any]:
                    (target,) = carried
                    skip = builder.mul(number, I64(4 * lanes))
                    columns = _transposed(e, [e.load(builder.add(r, skip), words) for r in rows])
                    word = builder.mul(number, I64(lanes))
                    for i, column in enumerate(columns):
                        is_last = builder.icmp_signed("==", e.offset(word, i), last_word)
                        mask = e.splat(builder.select(is_last, masked, whole), lanes)
                        column = builder.and_(builder.xor(column, flips), mask)
                        place = e.offset(target, 4 * lanes * i)
                        e.store(self._register_of_bytes(e, column), place)
                    return [e.offset(target, 4 * lanes * lanes)]

                return e.loop(blocks, [target], block)

            e.loop(panels, [packed], panel)

        return generated(f"attention_pack_columns_{self.name}", 9, emit)

    def pack_rows(self) -> Any:
        """(source, row stride, last row, steps, panels, packed, flip): packs B given as it is.

        Rows beyond the last are the last.
        """
        lanes, taps = self.lanes, self.taps

        def emit(e: Emitter, arguments: list[Any]) -> None:
            source, stride, last, steps, panels, packed, flip = arguments
            builder = e.builder
            flips = e.splat(builder.trunc(flip, I32), lanes)
            panel_bytes = builder.mul(steps, I64(4 * lanes))

            def step(index: Any, carried: list[Any]) -> list[Any]:
                (target,) = carried
                first = builder.mul(index, I64(taps))
                rows = [
                    builder.add(source, builder.mul(least(e, e.offset(first, i), last), stride))
                    for i in range(taps)
                ]

                def panel(number: Any, carried: list[Any]) -> list[Any]:
                    (place,) = carried
                    skip = builder.mul(number, I64(4 // taps * lanes))
                    if taps == 1:
                        value = e.load(builder.add(rows[0], skip), Vector(F32, lanes))
                    elif taps == 2:
                        halves = [
                            e.load(builder.add(row, skip), Vector(I16, lanes)) for row in rows
                        ]
                        value = builder.bitcast(
                            _zip(e, halves[0], halves[1], 0, lanes), Vector(I32, lanes)
                        )
                    else:
                        octets = [e.load(builder.add(row, skip), Vector(I8, lanes)) for row in rows]
                        value = builder.xor(_interleaved(e, octets), flips)
                    e.store(self._register_of_bytes(e, value), place)
                    return [builder.add(place, panel_bytes)]

                e.loop(panels, [target], panel)
                return [e.offset(target, 4 * lanes)]

            e.loop(steps, [packed], step)

        return generated(f"attention_pack_rows_{self.name}", 7, emit)

    def column_sums(self) -> Any:
        """(packed, panels, steps, panel stride, bias, factor): bias[n] = factor * sum over k of
        B[k, n]; zero for floats, which have no zero points."""
        lanes = self.lanes

        def emit(e: Emitter, arguments: list[Any]) -> None:
            packed, panels, steps, stride, bias, factor = arguments
            builder = e.builder

            def clear(index: Any, _: list[Any]) -> list[Any]:
                place = builder.add(bias, builder.mul(index, I64(4 * lanes)))
                e.store(self.multiply.zero(e), place)
                return []

            if not self.integer:
                e.loop(panels, [], clear)
                return
            ones = self.multiply.from_bytes(e, e.splat(I32(0x01010101), lanes))
            factors = e.splat(builder.trunc(factor, I32), lanes)

            def panel(index: Any, _: list[Any]) -> list[Any]:
                start = builder.add(packed, builder.mul(index, stride))

                def step(number: Any, carried: list[Any]) -> list[Any]:
                    address = builder.add(start, builder.mul(number, I64(4 * lanes)))
                    weights = self.multiply.weights(e, address)
                    return [self.multiply.accumulate(e, carried[0], ones, weights)]

                (total,) = e.loop(steps, [self.multiply.zero(e)], step)
                place = builder.add(bias, builder.mul(index, I64(4 * lanes)))
                e.store(builder.mul(total, factors), place)
                return []

            e.loop(panels, [], panel)

        return generated(f"attention_column_sums_{self.name}", 6, emit)

    def tile(self) -> Kernel:
        """(A, row stride, last row, B, panel stride, steps, bias, C, row stride of C): one tile.

        A kernel of its own, which is called by its address: half of a kernel's first use.

        Rows beyond the last are computed from the last; C has room for them.
        """
        multiply, lanes, vectors = self.multiply, self.lanes, self.vectors
        register = 4 * lanes

        def emit(e: Emitter, arguments: list[Any]) -> None:
            a, stride, last, b, panel_stride, steps, bias, c, c_stride = arguments
            builder = e.builder
            starts = [a]
            for row in range(1, self.rows):
                inside = builder.icmp_signed("<=", I64(row), last)
                starts.append(builder.add(starts[-1], builder.select(inside, stride, I64(0))))
            panels = [b]
            for _ in range(1, vectors):
                panels.append(builder.add(panels[-1], panel_stride))

            def advance(state: list[Any], count: int) -> list[Any]:
                position, skip, *sums = state
                for number in range(count):
                    weights = [
                        multiply.weights(e, e.offset(builder.add(p, skip), number * register))
                        for p in panels
                    ]
                    for row, start in enumerate(starts):
                        address = e.offset(builder.add(start, position), number * _STEP)
                        activation = multiply.activation(e, address)
                        for vector in range(vectors):
                            i = row * vectors + vector
                            sums[i] = multiply.accumulate(e, sums[i], activation, weights[vector])
                return [e.offset(position, count * _STEP), e.offset(skip, count * register), *sums]

            kind = Vector(multiply.accumulator, lanes)
            first = [e.load(e.offset(bias, register * v), kind) for v in range(vectors)]
            state = [I64(0), I64(0), *first * self.rows]
            quads = builder.sdiv(steps, I64(_UNROLL))
            rest = builder.srem(steps, I64(_UNROLL))
            state = e.loop(quads, state, lambda _, now: advance(now, _UNROLL))
            state = e.loop(rest, state, lambda _, now: advance(now, 1))
            row_start = c
            for row in range(self.rows):
                for vector in range(vectors):
                    value = state[2 + row * vectors + vector]
                    e.store(value, e.offset(row_start, register * vector))
                row_start = builder.add(row_start, c_stride)

        return Kernel.of(GeneratedFunction(__name__, f"attention_tile_{self.name}", 9, emit))


def _nothing(e: Emitter, arguments: list[Any]) -> None:
    pass


def least(e: Emitter, a: Any, b: Any) -> Any:
    """The lesser of two int64 values."""
    return e.builder.select(e.builder.icmp_signed("<", a, b), a, b)


def _zip(e: Emitter, a: Any, b: Any, first: int, count: int) -> Any:
    """a[first], b[first], a[first + 1], ...: `count` elements of each."""
    lanes = a.type.count
    return e.shuffle(a, b, [i for j in range(first, first + count) for i in (j, lanes + j)])


def _transposed(e: Emitter, rows: list[Any]) -> list[Any]:
    """The transpose of a square block: log2(L) rounds of perfect shuffles."""
    lanes = len(rows)
    half = lanes // 2
    for _ in range(lanes.bit_length() - 1):
        rows = [
            _zip(e, rows[i], rows[i + half], part * half, half)
            for i in range(half)
            for part in (0, 1)
        ]
    return rows


def _interleaved(e: Emitter, taps: list[Any]) -> Any:
    """Four vectors of L bytes -> L 32-bit words that hold a byte of each."""
    lanes = taps[0].type.count
    octets = [_zip(e, taps[i], taps[i + 1], 0, lanes) for i in (0, 2)]
    pairs = [e.builder.bitcast(value, Vector(I16, lanes)) for value in octets]
    return e.builder.bitcast(_zip(e, pairs[0], pairs[1], 0, lanes), Vector(I32, lanes))

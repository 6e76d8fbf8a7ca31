"""Four registers of bytes against four registers of 32-bit lanes, with the cheapest shuffles there
are.

x86's unpack and pack instructions work inside 128-bit lanes.  Unpacking four registers of bytes
twice (to words, to 32 bits) puts one byte of each into every 32-bit lane, and packing twice is the
exact inverse:

    tap 0:  a0 a1 a2 a3 ...                       a0 b0 c0 d0 | a1 b1 c1 d1 | ...   <- a lane per
    tap 1:  b0 b1 b2 b3 ...      8 unpacks                                             channel
    tap 2:  c0 c1 c2 c3 ...     ----------->      register j holds, in its 128-bit lane q,
    tap 3:  d0 d1 d2 d3 ...                       the channels 16 q + 4 j ... 16 q + 4 j + 3

    a byte per channel, in order      <-----------      32-bit sums, a lane per channel
                                        3 packs

`order` is that order of channels.  Weights and epilogue parameters are stored in it, so that
nothing else has to be shuffled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.kernels.vector_ir import I8, I16, I32, Emitter, Vector

REGISTERS = 4


def order(lanes: int) -> np.ndarray:
    """The channel of each 32-bit lane: [register * lanes + lane]."""
    register, lane = np.divmod(np.arange(REGISTERS * lanes), lanes)
    return 16 * (lane // 4) + 4 * register + lane % 4


def interleave(e: Emitter, taps: list[Any], lanes: int) -> list[Any]:
    """Four registers of bytes -> four of 32-bit lanes that hold the four bytes of a channel."""
    words = Vector(I16, 2 * lanes)
    result = []
    for high in (0, 1):
        pick = _unpack(4 * lanes, 1, high)
        first, second = (
            e.builder.bitcast(e.shuffle(taps[i], taps[i + 1], pick), words) for i in (0, 2)
        )
        for higher in (0, 1):
            quads = e.shuffle(first, second, _unpack(2 * lanes, 2, higher))
            result.append(e.builder.bitcast(quads, Vector(I32, lanes)))
    return result


def apart(e: Emitter, octets: Any, lanes: int) -> list[Any]:
    """`interleave` with three registers of zeros: each byte in a 32-bit lane of its own."""
    result = []
    for register in range(REGISTERS):
        pick = [
            16 * lane + 4 * register + i if byte == 0 else 4 * lanes
            for lane in range(lanes // 4)
            for i in range(4)
            for byte in range(4)
        ]
        zero = octets.type([0] * 4 * lanes)
        result.append(e.builder.bitcast(e.shuffle(octets, zero, pick), Vector(I32, lanes)))
    return result


def _unpack(elements: int, size: int, high: int) -> list[int]:
    """The shuffle of punpckl (`high` 0) or punpckh (1) for registers of `elements` of `size` bytes:
    in each 128-bit lane, elements of one half of both registers alternate."""
    half = 8 // size
    firsts = [
        16 // size * lane + high * half + i
        for lane in range(elements * size // 16)
        for i in range(half)
    ]
    return [index for first in firsts for index in (first, elements + first)]


def pack(e: Emitter, sums: list[Any], add: Any, lanes: int) -> Any:
    """Four registers of 32-bit lanes -> one of bytes in channel order, `sums + add` saturated to 0
    ... 255.

    Every step saturates; `add` is a register of 16-bit lanes, from 0 to 255.
    """
    words, octets = Vector(I16, 2 * lanes), Vector(I8, 4 * lanes)
    names = {
        16: ("llvm.x86.avx512.packssdw.512", "llvm.x86.avx512.packuswb.512"),
        8: ("llvm.x86.avx2.packssdw", "llvm.x86.avx2.packuswb"),
    }
    to_words, to_bytes = names[lanes]
    plus = f"llvm.sadd.sat.v{2 * lanes}i16"
    halves = [
        e.call(plus, words, e.call(to_words, words, sums[i], sums[i + 1]), add) for i in (0, 2)
    ]
    return e.call(to_bytes, octets, *halves)


def in_channel_order(e: Emitter, sums: list[Any], lanes: int) -> list[Any]:
    """Four registers of 32-bit lanes, their channels put in order."""
    low, high = (e.shuffle(sums[i], sums[i + 1], range(2 * lanes)) for i in (0, 2))
    place = np.argsort(order(lanes))
    return [
        e.shuffle(low, high, place[i * lanes : (i + 1) * lanes].tolist()) for i in range(REGISTERS)
    ]


def _quads(lanes: int) -> np.ndarray:
    """Where `pack` leaves 4 adjacent channels of registers in channel order: [register * quads]."""
    quads = lanes // 4
    register, quad = np.divmod(np.arange(REGISTERS * quads), quads)
    return REGISTERS * quad + register


def gathered(e: Emitter, octets: Any, lanes: int) -> Any:
    """What `pack` makes of registers whose channels are in order, put in order."""
    words = e.builder.bitcast(octets, Vector(I32, lanes))
    return e.builder.bitcast(e.shuffle(words, words, _quads(lanes).tolist()), octets.type)


def spread(e: Emitter, octets: Any, lanes: int) -> Any:
    """The inverse of `gathered`: what `interleave` takes apart into registers in order."""
    words = e.builder.bitcast(octets, Vector(I32, lanes))
    place = np.argsort(_quads(lanes))
    return e.builder.bitcast(e.shuffle(words, words, place.tolist()), octets.type)

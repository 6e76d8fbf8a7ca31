"""How weights in blocks of few bits lie, and how they become floats in registers.

A panel is NR registers of L lanes, one column a lane. Its blocks follow one another:

    scales [NR][L] f32 | zero points - middle [NR][L] i8, if there are any | weights
    weights of 8 bits   [k][NR][L] i8           q - 128
    weights of 4 bits   [k / 8][NR][L] i32      q - 8 in two's complement, k's in ascending nibbles

With AVX-512 a nibble becomes a float by one look-up (vpermps reads the lower four bits of a lane);
elsewhere it is shifted to the top of its lane and back, which extends its sign, and converted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.kernels.isa import Isa
from runtime.kernels.vector_ir import F32, I8, I32, I64, Emitter, Vector

NIBBLES = 8
"""Weights of 4 bits in a lane."""
_UNROLL = 4


@dataclass(frozen=True)
class BlockFormat:
    """How the blocks of a panel are stored."""

    isa: Isa
    bits: int
    zero_points: bool
    vectors: int

    def __str__(self) -> str:
        zeros = "-zeros" if self.zero_points else ""
        return f"{self.isa}-{self.bits}-bits{zeros}-{self.vectors}"

    @property
    def lanes(self) -> int:
        return self.isa.vector_bytes // 4

    @property
    def columns(self) -> int:
        """Columns of a panel."""
        return self.vectors * self.lanes

    @property
    def head_bytes(self) -> int:
        """Scales and zero points of a block."""
        return self.columns * (5 if self.zero_points else 4)

    @property
    def step(self) -> int:
        """Weights of a column that are read together."""
        return 1 if self.bits == 8 else NIBBLES

    @property
    def register_bytes(self) -> int:
        """What one register of a step takes."""
        return self.lanes if self.bits == 8 else 4 * self.lanes

    def block_bytes(self, size: int) -> int:
        """Bytes of a block of `size` weights a column."""
        return self.head_bytes + -(-size // self.step) * self.vectors * self.register_bytes

    # --- code -------------------------------------------------------------------------------

    def scales(self, e: Emitter, block: Any) -> list[Any]:
        return [
            e.load(e.offset(block, 4 * self.lanes * v), Vector(F32, self.lanes))
            for v in range(self.vectors)
        ]

    def zeros(self, e: Emitter, block: Any) -> list[Any]:
        """The zero points as floats, less the middle."""
        start = e.offset(block, 4 * self.columns)
        return [self._floats(e, e.offset(start, self.lanes * v)) for v in range(self.vectors)]

    def _floats(self, e: Emitter, address: Any) -> Any:
        octets = e.load(address, Vector(I8, self.lanes))
        words = e.builder.sext(octets, Vector(I32, self.lanes))
        return e.builder.sitofp(words, Vector(F32, self.lanes))

    def step_loader(self, e: Emitter, address: Any) -> Callable[[int, Any], Any]:
        """(register, index within the step) -> one weight of each of its columns, as floats.

        The index is a number, or an int64 value.
        """
        if self.bits == 8:
            return lambda v, _: self._floats(e, e.offset(address, self.lanes * v))
        words = [
            e.load(e.offset(address, 4 * self.lanes * v), Vector(I32, self.lanes))
            for v in range(self.vectors)
        ]
        return lambda v, t: self._nibble(e, words[v], t)

    def _nibble(self, e: Emitter, words: Any, t: Any) -> Any:
        builder, floats = e.builder, Vector(F32, self.lanes)
        bits = I32(4 * t) if isinstance(t, int) else builder.trunc(builder.mul(t, I64(4)), I32)
        if self.lanes == 16:
            index = builder.lshr(words, e.splat(bits, self.lanes))
            table = floats([float(i if i < 8 else i - 16) for i in range(16)])
            return e.call("llvm.x86.avx512.permvar.sf.512", floats, table, index)
        top = e.splat(builder.sub(I32(28), bits), self.lanes)
        signed = builder.ashr(builder.shl(words, top), e.splat(I32(28), self.lanes))
        return builder.sitofp(signed, floats)

    def for_each_weight(
        self,
        e: Emitter,
        data: Any,
        count: Any,
        state: Sequence[Any],
        body: Callable[[Callable[[int], Any], list[Any]], list[Any]],
    ) -> list[Any]:
        """`state = body(weights, state)` for each of `count` k's of a block whose weights lie at
        `data`; `weights(v)` are the floats of register v."""
        builder = e.builder
        unroll = _UNROLL if self.bits == 8 else 1
        size = self.vectors * self.register_bytes
        together = self.step * unroll

        def steps(_: Any, carried: list[Any]) -> list[Any]:
            place, *now = carried
            for part in range(unroll):
                load = self.step_loader(e, e.offset(place, part * size))
                for t in range(self.step):
                    now = body(lambda v, load=load, t=t: load(v, t), now)
            return [e.offset(place, unroll * size), *now]

        whole = builder.sdiv(count, I64(together))
        rest = builder.srem(count, I64(together))
        place, *now = e.loop(whole, [data, *state], steps)

        def single(index: Any, carried: list[Any]) -> list[Any]:
            if self.bits == 8:
                load = self.step_loader(e, builder.add(place, builder.mul(index, I64(size))))
            else:
                load = self.step_loader(e, place)
            return body(lambda v: load(v, index), carried)

        return e.loop(rest, now, single)

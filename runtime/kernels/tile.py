"""The register tile: an MR x NR-vector block of a matrix product, generated as LLVM IR.

    C[i, n] = epilogue(sum over s, k of  A[rows[i] + segments[s] + k] * W[s, k, n])

`rows` and `segments` are tables of byte offsets, and so is the output's.  With them one kernel is a
matrix product (one segment of K bytes), a 1x1 convolution (the same, rows are pixels), and a K x K
convolution of any stride, dilation, group and padding.  A segment is one contiguous run of the
kernel window: the (kw, c) taps of a kernel row where these are contiguous, else the channels of
one tap.

    one step                      w0        w1       ...     w(NR-1)       <- one register each
                          a0 --> | acc 0,0 | acc 0,1 |   ...  | acc 0,NR-1 |
    4 bytes (or one       a1 --> | acc 1,0 | acc 1,1 |   ...  | acc 1,NR-1 |
    float) of each row,   ..     |         |         |        |            |
    in all lanes        a(MR-1) -> acc ... |         |        |            |

The accumulators stay in registers over all segments.  Weights are packed so that the tile reads
them straight through; L is the number of 32-bit lanes of a register:

    u8 x s8     [N / (NR L)][segment][K / 4][NR][L][4]    a lane sums 4 products per step; K is
                                                          padded with 0: up to 3 activations past
                                                          it are read and ignored
    f32 x f32   [N / (NR L)][segment][K][NR][L]           exact K: what lies past may be a NaN

The instruction sets differ in one step only (`Multiply`):

    avx512_vnni   u8 x s8   vpdpbusd zmm: 64 products
    avx2          u8 x s8   vpmaddwd ymm on bytes widened to 16 bits: the even and odd bytes of the
                            activations by `and` and shift, so weights lie as [L][taps 0, 2], then
                            [L][taps 1, 3].  (vpmaddubsw would be faster, but its 16-bit sums
                            saturate.)
    both          f32       vfmadd zmm / ymm

Tiles of four registers that store bytes have their columns in `interleave.order`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from runtime.kernels.epilogue import EpilogueCode, VectorEpilogue
from runtime.kernels.isa import AVX2, AVX512_BF16, AVX512_VNNI, AVX512BW, AVX_VNNI, Isa
from runtime.kernels.vector_ir import BF16, F32, I8, I16, I32, I64, Emitter, Vector, generated

ElementKind = Literal["u8", "f32", "bf16", "f16"]
"""The element type of activations; weights are int8 for "u8", else the same."""

_STEP = 4  # bytes of each row per step: four u8 or one float32
_UNROLL = 4  # steps per iteration: loop control vanishes behind the multiplications


class Multiply(ABC):
    """One step of one instruction set: how registers are loaded, multiplied and summed."""

    kind: ElementKind
    accumulator: Any  # LLVM element type
    isa: Isa

    @property
    def lanes(self) -> int:
        return self.isa.vector_bytes // 4

    def zero(self, e: Emitter) -> Any:
        return Vector(self.accumulator, self.lanes)([0] * self.lanes)

    @abstractmethod
    def weights(self, e: Emitter, address: Any) -> Any:
        """One register's worth of packed weights."""

    @abstractmethod
    def activation(self, e: Emitter, address: Any) -> Any:
        """One step of one row, in all lanes."""

    def partial_activation(self, e: Emitter, address: Any) -> Any:
        """The last step of a row, if only its first element exists; pairs of 16 bits only."""
        raise TypeError(f"{type(self).__name__} has no partial steps")

    def from_bytes(self, e: Emitter, value: Any) -> Any:
        """A register of u8, four per lane, as an activation operand; integers only."""
        raise TypeError(f"{type(self).__name__} multiplies no bytes")

    @abstractmethod
    def accumulate(self, e: Emitter, acc: Any, activation: Any, weights: Any) -> Any:
        """`acc` plus the products of one step."""

    def pack(self, groups: np.ndarray) -> np.ndarray:
        """Orders weights [..., lanes, taps] of one step as `weights` loads them: flat."""
        return groups.reshape(*groups.shape[:-2], -1)


@dataclass(frozen=True)
class VnniMultiply(Multiply):
    """vpdpbusd: each lane adds four u8 x s8 products, exactly."""

    isa: Isa
    kind = "u8"
    accumulator = I32

    def weights(self, e: Emitter, address: Any) -> Any:
        return e.load(address, Vector(I8, 4 * self.lanes))

    def activation(self, e: Emitter, address: Any) -> Any:
        return self.from_bytes(e, e.splat(e.load(address, I32), self.lanes))

    def from_bytes(self, e: Emitter, value: Any) -> Any:
        return e.builder.bitcast(value, Vector(I8, 4 * self.lanes))

    def accumulate(self, e: Emitter, acc: Any, activation: Any, weights: Any) -> Any:
        name = f"llvm.x86.avx512.vpdpbusd.{8 * self.isa.vector_bytes}"
        return e.call(name, acc.type, acc, activation, weights)


@dataclass(frozen=True)
class WideningMultiply(Multiply):
    """vpmaddwd on 16-bit data: each lane adds two products, twice per step, exactly."""

    isa: Isa
    kind = "u8"
    accumulator = I32

    def weights(self, e: Emitter, address: Any) -> Any:
        half = Vector(I8, 2 * self.lanes)
        words = Vector(I16, 2 * self.lanes)
        return [
            e.builder.sext(e.load(e.offset(address, part * 2 * self.lanes), half), words)
            for part in (0, 1)
        ]

    def activation(self, e: Emitter, address: Any) -> Any:
        return self.from_bytes(e, e.splat(e.load(address, I32), self.lanes))

    def from_bytes(self, e: Emitter, value: Any) -> Any:
        words = e.builder.bitcast(value, Vector(I16, 2 * self.lanes))
        eight = e.constant(I16, [8] * 2 * self.lanes)
        odd = e.builder.lshr(words, eight)
        even = e.builder.and_(words, e.constant(I16, [0xFF] * 2 * self.lanes))
        return [even, odd]

    def accumulate(self, e: Emitter, acc: Any, activation: Any, weights: Any) -> Any:
        wide = self.isa.vector_bytes == 64
        name = "llvm.x86.avx512.pmaddw.d.512" if wide else "llvm.x86.avx2.pmadd.wd"
        for a, w in zip(activation, weights, strict=True):
            acc = e.builder.add(acc, e.call(name, acc.type, a, w))
        return acc

    def pack(self, groups: np.ndarray) -> np.ndarray:
        even_odd = np.stack([groups[..., 0::2], groups[..., 1::2]], axis=-3)
        return even_odd.reshape(*groups.shape[:-2], -1)


@dataclass(frozen=True)
class FmaMultiply(Multiply):
    """A fused multiply-add per lane."""

    isa: Isa
    kind = "f32"
    accumulator = F32

    def weights(self, e: Emitter, address: Any) -> Any:
        return e.load(address, Vector(F32, self.lanes))

    def activation(self, e: Emitter, address: Any) -> Any:
        return e.splat(e.load(address, F32), self.lanes)

    def accumulate(self, e: Emitter, acc: Any, activation: Any, weights: Any) -> Any:
        return e.call(f"llvm.fma.v{self.lanes}f32", acc.type, activation, weights, acc)


class HalfMultiply(Multiply):
    """Pairs of 16-bit floats, summed in float32.

    What follows a row may be a NaN, which a weight of 0 does not silence: the second element of the
    last pair is replaced by 0 if K is odd.
    """

    accumulator = F32

    def activation(self, e: Emitter, address: Any) -> Any:
        return self._pair(e, e.load(address, I32))

    def partial_activation(self, e: Emitter, address: Any) -> Any:
        return self._pair(e, e.builder.zext(e.load(address, I16), I32))

    @abstractmethod
    def _pair(self, e: Emitter, bits: Any) -> Any:
        """The operand that holds two elements, given as 32 bits, in all lanes."""


class Bf16Multiply(HalfMultiply):
    """vdpbf16ps: each lane adds two bf16 products (denormals count as 0)."""

    kind, isa = "bf16", AVX512_BF16

    def weights(self, e: Emitter, address: Any) -> Any:
        return self._operand(e, e.load(address, Vector(I32, self.lanes)))

    def _pair(self, e: Emitter, bits: Any) -> Any:
        return self._operand(e, e.splat(bits, self.lanes))

    def _operand(self, e: Emitter, words: Any) -> Any:
        return e.builder.bitcast(words, Vector(BF16, 2 * self.lanes))

    def accumulate(self, e: Emitter, acc: Any, activation: Any, weights: Any) -> Any:
        return e.call("llvm.x86.avx512bf16.dpbf16ps.512", acc.type, acc, activation, weights)


@dataclass(frozen=True)
class WidenedBf16Multiply(HalfMultiply):
    """bf16 is the upper half of a float32: two fused multiply-adds on shifted and masked words."""

    isa: Isa
    kind = "bf16"

    def weights(self, e: Emitter, address: Any) -> Any:
        return self._floats(e, e.load(address, Vector(I32, self.lanes)))

    def _pair(self, e: Emitter, bits: Any) -> Any:
        return self._floats(e, e.splat(bits, self.lanes))

    def _floats(self, e: Emitter, words: Any) -> Any:
        first = e.builder.shl(words, e.constant(I32, [16] * self.lanes))
        second = e.builder.and_(words, e.constant(I32, [0xFFFF0000] * self.lanes))
        return [e.builder.bitcast(part, Vector(F32, self.lanes)) for part in (first, second)]

    def accumulate(self, e: Emitter, acc: Any, activation: Any, weights: Any) -> Any:
        for a, w in zip(activation, weights, strict=True):
            acc = e.call(f"llvm.fma.v{self.lanes}f32", acc.type, a, w, acc)
        return acc


@dataclass(frozen=True)
class WidenedF16Multiply(HalfMultiply):
    """vcvtph2ps, then two fused multiply-adds; weights lie as [tap][L]."""

    isa: Isa
    kind = "f16"

    def weights(self, e: Emitter, address: Any) -> Any:
        halves = Vector(I16, self.lanes)
        return [
            e.widen(e.load(e.offset(address, 2 * self.lanes * tap), halves), "f16")
            for tap in (0, 1)
        ]

    def _pair(self, e: Emitter, bits: Any) -> Any:
        pairs = e.builder.bitcast(e.splat(bits, self.lanes // 2), Vector(I16, self.lanes))
        floats = e.widen(pairs, "f16")
        index = np.arange(self.lanes) // 2 * 2
        return [e.shuffle(floats, floats, (index + tap).tolist()) for tap in (0, 1)]

    def accumulate(self, e: Emitter, acc: Any, activation: Any, weights: Any) -> Any:
        for a, w in zip(activation, weights, strict=True):
            acc = e.call(f"llvm.fma.v{self.lanes}f32", acc.type, a, w, acc)
        return acc

    def pack(self, groups: np.ndarray) -> np.ndarray:
        return groups.swapaxes(-1, -2).reshape(*groups.shape[:-2], -1)


MULTIPLIES: dict[tuple[Isa, ElementKind], Multiply] = {
    (AVX512_VNNI, "u8"): VnniMultiply(AVX512_VNNI),
    (AVX512BW, "u8"): WideningMultiply(AVX512BW),
    (AVX_VNNI, "u8"): VnniMultiply(AVX_VNNI),
    (AVX2, "u8"): WideningMultiply(AVX2),
    (AVX512_BF16, "bf16"): Bf16Multiply(),
    (AVX512BW, "bf16"): WidenedBf16Multiply(AVX512BW),
    (AVX2, "bf16"): WidenedBf16Multiply(AVX2),
    (AVX512BW, "f16"): WidenedF16Multiply(AVX512BW),
    (AVX2, "f16"): WidenedF16Multiply(AVX2),
    (AVX512BW, "f32"): FmaMultiply(AVX512BW),
    (AVX2, "f32"): FmaMultiply(AVX2),
}


def multiply_for(isa: Isa, kind: ElementKind) -> Multiply | None:
    """The best multiplication of an instruction set, its own or of one it extends; None if plain
    loops serve."""
    return next(
        (MULTIPLIES[each, kind] for each in isa.lineage if (each, kind) in MULTIPLIES), None
    )


TILE_ROWS: dict[tuple[Isa, ElementKind], tuple[int, ...]] = {
    # The most rows for NR = 1, 2, ... vectors.  Accumulators, weights and one activation fit the
    # registers (32 zmm, 16 ymm), and there are enough accumulators to hide the latency of a
    # multiplication.
    (AVX512_VNNI, "u8"): (12, 12, 8, 6),
    (AVX512BW, "u8"): (12, 8, 6, 4),
    (AVX_VNNI, "u8"): (10, 6),
    (AVX2, "u8"): (8, 4),
    (AVX512_BF16, "bf16"): (12, 12, 8, 6),
    (AVX512BW, "bf16"): (12, 8, 6, 4),
    (AVX2, "bf16"): (8, 4),
    (AVX512BW, "f16"): (12, 8, 6, 4),
    (AVX2, "f16"): (8, 4),
    (AVX512BW, "f32"): (12, 12, 8, 6),
    (AVX2, "f32"): (10, 6),
}


@dataclass(frozen=True)
class Tile:
    """A register tile of `rows` x (`vectors` * lanes) outputs; masked: store some columns only."""

    multiply: Multiply
    rows: int
    vectors: int
    masked: bool
    epilogue: EpilogueCode

    def __str__(self) -> str:
        m = self.multiply
        masked = "-masked" if self.masked else ""
        return f"{m.isa}-{m.kind}-{self.rows}x{self.vectors}{masked}-{self.epilogue}"

    @property
    def interleaved(self) -> bool:
        """Whether the columns of weights and epilogue lie in `interleave.order`."""
        return self.epilogue.interleaved(self.vectors)

    @property
    def columns(self) -> int:
        return self.vectors * self.multiply.lanes

    def function(self) -> Any:
        """The tile as a function that numba kernels call with one tuple of int64:

        (A, W, K, rows, segments, segment_offsets, block, C, outputs, R, residuals, valid):
        addresses of activations, packed weights, tables of byte offsets (rows, outputs, residuals:
        one per tile row) and of the epilogue's block; `K` elements per segment; `valid` columns of
        the panel (masked tiles only).
        """
        name = "tile_" + "".join(c if c.isalnum() else "_" for c in str(self))
        return generated(name, 12, self._emit)

    def _emit(self, e: Emitter, arguments: list[Any]) -> None:
        a, w, k, rows, segments, segment_offsets, block, c, outputs, r, residuals, valid = arguments
        epilogue = VectorEpilogue(e, self.epilogue, block, self.columns, self.multiply.lanes)
        bias = [epilogue.bias(vector) for vector in range(self.vectors)]
        row_offsets = self._table(e, rows)
        steps, partial = self._step_counts(e, k)
        iterations = e.builder.sdiv(steps, I64(_UNROLL))
        rest = e.builder.srem(steps, I64(_UNROLL))

        def segment(index: Any, carried: list[Any]) -> Sequence[Any]:
            slot = e.offset(segment_offsets, e.builder.mul(index, I64(8)))
            start = e.builder.add(a, e.load(slot, I64))
            starts = [e.builder.add(start, row) for row in row_offsets]
            state = [I64(0), *carried]
            state = e.loop(iterations, state, lambda _, now: self._steps(e, starts, now, _UNROLL))
            state = e.loop(rest, state, lambda _, now: self._steps(e, starts, now, 1))
            if partial is not None:
                last = self.multiply.partial_activation
                state = e.loop(partial, state, lambda _, now: self._steps(e, starts, now, 1, last))
            return state[1:]

        _, *accumulators = e.loop(segments, [w, *(bias * self.rows)], segment)

        output_offsets = self._table(e, outputs)
        residual_offsets = self._table(e, residuals) if self.epilogue.residual else []
        masks = self._masks(e, valid)
        for row in range(self.rows):
            sums = accumulators[row * self.vectors : (row + 1) * self.vectors]
            output = e.builder.add(c, output_offsets[row])
            residual = e.builder.add(r, residual_offsets[row]) if residual_offsets else r
            if self.epilogue.kind == "u8":
                epilogue.finish_bytes(sums, output, residual, masks[0])
                continue
            for vector, acc in enumerate(sums):
                skip = vector * self.multiply.lanes * self.epilogue.output_size
                place, added = e.offset(output, skip), e.offset(residual, skip)
                epilogue.finish(acc, vector, place, added, masks[vector])

    def _step_counts(self, e: Emitter, k: Any) -> tuple[Any, Any]:
        """Steps of a segment; and, if those are of 16-bit pairs, whether half a step remains."""
        if self.multiply.kind in ("bf16", "f16"):
            return e.builder.ashr(k, I64(1)), e.builder.and_(k, I64(1))
        if self.multiply.kind == "u8":
            return e.builder.ashr(e.offset(k, 3), I64(2)), None
        return k, None

    def _masks(self, e: Emitter, valid: Any) -> list[Any]:
        """Which lanes of each stored register are valid; None if all are."""
        lanes = self.multiply.lanes
        if not self.masked:
            return [None] * self.vectors
        if self.epilogue.kind == "u8":
            return [e.first_lanes(valid, self.columns)]
        return [e.first_lanes(e.offset(valid, -lanes * i), lanes) for i in range(self.vectors)]

    def _table(self, e: Emitter, address: Any) -> list[Any]:
        return [e.load(e.offset(address, 8 * row), I64) for row in range(self.rows)]

    def _steps(
        self, e: Emitter, starts: list[Any], state: list[Any], count: int, load: Any = None
    ) -> list[Any]:
        """`count` steps; the state is (byte position in the segment, weights, accumulators...)."""
        position, w, *accumulators = state
        register = self.multiply.isa.vector_bytes
        for step in range(count):
            weights = [
                self.multiply.weights(e, e.offset(w, (step * self.vectors + vector) * register))
                for vector in range(self.vectors)
            ]
            for row, start in enumerate(starts):
                address = e.offset(e.builder.add(start, position), step * _STEP)
                activation = (load or self.multiply.activation)(e, address)
                for vector in range(self.vectors):
                    index = row * self.vectors + vector
                    accumulators[index] = self.multiply.accumulate(
                        e, accumulators[index], activation, weights[vector]
                    )
        position = e.offset(position, count * _STEP)
        return [position, e.offset(w, count * self.vectors * register), *accumulators]

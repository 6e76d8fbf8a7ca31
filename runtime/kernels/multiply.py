"""One step of a register tile, for each instruction set and element type.

A step multiplies 4 bytes of every row (4 u8, 2 floats of 16 bits, 1 float32) with as many weights
of every column, and adds the products to one 32-bit lane per column:

    activations, one row, in all lanes    a0 a1 a2 a3 | a0 a1 a2 a3 | a0 a1 a2 a3 | ...
    weights, a column per lane            w0 w1 w2 w3 | w0 w1 w2 w3 | w0 w1 w2 w3 | ...
                                          -----------   -----------   -----------
    accumulators                            + sum         + sum         + sum       ...

What each instruction set has for it, and with how many products per instruction:

                  u8 x s8 -> int32        bf16 -> f32           f16 -> f32          f32
    avx512_bf16                           vdpbf16ps zmm  32
    avx512_vnni   vpdpbusd zmm      64
    avx512bw      vpmaddwd zmm      32    shift, fma zmm 16    vcvtph2ps, fma 16    fma zmm   16
    avx_vnni      vpdpbusd ymm      32
    avx2          vpmaddwd ymm      16    shift, fma ymm  8    vcvtph2ps, fma  8    fma ymm    8
    portable      plain loops (`gemm`)

A set without an entry uses that of the set it extends.  vpmaddwd works on bytes widened to 16 bits,
two products per lane: exact, where vpmaddubsw would saturate.  Its operands are the even and the
odd bytes of the activations, by `and` and shift, so weights lie as [L][taps 0, 2], then [L][taps 1,
3].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from runtime.kernels.isa import AVX2, AVX512_BF16, AVX512_VNNI, AVX512BW, AVX_VNNI, Isa
from runtime.kernels.vector_ir import BF16, F32, I8, I16, I32, Emitter, Vector

ElementKind = Literal["u8", "f32", "bf16", "f16"]
"""The element type of activations; weights are int8 for "u8", else the same."""

STEP_BYTES = 4
"""Bytes of each row per step."""


class Multiply(ABC):
    """One step of one instruction set: how registers are loaded, multiplied and summed."""

    kind: ElementKind
    accumulator: Any  # LLVM element type
    isa: Isa

    @property
    def lanes(self) -> int:
        """32-bit lanes of a register: columns."""
        return self.isa.vector_bytes // 4

    @property
    def element_bytes(self) -> int:
        """Size of an activation."""
        return {"u8": 1, "bf16": 2, "f16": 2, "f32": 4}[self.kind]

    @property
    def products_per_ns(self) -> float:
        """About how many products a thread computes per nanosecond."""
        taps = STEP_BYTES // self.element_bytes
        return 3.0 * self.lanes * taps

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

"""What happens to an accumulator before it is stored.

    u8      f = float32(acc) * m[c]                             then clamp to [lo - z, hi - z],
            f = fma(float32(r), rs, fma(float32(acc), m[c], rz))     round half to even, add z
    f32     f = float32(acc) * m[c], or acc if that is float32;  f + r;  then clamp to [lo, hi]
    i32     acc
    bf16, f16                                                    as f32, then rounded to 16 bits

with the channel's multiplier m[c], the residual r, its multiplier rs, and rz = float32(-zero
point(r) * rs).
A clamp is `f if f > lo else lo`: NaN becomes lo.  A residual has the result's element type.

The bounds of a u8 result are integers, so clamping before and after the rounding is the same as
long as the conversion to int32 does not overflow.  Where that is proved (`u8_clamp`), the packs
saturate to 0 ... 255 for nothing, and what is left of the clamp is done on bytes, if it is needed
at all.

The parameters of a panel of `columns` channels lie in one block of 4-byte words:

    [columns] bias    [columns] m    lo - z    hi - z    z (int32)    rs    rz    lo    hi (int32)
                                                                            unused up to 16
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numba.extending import register_jitable

from dialects.elements import bfloat16
from runtime.kernels import interleave
from runtime.kernels.abi import aligned
from runtime.kernels.half import NARROW, WIDEN
from runtime.kernels.intrinsics import (
    f32_pointer,
    fma,
    i32_pointer,
    rint,
    u8_pointer,
    u16_pointer,
)
from runtime.kernels.vector_ir import F32, I8, I16, I32, Emitter, Vector

OutputKind = Literal["u8", "f32", "i32", "bf16", "f16"]
_OUTPUT_DTYPES = {
    "u8": np.uint8,
    "f32": np.float32,
    "i32": np.int32,
    "bf16": bfloat16,
    "f16": np.float16,
}
_SCALARS = 16  # those after the channels' words; the rest keeps the blocks aligned to cache lines

Clamp = Literal["real", "bytes", "none"]
CLAMPS: tuple[Clamp, ...] = ("real", "bytes", "none")
"""Where a result is clamped: as a real number, as bytes after saturating packs, or nowhere (those
saturate to 0 ... 255, which are the bounds)."""

_LIMIT = 2.0**31 * (1 - 2.0**-16)
"""Below it a float32 converts to int32, with room for the roundings on the way."""


@dataclass(frozen=True, eq=False)
class Epilogue:
    """How accumulators become outputs.

    kind: element type of the result.
    multiplier: float32 per output channel (or one for all); unused by "i32" and by float32
    accumulators.
    zero_point, lo, hi: of a u8 result, as stored values; of a float result `lo` and `hi` are
    floats.
    residual_multiplier, residual_zero_point: of a u8 residual (a float residual is added as it is).
    """

    kind: OutputKind
    multiplier: np.ndarray | None = None
    zero_point: int = 0
    lo: float = -np.inf
    hi: float = np.inf
    residual_multiplier: float = 1.0
    residual_zero_point: int = 0

    @property
    def dtype(self) -> np.dtype:
        """Element type of the output."""
        return np.dtype(_OUTPUT_DTYPES[self.kind])

    def scalars(self) -> np.ndarray:
        """The words after the per-channel ones."""
        lo, hi, zero_point = self.lo, self.hi, 0
        if self.kind == "u8":
            zero_point = self.zero_point
            lo, hi = max(lo, 0) - zero_point, min(hi, 255) - zero_point
        rs = np.float32(self.residual_multiplier)
        rz = np.float32(-self.residual_zero_point) * rs
        words = np.zeros(_SCALARS, np.float32)
        words[:5] = lo, hi, 0, rs, rz
        integers = words.view(np.int32)
        integers[2] = zero_point
        if self.kind == "u8":
            integers[5:7] = np.clip([self.lo, self.hi], 0, 255).astype(np.int32)
        return words.view(np.int32)


def u8_clamp(epilogue: Epilogue, sums: tuple[np.ndarray, np.ndarray] | None) -> Clamp:
    """How the u8 result of int32 sums can be clamped, with the same bits as `real`.

    sums: the least and the greatest sum (bias included) that each channel can have, as exact
    numbers; None if nothing is known but that they are int32.  A sum outside int32 wraps.
    """
    largest = np.float64(2.0**31)
    if sums is not None:
        reach = np.maximum(np.abs(sums[0]), np.abs(sums[1])).astype(np.float64)
        largest = np.minimum(reach, largest)
    m = np.abs(np.asarray(1.0 if epilogue.multiplier is None else epilogue.multiplier, np.float64))
    rs = abs(float(epilogue.residual_multiplier))
    real = largest * m + rs * (255 + abs(epilogue.residual_zero_point))
    if not np.all(real < _LIMIT):  # not so for NaN either
        return "real"
    return "none" if epilogue.lo <= 0 and epilogue.hi >= 255 else "bytes"


def pack_epilogue(
    epilogue: Epilogue, bias: np.ndarray, columns: int, order: np.ndarray | None = None
) -> np.ndarray:
    """The blocks of all panels: int32 words [panels, 2 * columns + 16].

    bias: int32 or float32 [N]; N is padded with zeros to whole panels.
    order: the channel of each of a panel's columns, if it is not that of the columns.
    """
    panels = -(-len(bias) // columns)
    words = aligned(np.zeros((panels, 2 * columns + _SCALARS), np.int32))

    def channels(values: np.ndarray) -> np.ndarray:
        padded = np.zeros(panels * columns, values.dtype)
        padded[: len(bias)] = values
        words = padded.view(np.int32).reshape(panels, columns)
        return words if order is None else words[:, order]

    words[:, :columns] = channels(np.ascontiguousarray(bias))
    multiplier = 1.0 if epilogue.multiplier is None else epilogue.multiplier
    words[:, columns : 2 * columns] = channels(
        np.ascontiguousarray(np.broadcast_to(np.asarray(multiplier, np.float32), bias.shape))
    )
    words[:, 2 * columns :] = epilogue.scalars()
    return words


@dataclass(frozen=True)
class EpilogueCode:
    """The part of an epilogue that decides which code is generated."""

    kind: OutputKind
    accumulator: Literal["i32", "f32"]
    residual: bool
    clamp: Clamp = "real"

    def __str__(self) -> str:
        clamp = "" if self.clamp == "real" else f"-clamp-{self.clamp}"
        return f"{self.accumulator}->{self.kind}{'+residual' if self.residual else ''}{clamp}"

    def interleaved(self, registers: int) -> bool:
        """Whether the columns of a tile of so many registers lie in `interleave.order`."""
        return self.kind == "u8" and registers == interleave.REGISTERS

    @property
    def output_size(self) -> int:
        """Bytes per output element."""
        return np.dtype(_OUTPUT_DTYPES[self.kind]).itemsize


class VectorEpilogue:
    """Emits an epilogue for vectors of `lanes` channels; `block` is the address of the panel's
    words."""

    def __init__(self, e: Emitter, code: EpilogueCode, block: Any, columns: int, lanes: int):
        self.e, self.code, self.block, self.columns, self.lanes = e, code, block, columns, lanes
        self._multipliers: list[Any] = []
        scalars = e.offset(block, 8 * columns)
        if code.kind != "i32":
            self.lo, self.hi = (self._scalar(scalars, index, F32) for index in (0, 1))
        if code.kind == "u8":
            self.zero_point_word = e.load(e.offset(scalars, 8), I32)
            if code.clamp == "bytes":
                self.byte_bounds = [
                    e.splat(e.load(e.offset(scalars, 4 * index), I8), 4 * lanes) for index in (5, 6)
                ]
            if code.residual:
                self.rs, self.rz = (self._scalar(scalars, index, F32) for index in (3, 4))

    def _scalar(self, scalars: Any, index: int, kind: Any) -> Any:
        return self.e.splat(self.e.load(self.e.offset(scalars, 4 * index), kind), self.lanes)

    def bias(self, vector: int) -> Any:
        """The bias of the panel's channels `vector * lanes ...`."""
        kind = I32 if self.code.accumulator == "i32" else F32
        address = self.e.offset(self.block, 4 * self.lanes * vector)
        return self.e.load(address, Vector(kind, self.lanes))

    def keep_multipliers(self, vectors: int) -> None:
        """Loads the multipliers of so many vectors once: for an epilogue in a loop."""
        if self.code.kind != "i32":
            self._multipliers = [self.multiplier(vector) for vector in range(vectors)]

    def multiplier(self, vector: int) -> Any:
        if self._multipliers:
            return self._multipliers[vector]
        address = self.e.offset(self.block, 4 * self.columns + 4 * self.lanes * vector)
        return self.e.load(address, Vector(F32, self.lanes))

    def finish(self, acc: Any, vector: int, output: Any, residual: Any, mask: Any) -> None:
        """Stores one vector of accumulators (bias included) at address `output`."""
        e, lanes = self.e, self.lanes
        if self.code.kind == "i32":
            e.store(acc, output, mask)
            return
        added = None
        if self.code.residual:
            added = self._residual(residual)
        f = self._real(acc, vector, added)
        if self.code.kind == "f32":
            e.store(f, output, mask)
        elif self.code.kind == "u8":
            zero_point = e.splat(self.zero_point_word, lanes)
            q = e.builder.add(self._rounded(f), zero_point)
            e.store(e.builder.trunc(q, Vector(I8, lanes)), output, mask)
        else:
            e.store(e.narrow(f, self.code.kind), output, mask)

    def _residual(self, address: Any) -> Any:
        """One vector of the residual, as floats."""
        e, lanes = self.e, self.lanes
        if self.code.kind == "f32":
            return e.load(address, Vector(F32, lanes))
        if self.code.kind == "u8":
            return e.builder.uitofp(e.load(address, Vector(I8, lanes)), Vector(F32, lanes))
        assert self.code.kind != "i32"
        return e.widen(e.load(address, Vector(I16, lanes)), self.code.kind)

    def finish_bytes(self, sums: list[Any], output: Any, residual: Any, mask: Any) -> None:
        """Stores up to four vectors of accumulators (bias included) as adjacent bytes.

        Four vectors hold the channels of `interleave.order`, fewer hold them in order.
        """
        e, lanes = self.e, self.lanes
        octets = Vector(I8, 4 * lanes)
        added: list[Any] = [None] * len(sums)
        if self.code.residual:
            zero = octets([0] * 4 * lanes)
            loaded = e.load(residual, octets)
            if len(sums) < interleave.REGISTERS:
                loaded = interleave.spread(e, loaded, lanes)
            stored = interleave.interleave(e, [loaded, zero, zero, zero], lanes)
            added = [e.builder.sitofp(r, Vector(F32, lanes)) for r in stored]
        saturate = self.code.clamp != "real"
        rounded = [
            self._rounded(self._real(acc, vector, r, clamped=not saturate))
            for vector, (acc, r) in enumerate(zip(sums, added, strict=False))
        ]
        rounded += rounded[-1:] * (interleave.REGISTERS - len(sums))
        zero_point = e.splat(e.builder.trunc(self.zero_point_word, I16), 2 * lanes)
        result = interleave.pack(e, rounded, zero_point, lanes)
        if len(sums) < interleave.REGISTERS:
            result = interleave.gathered(e, result, lanes)
        result = self._clamped_bytes(result)
        if len(sums) < interleave.REGISTERS:
            result = e.shuffle(result, result, range(len(sums) * lanes))
        e.store(result, output, mask)

    def _clamped_bytes(self, result: Any) -> Any:
        e, lanes = self.e, self.lanes
        if self.code.clamp == "bytes":
            lowest, highest = self.byte_bounds
            result = e.call(f"llvm.umax.v{4 * lanes}i8", result.type, result, lowest)
            result = e.call(f"llvm.umin.v{4 * lanes}i8", result.type, result, highest)
        return result

    def _real(self, acc: Any, vector: int, residual: Any, clamped: bool = True) -> Any:
        """f of the formulas above; the residual as floats."""
        e, builder = self.e, self.e.builder
        floats = Vector(F32, self.lanes)
        integer = self.code.accumulator == "i32"
        f = builder.sitofp(acc, floats) if integer else acc
        if self.code.kind == "u8" and residual is not None:
            name = f"llvm.fma.v{self.lanes}f32"
            f = e.call(name, floats, f, self.multiplier(vector), self.rz)
            f = e.call(name, floats, residual, self.rs, f)
        else:
            if integer:
                f = builder.fmul(f, self.multiplier(vector))
            if residual is not None:
                f = builder.fadd(f, residual)
        if not clamped:
            return f
        f = builder.select(builder.fcmp_ordered(">", f, self.lo), f, self.lo)
        return builder.select(builder.fcmp_ordered("<", f, self.hi), f, self.hi)

    def _rounded(self, f: Any) -> Any:
        name = f"llvm.lrint.v{self.lanes}i32.v{self.lanes}f32"
        return self.e.call(name, Vector(I32, self.lanes), f)


def scalar_epilogue(code: EpilogueCode) -> Any:
    """The same for one accumulator, as a function that numba kernels call:

    `finish(acc, block, columns, channel, output, residual)`: `acc` without the bias; `output` and
    `residual` are addresses of the element.
    """
    if code.kind == "i32":

        def finish_i32(
            acc: Any, block: int, columns: int, channel: int, output: int, residual: int
        ) -> None:
            i32_pointer(output)[0] = np.int32(acc + i32_pointer(block)[channel])

        return register_jitable(finish_i32)

    integer, with_residual = code.accumulator == "i32", code.residual
    if code.kind != "u8":
        load, store = _element_access(code.kind)

        def finish_float(
            acc: Any, block: int, columns: int, channel: int, output: int, residual: int
        ) -> None:
            words = f32_pointer(block)
            if integer:
                total = np.int32(acc + i32_pointer(block)[channel])
                f = np.float32(total) * words[columns + channel]
            else:
                f = np.float32(acc) + words[channel]
            if with_residual:
                f = f + load(residual)
            lo, hi = words[2 * columns], words[2 * columns + 1]
            f = f if f > lo else lo
            store(output, f if f < hi else hi)

        return register_jitable(finish_float)

    def finish_u8(
        acc: Any, block: int, columns: int, channel: int, output: int, residual: int
    ) -> None:
        words, integers = f32_pointer(block), i32_pointer(block)
        total = np.float32(np.int32(acc + integers[channel]))
        m = words[columns + channel]
        scalars = 2 * columns
        if with_residual:
            r = np.float32(u8_pointer(residual)[0])
            f = fma(r, words[scalars + 3], fma(total, m, words[scalars + 4]))
        else:
            f = total * m
        lo, hi = words[scalars], words[scalars + 1]
        f = f if f > lo else lo
        f = f if f < hi else hi
        u8_pointer(output)[0] = np.uint8(np.int32(rint(f)) + integers[scalars + 2])

    return register_jitable(finish_u8)


def _element_access(kind: OutputKind) -> tuple[Any, Any]:
    """`load(address)` and `store(address, value)` of a float result, as float32."""
    if kind == "f32":

        def load_f32(address: int) -> Any:
            return f32_pointer(address)[0]

        def store_f32(address: int, value: Any) -> None:
            f32_pointer(address)[0] = value

        return register_jitable(load_f32), register_jitable(store_f32)

    name = np.dtype(_OUTPUT_DTYPES[kind]).name
    widen, narrow = WIDEN[name], NARROW[name]

    def load_half(address: int) -> Any:
        return widen(u16_pointer(address)[0])

    def store_half(address: int, value: Any) -> None:
        u16_pointer(address)[0] = np.uint16(narrow(value))

    return register_jitable(load_half), register_jitable(store_half)

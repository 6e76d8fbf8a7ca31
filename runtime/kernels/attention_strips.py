"""The matrix products of attention on AMX (see `amx_tile` for its tiles).

A panel of `attention_tiles` packs 16 columns as [K / T][16][T]: sixteen steps of it are one tile
register. The queries are copied, each row padded with zeros to whole lines of 64 bytes: where heads
have 32 columns every other row would cross a line, which triples the time of a load, and the zeros
meet whatever the panels hold behind the last step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from runtime.kernels.abi import Kernel
from runtime.kernels.amx_tile import MULTIPLICATIONS, STRIP_TILES, TILE_BYTES, TILE_ROWS
from runtime.kernels.attention_tiles import Products, least
from runtime.kernels.vector_ir import I8, I64, Emitter, GeneratedFunction, Vector, generated

_SUMS = ((0, 1), (2, 3))
_A = (4, 5)
_B = (6, 7)
_B_TILE = TILE_ROWS * TILE_BYTES


@dataclass(frozen=True)
class StripProducts(Products):
    """`Products` of bytes or bfloat16 with tile registers: a tile is a strip of 32 rows.

    Floats need a depth of whole lines: what panels hold behind the last step may be a NaN."""

    @property
    def name(self) -> str:
        return f"{super().name}_amx"

    @property
    def rows(self) -> int:
        return STRIP_TILES * TILE_ROWS

    @property
    def steps_together(self) -> int:
        return TILE_ROWS

    def query_row(self, depth: int) -> int:
        return -(-depth * self.multiply.element_bytes // TILE_BYTES) * TILE_BYTES

    def gather(self) -> Any:
        def emit(e: Emitter, arguments: list[Any]) -> None:
            source, stride, last, depth, target, target_stride = arguments
            builder = e.builder
            line = Vector(I8, TILE_BYTES)
            places = e.constant(I8, range(TILE_BYTES))
            zero = line([0] * TILE_BYTES)
            lines = builder.sdiv(target_stride, I64(TILE_BYTES))

            def row(index: Any, _: list[Any]) -> list[Any]:
                start = builder.add(source, builder.mul(least(e, index, last), stride))
                goal = builder.add(target, builder.mul(index, target_stride))

                def copy(number: Any, _: list[Any]) -> list[Any]:
                    skip = builder.mul(number, I64(TILE_BYTES))
                    left = least(e, builder.sub(depth, skip), I64(TILE_BYTES))
                    inside = builder.icmp_signed(
                        "<", places, e.splat(builder.trunc(left, I8), TILE_BYTES)
                    )
                    value = e.load(builder.add(start, skip), line)
                    e.store(builder.select(inside, value, zero), builder.add(goal, skip))
                    return []

                e.loop(lines, [], copy)
                return []

            e.loop(I64(self.rows), [], row)

        return generated(f"attention_gather_{self.name}", 6, emit)

    def tile(self) -> Kernel:
        multiply = MULTIPLICATIONS[self.multiply.kind]

        def emit(e: Emitter, arguments: list[Any]) -> None:
            a, stride, _, b, panel_stride, steps, bias, c, c_stride = arguments
            builder = e.builder
            below = builder.add(a, builder.mul(stride, I64(TILE_ROWS)))
            for row in _SUMS:
                for column, register in enumerate(row):
                    _load(e, register, e.offset(bias, column * TILE_BYTES), I64(0))

            def step(index: Any, _: list[Any]) -> list[Any]:
                position = builder.mul(index, I64(TILE_BYTES))
                panel = builder.add(b, builder.mul(index, I64(_B_TILE)))
                _load(e, _B[0], panel, I64(TILE_BYTES))
                _load(e, _B[1], builder.add(panel, panel_stride), I64(TILE_BYTES))
                for start, row, register in zip((a, below), _SUMS, _A, strict=True):
                    _load(e, register, builder.add(start, position), stride)
                    for column, total in enumerate(row):
                        _tile(e, multiply, I8(total), I8(register), I8(_B[column]))
                return []

            e.loop(steps, [], step)
            lower = builder.add(c, builder.mul(c_stride, I64(TILE_ROWS)))
            for start, row in zip((c, lower), _SUMS, strict=True):
                for column, register in enumerate(row):
                    place = e.pointer(e.offset(start, column * TILE_BYTES), I8)
                    _tile(e, "tilestored64", I8(register), place, c_stride)

        return Kernel.of(GeneratedFunction(__name__, f"attention_tile_{self.name}", 9, emit))

    def begin(self) -> Any:
        def emit(e: Emitter, arguments: list[Any]) -> None:
            _tile(e, "ldtilecfg", e.pointer(arguments[0], I8))

        return generated(f"attention_begin_{self.name}", 1, emit)

    def end(self) -> Any:
        def emit(e: Emitter, arguments: list[Any]) -> None:
            _tile(e, "tilerelease")

        return generated(f"attention_end_{self.name}", 1, emit)


def _tile(e: Emitter, name: str, *operands: Any) -> None:
    e.call(f"llvm.x86.{name}", ir.VoidType(), *operands)


def _load(e: Emitter, register: int, address: Any, stride: Any) -> None:
    _tile(e, "tileloadd64", I8(register), e.pointer(address, I8), stride)

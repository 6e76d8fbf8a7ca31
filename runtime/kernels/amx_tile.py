"""Matrix products on AMX: the code of one strip, generated as LLVM IR.

A tile register holds 16 rows of 64 bytes.  One instruction multiplies two of them into a third, an
accumulator of 16 x 16 32-bit sums:

    C[16 rows][16 columns]  +=  A[16 rows][64 bytes of K] * B[64 bytes of K][16 columns]

with B stored as [K / 4][16 columns][4] bytes.  A strip is two tiles of rows times a panel of
columns, a pair of column tiles at a time:

                     b0        b1
            a0 --> | acc 0 | acc 1 |      4 loads and 4 multiplications a step, which is what the
            a1 --> | acc 2 | acc 3 |      load ports keep up with; all 8 tile registers

Its sums go through memory that stays in the first-level cache (`SCRATCH_BYTES`), because tiles
cannot be moved to vector registers; from there the epilogue reads them row by row.

Two costs decide the rest: a tile row that crosses a cache line makes a load take three times as
long (so weights are aligned, and so must activations be), and the instructions that configure the
tiles take longer than a small product (so that happens once per call).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from runtime.kernels.epilogue import EpilogueCode, VectorEpilogue
from runtime.kernels.vector_ir import I8, I32, I64, Emitter, Vector, generated

TILE_ROWS = 16
TILE_BYTES = 64
"""Bytes of a tile's row: of K for activations, of columns for sums."""
TILE_COLUMNS = 16
PAIR = 2
"""Column tiles that are multiplied at a time."""
STRIP_TILES = 2
B_TILE_BYTES = TILE_ROWS * TILE_BYTES

SCRATCH_BYTES = STRIP_TILES * TILE_ROWS * 4 * TILE_BYTES
"""The sums of one strip, up to four column tiles wide."""

STRIP_WORDS = 4
"""Words per strip: offsets of its two tiles of activations, its first row in the list of rows, how
many rows."""

ROW_WORDS = 3
"""Words per row: byte offsets in the strip's sums, in the output, in the residual."""

# Tile registers.
_SUMS = ((0, 1), (2, 3))
_A = (4, 5)
_B = (6, 7)


def tile_configuration(rows: int) -> bytes:
    """What `ldtilecfg` loads: tiles of 64 bytes a row; activations and sums have `rows` rows."""
    heights = [rows] * 6 + [TILE_ROWS] * 2
    head = bytes([1]) + bytes(15)  # palette 1
    row_bytes = b"".join(int(TILE_BYTES).to_bytes(2, "little") for _ in heights) + bytes(16)
    return head + row_bytes + bytes(heights) + bytes(8)


def _pointer(e: Emitter, address: Any) -> Any:
    return e.pointer(address, I8)


def _tile(e: Emitter, name: str, *operands: Any) -> None:
    e.call(f"llvm.x86.{name}", ir.VoidType(), *operands)


def _load(e: Emitter, register: int, address: Any, stride: Any) -> None:
    _tile(e, "tileloadd64", I8(register), _pointer(e, address), stride)


def _configure(e: Emitter, arguments: list[Any]) -> None:
    _tile(e, "ldtilecfg", _pointer(e, arguments[0]))


def _release(e: Emitter, arguments: list[Any]) -> None:
    _tile(e, "tilerelease")


configure_tiles = generated("configure_tiles", 1, _configure)
"""`configure_tiles((address,))`: makes the tile registers usable (see `tile_configuration`)."""

release_tiles = generated("release_tiles", 1, _release)
"""`release_tiles((0,))`: gives the tile registers back, so that a context switch need not save
them."""


def _multiply_strip(e: Emitter, arguments: list[Any]) -> None:
    a0, a1, stride, steps, step_offsets, b, bias, scratch, pairs, scratch_row, rows = arguments
    below = e.builder.mul(scratch_row, rows)

    def pair(index: Any, carried: list[Any]) -> Sequence[Any]:
        b, bias, scratch = carried
        for i in range(STRIP_TILES):
            for j in range(PAIR):
                _load(e, _SUMS[i][j], e.offset(bias, j * TILE_BYTES), I64(0))

        def step(index: Any, carried: list[Any]) -> Sequence[Any]:
            (b,) = carried
            position = e.load(e.offset(step_offsets, e.builder.mul(index, I64(8))), I64)
            _load(e, _A[0], e.builder.add(a0, position), stride)
            _load(e, _B[0], b, I64(TILE_BYTES))
            _tile(e, "tdpbusd", I8(_SUMS[0][0]), I8(_A[0]), I8(_B[0]))
            _load(e, _B[1], e.offset(b, B_TILE_BYTES), I64(TILE_BYTES))
            _tile(e, "tdpbusd", I8(_SUMS[0][1]), I8(_A[0]), I8(_B[1]))
            _load(e, _A[1], e.builder.add(a1, position), stride)
            _tile(e, "tdpbusd", I8(_SUMS[1][0]), I8(_A[1]), I8(_B[0]))
            _tile(e, "tdpbusd", I8(_SUMS[1][1]), I8(_A[1]), I8(_B[1]))
            return [e.offset(b, PAIR * B_TILE_BYTES)]

        (b,) = e.loop(steps, [b], step)
        for i, first in enumerate((scratch, e.builder.add(scratch, below))):
            for j in range(PAIR):
                place = _pointer(e, e.offset(first, j * TILE_BYTES))
                _tile(e, "tilestored64", I8(_SUMS[i][j]), place, scratch_row)
        return [b, e.offset(bias, PAIR * TILE_BYTES), e.offset(scratch, PAIR * TILE_BYTES)]

    e.loop(pairs, [b, bias, scratch], pair)


multiply_strip = generated("multiply_strip", 11, _multiply_strip)
"""`multiply_strip((a0, a1, stride, steps, step_offsets, b, bias, scratch, pairs, scratch_row,
rows))`: the sums of a strip, bias included, as [2 * rows][scratch_row / 4] int32.

a0, a1: addresses of the first row of both tiles, whose rows lie `stride` bytes apart; a step adds
its word of `step_offsets`.  b, bias: of the panel's packed weights and biases.  `pairs` of column
tiles; `rows` per tile."""


def _gather_rows(e: Emitter, arguments: list[Any]) -> None:
    a, rows, count, segments, segment_offsets, segment_bytes, target, stride = arguments
    line = Vector(I8, TILE_BYTES)
    zero = line([0] * TILE_BYTES)
    lines = e.builder.sdiv(e.offset(segment_bytes, TILE_BYTES - 1), I64(TILE_BYTES))

    def row(index: Any, carried: list[Any]) -> Sequence[Any]:
        (start,) = carried
        source = e.builder.add(a, e.load(e.offset(rows, e.builder.mul(index, I64(8))), I64))

        def segment(index: Any, carried: list[Any]) -> Sequence[Any]:
            (target,) = carried
            slot = e.offset(segment_offsets, e.builder.mul(index, I64(8)))
            first = e.builder.add(source, e.load(slot, I64))

            def copy(index: Any, carried: list[Any]) -> Sequence[Any]:
                position = e.builder.mul(index, I64(TILE_BYTES))
                value = e.load(e.builder.add(first, position), line)
                e.store(value, e.builder.add(target, position))
                return []

            e.loop(lines, [], copy)
            return [e.builder.add(target, segment_bytes)]

        (end,) = e.loop(segments, [start], segment)
        e.store(zero, end)
        return [e.builder.add(start, stride)]

    e.loop(count, [target], row)


gather_rows = generated("gather_rows", 8, _gather_rows)
"""`gather_rows((a, rows, count, segments, segment_offsets, segment_bytes, target, stride))`: copies
rows, their segments one after another and followed by 64 zeros, to `target`, `stride` bytes apart.

Copies whole lines: up to 63 bytes behind a segment are read, and overwritten by what follows."""


@dataclass(frozen=True)
class StripEpilogue:
    """Turns the sums of a strip into outputs: `tiles` column tiles wide; masked: some columns."""

    tiles: int
    masked: bool
    epilogue: EpilogueCode

    def __str__(self) -> str:
        masked = "-masked" if self.masked else ""
        return f"{self.tiles}{masked}-{self.epilogue}"

    @property
    def columns(self) -> int:
        return self.tiles * TILE_COLUMNS

    @property
    def interleaved(self) -> bool:
        """Whether the columns of weights and epilogue lie in `interleave.order`."""
        return self.epilogue.interleaved(self.tiles)

    def function(self) -> Any:
        """A function that numba kernels call with one tuple of int64:

        (scratch, rows, count, block, C, R, valid): addresses of the sums, of the list of rows
        (`ROW_WORDS` each), of the epilogue's block, the output and the residual; `valid` columns.
        """
        name = "strip_epilogue_" + "".join(c if c.isalnum() else "_" for c in str(self))
        return generated(name, 7, self._emit)

    def _emit(self, e: Emitter, arguments: list[Any]) -> None:
        scratch, rows, count, block, c, r, valid = arguments
        epilogue = VectorEpilogue(e, self.epilogue, block, self.columns, TILE_COLUMNS)
        epilogue.keep_multipliers(self.tiles)
        masks = self._masks(e, valid)

        def row(index: Any, carried: list[Any]) -> Sequence[Any]:
            (entry,) = carried
            sums_at = e.builder.add(scratch, e.load(entry, I64))
            output = e.builder.add(c, e.load(e.offset(entry, 8), I64))
            residual = e.builder.add(r, e.load(e.offset(entry, 16), I64))
            kind = Vector(I32, TILE_COLUMNS)
            sums = [e.load(e.offset(sums_at, j * TILE_BYTES), kind) for j in range(self.tiles)]
            if self.interleaved:
                epilogue.finish_bytes(sums, output, residual, masks[0])
            else:
                for j, acc in enumerate(sums):
                    skip = j * TILE_COLUMNS * self.epilogue.output_size
                    place, added = e.offset(output, skip), e.offset(residual, skip)
                    epilogue.finish(acc, j, place, added, masks[j])
            return [e.offset(entry, 8 * ROW_WORDS)]

        e.loop(count, [rows], row)

    def _masks(self, e: Emitter, valid: Any) -> list[Any]:
        if not self.masked:
            return [None] * self.tiles
        if self.interleaved:
            return [e.first_lanes(valid, self.columns)]
        return [
            e.first_lanes(e.offset(valid, -TILE_COLUMNS * j), TILE_COLUMNS)
            for j in range(self.tiles)
        ]

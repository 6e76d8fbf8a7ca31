"""Matrix products on AMX: the code of one strip, generated as LLVM IR.

A tile register holds 16 rows of 64 bytes.  One instruction multiplies two of them into a third, an
accumulator of 16 x 16 32-bit sums:

    C[16 rows][16 columns]  +=  A[16 rows][64 bytes of K] * B[64 bytes of K][16 columns]

either u8 x s8 -> int32, B stored as [K / 4][16 columns][4], or bfloat16 x bfloat16 -> float32, B
stored as [K / 2][16 columns][2].  Integers are exact; floats are rounded after every two products,
subnormals count as zero.  A strip is two tiles of rows times a panel of
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
from enum import IntEnum, auto
from functools import cache
from typing import Any

from llvmlite import ir

from runtime.kernels.abi import Kernel
from runtime.kernels.epilogue import EpilogueCode, VectorEpilogue
from runtime.kernels.multiply import ElementKind
from runtime.kernels.vector_ir import (
    F32,
    I8,
    I32,
    I64,
    Emitter,
    GeneratedFunction,
    Vector,
    generated,
)

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

ROWS_AHEAD = 32
"""A finished row prefetches the residual of the one so many rows below; lists of rows are so much
longer."""

MULTIPLICATIONS: dict[ElementKind, str] = {"u8": "tdpbusd", "bf16": "tdpbf16ps"}

# Tile registers.
_SUMS = ((0, 1), (2, 3))
_EVERY_SUM = [(i, j) for i in range(STRIP_TILES) for j in range(PAIR)]
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


class StripWord(IntEnum):
    """The words that one call of a strip's function reads: it multiplies one strip and finishes
    another one, in turns."""

    FUNCTION = 0
    """Its own address."""
    A0 = auto()
    """Addresses of the first rows of both tiles, and the distance of their rows."""
    A1 = auto()
    STRIDE = auto()
    STEPS = auto()
    """How many, and where their byte offsets from A0 and A1 are.  0: there is nothing to multiply.
    """
    STEP_OFFSETS = auto()
    B = auto()
    """The panel's packed weights, and its biases."""
    BIAS = auto()
    SUMS = auto()
    """Where its sums go, and how many rows a tile has."""
    HEIGHT = auto()
    AHEAD = auto()
    """Every step prefetches so many lines from here on."""
    AHEAD_LINES = auto()
    FINISHED = auto()
    """The other strip's sums, and how many rows of it every step finishes; the end finishes what is
    left."""
    ROWS_PER_STEP = auto()
    ROWS = auto()
    """Its list of rows (`ROW_WORDS` each), and how many they are."""
    COUNT = auto()
    BLOCK = auto()
    """Its epilogue's block, output, residual, and how many columns are stored."""
    C = auto()
    R = auto()
    VALID = auto()


@dataclass(frozen=True)
class StripCode:
    """The code of strips `tiles` column tiles wide; masked: some columns are not stored."""

    kind: ElementKind
    tiles: int
    masked: bool
    epilogue: EpilogueCode

    def __str__(self) -> str:
        masked = "-masked" if self.masked else ""
        return f"{self.kind}-{self.tiles}{masked}-{self.epilogue}"

    @property
    def columns(self) -> int:
        return self.tiles * TILE_COLUMNS

    @property
    def sums_row(self) -> int:
        """Bytes of a row of sums."""
        return self.tiles * TILE_BYTES

    @property
    def interleaved(self) -> bool:
        """Whether the columns of weights and epilogue lie in `interleave.order`."""
        return self.epilogue.interleaved(self.tiles)

    @property
    def function(self) -> Kernel:
        """The generated function; its row is a table of `StripWord`s."""
        return _function(self)

    def emit(self, e: Emitter, arguments: list[Any]) -> None:
        """Writes the function's body."""
        table = arguments[0]

        def word(which: StripWord) -> Any:
            return e.load(e.offset(table, 8 * which), I64)

        a = [word(StripWord.A0), word(StripWord.A1)]
        stride, steps, step_offsets = (
            word(StripWord.STRIDE),
            word(StripWord.STEPS),
            word(StripWord.STEP_OFFSETS),
        )
        lines, rows_per_step = word(StripWord.AHEAD_LINES), word(StripWord.ROWS_PER_STEP)
        finished, block = word(StripWord.FINISHED), word(StripWord.BLOCK)
        c, r = word(StripWord.C), word(StripWord.R)
        epilogue = VectorEpilogue(e, self.epilogue, block, self.columns, TILE_COLUMNS)
        epilogue.keep_multipliers(self.tiles)
        masks = self._masks(e, word(StripWord.VALID))
        below = e.builder.mul(word(StripWord.HEIGHT), I64(self.sums_row))

        def finish_rows(most: Any, rows: Any, count: Any) -> Sequence[Any]:
            """Finishes some rows; returns what is left."""
            number = e.builder.select(e.builder.icmp_signed("<", most, count), most, count)

            def finish(index: Any, carried: list[Any]) -> Sequence[Any]:
                (entry,) = carried
                self._finish_row(e, epilogue, masks, entry, finished, c, r)
                return [e.offset(entry, 8 * ROW_WORDS)]

            return [*e.loop(number, [rows], finish), e.builder.sub(count, number)]

        def step(index: Any, carried: list[Any]) -> Sequence[Any]:
            b, ahead, rows, count = carried
            offset = e.load(e.offset(step_offsets, e.builder.mul(index, I64(8))), I64)
            multiply_tiles(e, self.kind, [e.builder.add(tile, offset) for tile in a], stride, b)
            (ahead,) = e.loop(lines, [ahead], prefetch)
            return [
                e.offset(b, PAIR * B_TILE_BYTES),
                ahead,
                *finish_rows(rows_per_step, rows, count),
            ]

        def prefetch(index: Any, carried: list[Any]) -> Sequence[Any]:
            (ahead,) = carried
            e.prefetch(ahead)
            return [e.offset(ahead, TILE_BYTES)]

        def pair(index: Any, carried: list[Any]) -> Sequence[Any]:
            bias, sums, *state = carried
            for i, j in _EVERY_SUM:
                _load(e, _SUMS[i][j], e.offset(bias, j * TILE_BYTES), I64(0))
            state = e.loop(steps, state, step)
            for i, j in _EVERY_SUM:
                first = e.builder.add(sums, below) if i else sums
                place = _pointer(e, e.offset(first, j * TILE_BYTES))
                _tile(e, "tilestored64", I8(_SUMS[i][j]), place, I64(self.sums_row))
            return [*(e.offset(each, PAIR * TILE_BYTES) for each in (bias, sums)), *state]

        some = e.builder.icmp_signed(">", steps, I64(0))
        pairs = e.builder.select(some, I64(self.tiles // PAIR), I64(0))
        state = [
            word(each)
            for each in (
                StripWord.BIAS,
                StripWord.SUMS,
                StripWord.B,
                StripWord.AHEAD,
                StripWord.ROWS,
                StripWord.COUNT,
            )
        ]
        *_, rows, count = e.loop(pairs, state, pair)
        finish_rows(count, rows, count)

    def _finish_row(
        self,
        e: Emitter,
        epilogue: VectorEpilogue,
        masks: list[Any],
        entry: Any,
        sums: Any,
        c: Any,
        r: Any,
    ) -> None:
        """Stores one row of results; `entry` is the address of its word in the list of rows."""
        start = e.builder.add(sums, e.load(entry, I64))
        output = e.builder.add(c, e.load(e.offset(entry, 8), I64))
        residual = e.builder.add(r, e.load(e.offset(entry, 16), I64))
        if self.epilogue.residual:
            # The rows of a panel are too far from one another for the CPU to foresee.
            later = e.offset(entry, 8 * ROW_WORDS * ROWS_AHEAD)
            e.prefetch(e.builder.add(r, e.load(e.offset(later, 16), I64)))
        kind = Vector(I32 if self.kind == "u8" else F32, TILE_COLUMNS)
        row = [e.load(e.offset(start, j * TILE_BYTES), kind) for j in range(self.tiles)]
        if self.epilogue.kind == "u8":
            epilogue.finish_bytes(row, output, residual, masks[0])
            return
        for j, acc in enumerate(row):
            skip = j * TILE_COLUMNS * self.epilogue.output_size
            epilogue.finish(acc, j, e.offset(output, skip), e.offset(residual, skip), masks[j])

    def _masks(self, e: Emitter, valid: Any) -> list[Any]:
        """Which columns of each stored vector are valid; None if all are."""
        if not self.masked:
            return [None] * self.tiles
        if self.epilogue.kind == "u8":
            return [e.first_lanes(valid, self.columns)]
        lanes = TILE_COLUMNS
        return [e.first_lanes(e.offset(valid, -lanes * j), lanes) for j in range(self.tiles)]


@cache
def _function(code: StripCode) -> Kernel:
    return Kernel.of(GeneratedFunction(__name__, f"strip({code})", 3, code.emit))


def multiply_tiles(e: Emitter, kind: ElementKind, a: Sequence[Any], stride: Any, b: Any) -> None:
    """One step of a strip; loads and multiplications alternate, so that neither waits."""

    def multiply(i: int, j: int) -> None:
        _tile(e, MULTIPLICATIONS[kind], I8(_SUMS[i][j]), I8(_A[i]), I8(_B[j]))

    _load(e, _A[0], a[0], stride)
    _load(e, _B[0], b, I64(TILE_BYTES))
    multiply(0, 0)
    _load(e, _B[1], e.offset(b, B_TILE_BYTES), I64(TILE_BYTES))
    multiply(0, 1)
    _load(e, _A[1], a[1], stride)
    multiply(1, 0)
    multiply(1, 1)

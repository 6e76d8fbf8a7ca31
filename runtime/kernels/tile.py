"""The register tile: an MR x NR-vector block of a matrix product, generated as LLVM IR.

    C[i, n] = epilogue(sum over s, k of  A[rows[i] + segments[s] + k] * W[s, k, n])

`rows` and `segments` are tables of byte offsets, and so is the output's.  With them one kernel is a
matrix product (one segment of K elements), a 1x1 convolution (the same, rows are pixels), and a K x
K convolution of any stride, dilation, group and padding.  A segment is one contiguous run of the
kernel window: the (kw, c) taps of a kernel row where these are contiguous, else the channels of one
tap.

    one step                      w0        w1       ...     w(NR-1)       <- one register each
                          a0 --> | acc 0,0 | acc 0,1 |   ...  | acc 0,NR-1 |
    4 bytes of each row,  a1 --> | acc 1,0 | acc 1,1 |   ...  | acc 1,NR-1 |
    in all lanes          ..     |         |         |        |            |
    (see `multiply`)    a(MR-1) -> acc ... |         |        |            |

The accumulators stay in registers over all segments.  Weights are packed so that the tile reads
them straight through; L is the number of 32-bit lanes of a register, T of taps in a step (4 u8, 2
floats of 16 bits, 1 float32):

    [panel][segment][K / T][NR][L][T]     K is padded with zero weights.  Activations read for them
                                          past a row's end are ignored by integers; floats may be
                                          NaN there: the last step of an odd K reads one of 16 bits

A generated function `tile(row, panel, first, count)` computes `count` tiles, one below the other
from row `first` on, of one panel.  `row` is the call's row of arguments (`Argument`), `panel` a row
of its table of panels (`PanelWord`).

Tiles of four registers that store bytes have their columns in `interleave.order`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

from runtime.kernels.abi import Kernel
from runtime.kernels.epilogue import EpilogueCode, VectorEpilogue
from runtime.kernels.multiply import STEP_BYTES, Multiply
from runtime.kernels.vector_ir import I64, Emitter, GeneratedFunction, Prefix

_UNROLL = 4  # steps per iteration: loop control vanishes behind the multiplications

_LINE = 64
_LINES_AHEAD = 2
"""Cache lines of the next panel that are fetched in each iteration: 8 tiles ask for all of it."""


class Argument(IntEnum):
    """The words of a call's row.  Addresses; tables of byte offsets from them, one per row of the
    product (`ROWS`, `OUTPUTS`, `RESIDUALS`) or per segment; sizes."""

    A = 1
    K = 2  # elements per segment
    ROWS = 3
    SEGMENTS = 4
    SEGMENT_OFFSETS = 5
    C = 6
    OUTPUTS = 7
    R = 8
    RESIDUALS = 9
    M = 10
    TILES = 11  # the rows are split into so many tiles, whose heights differ by 1 at most
    PANELS = 12
    PANEL_TABLE = 13
    TILES_PER_BLOCK = 14


class PanelWord(IntEnum):
    """The words of a panel: addresses of functions, weights and epilogue block; byte offsets."""

    HIGH = 0  # the tile function for the higher tiles
    LOW = 1  # ... and for those with one row less (or the same, if all are of one height)
    WEIGHTS = 2
    BLOCK = 3
    A = 4  # from the activations' rows (a group's channels)
    OUTPUT = 5  # from the output's (and residual's) rows
    VALID = 6  # columns to store
    NEXT_WEIGHTS = 7  # those of the panel after it: they are fetched meanwhile


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
        """Columns of a panel, valid or not."""
        return self.vectors * self.multiply.lanes

    @property
    def function(self) -> Kernel:
        """The generated function."""
        return _function(self)

    def emit(self, e: Emitter, arguments: list[Any]) -> None:
        """Writes the function's body."""
        row, panel, first, count = arguments

        def argument(word: Argument) -> Any:
            return e.load(e.offset(row, 8 * word), I64)

        def of_panel(word: PanelWord) -> Any:
            return e.load(e.offset(panel, 8 * word), I64)

        a = e.builder.add(argument(Argument.A), of_panel(PanelWord.A))
        c = e.builder.add(argument(Argument.C), of_panel(PanelWord.OUTPUT))
        r = e.builder.add(argument(Argument.R), of_panel(PanelWord.OUTPUT))
        w, block = of_panel(PanelWord.WEIGHTS), of_panel(PanelWord.BLOCK)
        segments, segment_offsets = (
            argument(Argument.SEGMENTS),
            argument(Argument.SEGMENT_OFFSETS),
        )
        epilogue = VectorEpilogue(e, self.epilogue, block, self.columns, self.multiply.lanes)
        masks = self._masks(e, of_panel(PanelWord.VALID))
        steps, partial = self._step_counts(e, argument(Argument.K))
        iterations = e.builder.ashr(steps, I64(_UNROLL.bit_length() - 1))
        rest = e.builder.and_(steps, I64(_UNROLL - 1))

        def tile(_: Any, places: list[Any]) -> Sequence[Any]:
            rows, outputs, residuals, ahead = places
            bias = [epilogue.bias(vector) for vector in range(self.vectors)]
            row_offsets = [e.builder.add(a, offset) for offset in self._table(e, rows)]

            def iteration(_: Any, carried: list[Any]) -> list[Any]:
                ahead, *state = carried
                for line in range(_LINES_AHEAD):
                    e.prefetch(e.offset(ahead, line * _LINE))
                state = self._steps(e, row_offsets, state, _UNROLL)
                return [e.offset(ahead, _LINES_AHEAD * _LINE), *state]

            def segment(index: Any, carried: list[Any]) -> Sequence[Any]:
                ahead, *state = carried
                start = e.load(e.builder.add(segment_offsets, e.builder.mul(index, I64(8))), I64)
                ahead, *state = e.loop(iterations, [ahead, start, *state], iteration)
                state = e.loop(rest, state, lambda _, now: self._steps(e, row_offsets, now, 1))
                if partial is not None:
                    last = self.multiply.partial_activation
                    state = e.loop(
                        partial, state, lambda _, now: self._steps(e, row_offsets, now, 1, last)
                    )
                return [ahead, *state[1:]]

            ahead, _, *sums = e.loop(segments, [ahead, w, *(bias * self.rows)], segment)
            self._finish(e, epilogue, sums, masks, c, outputs, r, residuals)
            return [*(e.offset(place, 8 * self.rows) for place in places[:-1]), ahead]

        skip = e.builder.mul(first, I64(8))
        tables = (Argument.ROWS, Argument.OUTPUTS, Argument.RESIDUALS)
        starts = [e.builder.add(argument(word), skip) for word in tables]
        # Each tile asks for its part of the next panel's weights.
        per_tile = e.builder.mul(e.builder.mul(segments, iterations), I64(_LINES_AHEAD * _LINE))
        done = e.builder.mul(e.builder.udiv(first, I64(self.rows)), per_tile)
        ahead = e.builder.add(of_panel(PanelWord.NEXT_WEIGHTS), done)
        e.loop(count, [*starts, ahead], tile)

    def _finish(
        self,
        e: Emitter,
        epilogue: VectorEpilogue,
        sums: list[Any],
        masks: list[Any],
        c: Any,
        outputs: Any,
        r: Any,
        residuals: Any,
    ) -> None:
        for row in range(self.rows):
            output = e.builder.add(c, e.load(e.offset(outputs, 8 * row), I64))
            residual = r
            if self.epilogue.residual:
                residual = e.builder.add(r, e.load(e.offset(residuals, 8 * row), I64))
            of_row = sums[row * self.vectors : (row + 1) * self.vectors]
            if self.epilogue.kind == "u8":
                epilogue.finish_bytes(of_row, output, residual, masks[0])
                continue
            for vector, total in enumerate(of_row):
                skip = vector * self.multiply.lanes * self.epilogue.output_size
                place, added = e.offset(output, skip), e.offset(residual, skip)
                epilogue.finish(total, vector, place, added, masks[vector])

    def _step_counts(self, e: Emitter, k: Any) -> tuple[Any, Any]:
        """Steps of a segment; and, if those are of 16-bit pairs, whether half a step remains."""
        if self.multiply.kind in ("bf16", "f16"):
            return e.builder.ashr(k, I64(1)), e.builder.and_(k, I64(1))
        if self.multiply.kind == "u8":
            return e.builder.ashr(e.offset(k, STEP_BYTES - 1), I64(2)), None
        return k, None

    def _masks(self, e: Emitter, valid: Any) -> list[Any]:
        """Which part of each stored vector is valid; None if all is."""
        lanes, size = self.multiply.lanes, self.epilogue.output_size
        if not self.masked:
            return [None] * self.vectors
        widths = [self.columns] if self.epilogue.kind == "u8" else [lanes] * self.vectors
        counts = [e.offset(valid, -lanes * i) for i in range(len(widths))]
        if size < 4 and self.multiply.isa.vector_bytes < 64:
            return [Prefix(count) for count in counts]  # AVX2 masks 32-bit elements only
        return [e.first_lanes(count, width) for count, width in zip(counts, widths, strict=True)]

    def _table(self, e: Emitter, address: Any) -> list[Any]:
        return [e.load(e.offset(address, 8 * row), I64) for row in range(self.rows)]

    def _steps(
        self, e: Emitter, rows: list[Any], state: list[Any], count: int, load: Any = None
    ) -> list[Any]:
        """`count` steps; the state is (byte offset from the rows, weights, accumulators...)."""
        position, w, *accumulators = state
        register = self.multiply.isa.vector_bytes
        for step in range(count):
            weights = [
                self.multiply.weights(e, e.offset(w, (step * self.vectors + vector) * register))
                for vector in range(self.vectors)
            ]
            for row, start in enumerate(rows):
                address = e.offset(e.builder.add(start, position), step * STEP_BYTES)
                activation = (load or self.multiply.activation)(e, address)
                for vector in range(self.vectors):
                    index = row * self.vectors + vector
                    accumulators[index] = self.multiply.accumulate(
                        e, accumulators[index], activation, weights[vector]
                    )
        position = e.offset(position, count * STEP_BYTES)
        return [position, e.offset(w, count * self.vectors * register), *accumulators]


@cache
def _function(tile: Tile) -> Kernel:
    return Kernel.of(GeneratedFunction(__name__, f"tile({tile})", 4, tile.emit))

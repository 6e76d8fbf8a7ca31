"""Depthwise 3x3 convolution that reads each input column once.

A tile walks along one or two output rows with a block of adjacent channels. The rows that its
windows cover are loaded column by column; a column stays in registers until the last window that
contains it is done:

    rows of x      window of p        window of p + 1                (stride 1, two output rows)
       0         c0   c1   c2
       1         c0   c1   c2     ->     c1   c2   c3     only c3 is loaded, and interleaved, anew
       2         c0   c1   c2
       3         c0   c1   c2

For bytes the four rows of a column are interleaved (see `interleave`), so that one dot product per
register serves an output row: the first output row has weight 0 in row 3, the second in row 0.

    u8 x s8     [block][column][output row][4 registers][L][4 rows]
    f32 x f32   [block][column][row][L]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from runtime.kernels import interleave
from runtime.kernels.abi import Kernel
from runtime.kernels.epilogue import EpilogueCode, VectorEpilogue
from runtime.kernels.intrinsics import argument, i64_pointer
from runtime.kernels.multiply import Multiply
from runtime.kernels.vector_ir import I8, I64, Emitter, HalfKind, Vector, generated

TAPS = 3  # the kernel's height and width
ROWS = 4  # rows of x in the offset table of a task
OUTPUTS = 2  # output rows of a task


@dataclass(frozen=True)
class ColumnsTile:
    """A block of channels of `outputs` (1 or 2) adjacent output rows, of vertical stride 1 if 2.

    step: columns from one window to the next if windows share columns (1 or 2), else 0.
    masked: not all channels of the block are stored.  half: the type of the activations if they are
    16-bit floats, which are widened; the weights are float32 then.
    """

    multiply: Multiply
    outputs: int
    step: int
    masked: bool
    epilogue: EpilogueCode
    half: HalfKind | None = None

    def __str__(self) -> str:
        m = self.multiply
        masked = "-masked" if self.masked else ""
        return (
            f"{m.isa}-{self.half or m.kind}-{self.outputs}-step{self.step}{masked}-{self.epilogue}"
        )

    @property
    def registers(self) -> int:
        """Accumulators per output pixel."""
        return interleave.REGISTERS if self.multiply.kind == "u8" else 1

    @property
    def channels(self) -> int:
        """Channels of a block."""
        return self.registers * self.multiply.lanes

    @property
    def interleaved(self) -> bool:
        """Whether the epilogue takes the sums in `interleave.order`."""
        return self.epilogue.interleaved(self.registers)

    def pack(self, weights: np.ndarray) -> np.ndarray:
        """Weights [channels <= self.channels, 3 rows, 3 columns] of one block, as drawn above."""
        count = len(weights)
        if self.multiply.kind == "f32":
            packed = np.zeros((TAPS, TAPS, self.channels), np.float32)
            packed[:, :, :count] = weights.transpose(2, 1, 0)
            return packed
        taps = np.zeros((TAPS, self.outputs, self.channels, ROWS), np.int8)
        for output in range(self.outputs):
            taps[:, output, :count, output : output + TAPS] = weights.transpose(2, 0, 1)
        lanes = self.multiply.lanes
        ordered = taps[:, :, interleave.order(lanes)]
        return self.multiply.pack(ordered.reshape(TAPS, self.outputs, self.registers, lanes, ROWS))

    def function(self) -> Any:
        """The tile as a function that numba kernels call with one tuple of int64:

        (count, A, rows, column, x_step, C, outputs, y_step, R, residuals, r_step, W, block, valid):
        `count` pixels; `rows`, `outputs`, `residuals` are tables of byte offsets of rows; `column`
        is the distance of two kernel columns, the steps lead from one pixel to the next; packed
        weights, the epilogue's block, and the number of channels to store.
        """
        return generated("depthwise_columns", 14, self._emit)

    def _emit(self, e: Emitter, arguments: list[Any]) -> None:
        (
            count,
            a,
            rows,
            column,
            x_step,
            c,
            outputs,
            y_step,
            r,
            residuals,
            r_step,
            w,
            block,
            valid,
        ) = arguments
        lanes = self.multiply.lanes
        epilogue = VectorEpilogue(e, self.epilogue, block, self.channels, lanes)
        masks: list[Any] = [None] * self.registers
        if self.masked and self.interleaved:
            masks = [e.first_lanes(valid, 4 * lanes)]
        elif self.masked:
            masks = [e.first_lanes(e.offset(valid, -lanes * i), lanes) for i in range(len(masks))]
        starts = [e.builder.add(a, self._entry(e, rows, i)) for i in range(self._input_rows)]
        places = [e.builder.add(c, self._entry(e, outputs, i)) for i in range(self.outputs)]
        added = [e.builder.add(r, self._entry(e, residuals, i)) for i in range(self.outputs)]
        kept = TAPS - self.step if self.step else 0
        held = [self._column(e, starts, e.builder.mul(column, I64(j))) for j in range(kept)]
        size = len(held[0]) if held else 0

        steps = (x_step, y_step, r_step)

        def pixel(_: Any, state: list[Any]) -> list[Any]:
            x, y, residual, *values = state
            columns = [values[j * size : (j + 1) * size] for j in range(kept)]
            columns += [
                self._column(e, starts, e.builder.add(x, e.builder.mul(column, I64(j))))
                for j in range(kept, TAPS)
            ]
            sums = [self._initial(e, epilogue) for _ in range(self.outputs)]
            for j, values in enumerate(columns):
                sums = self._accumulate(e, sums, values, w, j)
            # A missing second row is stored where the first one goes: that one comes last.
            for output in reversed(range(self.outputs)):
                self._finish(
                    e,
                    epilogue,
                    sums[output],
                    e.builder.add(places[output], y),
                    e.builder.add(added[output], residual),
                    masks,
                )
            following = [e.builder.add(at, by) for at, by in zip(state[:3], steps, strict=True)]
            return [*following, *(value for values in columns[TAPS - kept :] for value in values)]

        zero = I64(0)
        e.loop(count, [zero, zero, zero, *(value for values in held for value in values)], pixel)

    @property
    def _reordered(self) -> bool:
        """Whether sums are put in channel order before the epilogue."""
        return self.registers > 1 and not self.interleaved

    def _initial(self, e: Emitter, epilogue: VectorEpilogue) -> list[Any]:
        """The bias; nothing yet if the sums are in another order."""
        if self._reordered:
            return [self.multiply.zero(e)] * self.registers
        return [epilogue.bias(i) for i in range(self.registers)]

    @property
    def _input_rows(self) -> int:
        return self.outputs - 1 + TAPS

    def _entry(self, e: Emitter, table: Any, index: int) -> Any:
        return e.load(e.offset(table, 8 * index), I64)

    def _column(self, e: Emitter, starts: list[Any], at: Any) -> list[Any]:
        """One column of all rows, as operands of multiplications."""
        lanes = self.multiply.lanes
        addresses = [e.builder.add(start, at) for start in starts]
        if self.multiply.kind == "f32":
            return [e.load_floats(address, lanes, self.half) for address in addresses]
        kind = Vector(I8, 4 * lanes)
        loads = [e.load(address, kind) for address in addresses]
        loads += [kind([0] * 4 * lanes)] * (ROWS - len(loads))
        return interleave.interleave(e, loads, lanes)

    def _accumulate(
        self, e: Emitter, sums: list[list[Any]], values: list[Any], w: Any, column: int
    ) -> list[list[Any]]:
        """Adds the products of one column to the sums [output row][register]."""
        m, register = self.multiply, self.multiply.isa.vector_bytes
        if m.kind == "f32":
            weights = [
                m.weights(e, e.offset(w, (column * TAPS + row) * register)) for row in range(TAPS)
            ]
            for row, weight in enumerate(weights):
                sums = [
                    [m.accumulate(e, total[0], values[output + row], weight)]
                    for output, total in enumerate(sums)
                ]
            return sums
        operands = [m.from_bytes(e, value) for value in values]
        result = []
        for output, totals in enumerate(sums):
            start = (column * self.outputs + output) * self.registers
            result.append(
                [
                    m.accumulate(
                        e, total, operands[i], m.weights(e, e.offset(w, (start + i) * register))
                    )
                    for i, total in enumerate(totals)
                ]
            )
        return result

    def _finish(
        self,
        e: Emitter,
        epilogue: VectorEpilogue,
        sums: list[Any],
        place: Any,
        added: Any,
        masks: list[Any],
    ) -> None:
        """Stores one output pixel's sums."""
        if self.interleaved:
            epilogue.finish_bytes(sums, place, added, masks[0])
            return
        lanes = self.multiply.lanes
        if self._reordered:
            ordered = interleave.in_channel_order(e, sums, lanes)
            sums = [e.builder.add(total, epilogue.bias(i)) for i, total in enumerate(ordered)]
        for i, total in enumerate(sums):
            skip = i * lanes * self.epilogue.output_size
            epilogue.finish(total, i, e.offset(place, skip), e.offset(added, skip), masks[i])


@cache
def depthwise_columns_kernel(tile: ColumnsTile) -> Kernel:
    """The kernel that walks tasks (one or two output rows) and blocks; threads share the tasks."""
    run = tile.function()

    def depthwise(row: int, thread: int, threads: int) -> None:
        a = argument(row, 1)
        tasks = argument(row, 2)
        rows = argument(row, 3)
        column = argument(row, 4)
        c = argument(row, 5)
        outputs = argument(row, 6)
        r = argument(row, 7)
        residuals = argument(row, 8)
        blocks = argument(row, 9)
        starts = i64_pointer(argument(row, 10))
        counts = i64_pointer(argument(row, 11))
        x_step = argument(row, 12)
        y_step = argument(row, 13)
        r_step = argument(row, 14)
        weights = argument(row, 15)
        block_weights = argument(row, 16)
        epilogues = argument(row, 17)
        block_epilogue = argument(row, 18)
        itemsize = argument(row, 19)
        size = argument(row, 20)
        valid = argument(row, 21)
        for task in range(tasks * thread // threads, tasks * (thread + 1) // threads):
            for block in range(blocks):
                run(
                    (
                        counts[block],
                        a + starts[block] * itemsize,
                        rows + task * 8 * ROWS,
                        column,
                        x_step,
                        c + starts[block] * size,
                        outputs + task * 8 * OUTPUTS,
                        y_step,
                        r + starts[block] * size,
                        residuals + task * 8 * OUTPUTS,
                        r_step,
                        weights + block * block_weights,
                        epilogues + block * block_epilogue,
                        valid,
                    )
                )

    return Kernel.of(depthwise, tile)

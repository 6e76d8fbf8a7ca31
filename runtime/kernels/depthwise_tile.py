"""The depthwise tile for windows of any shape: four registers of channels of one pixel at a time.

u8 x s8: the dot-product instruction sums four products per lane, so the bytes of four taps are
interleaved (see `interleave`); weights are packed in the order of channels that this gives:

    u8 x s8     [block][taps / 4][4 registers][L][4]          missing taps have weight 0
    f32 x f32   [block][tap][registers][L]
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
from runtime.kernels.isa import AVX512_VNNI
from runtime.kernels.multiply import Multiply
from runtime.kernels.vector_ir import I8, I64, Emitter, HalfKind, Vector, generated

TAPS = 4  # per dot product

UNROLLED_STEPS = {(AVX512_VNNI, "u8"): 3}
"""Up to so many steps (12 taps) the weights stay in registers: 4 each of the 32."""


@dataclass(frozen=True)
class DepthwiseTile:
    """A block of `registers` * lanes channels; masked if not all of them are stored.

    unrolled: number of steps if the weights are kept in registers, else 0.  half: the type of the
    activations if they are 16-bit floats, which are widened; the weights are float32 then.
    """

    multiply: Multiply
    registers: int
    masked: bool
    unrolled: int
    epilogue: EpilogueCode
    half: HalfKind | None = None

    def __str__(self) -> str:
        m = self.multiply
        masked = "-masked" if self.masked else ""
        kind = self.half or m.kind
        return f"{m.isa}-{kind}-x{self.registers}{masked}-u{self.unrolled}-{self.epilogue}"

    def pack(self, weights: np.ndarray, steps: int) -> np.ndarray:
        """Weights [channels, taps] of one block, as drawn above."""
        lanes = self.multiply.lanes
        count, taps = weights.shape
        if self.multiply.kind == "f32":
            packed = np.zeros((steps, self.registers * lanes), np.float32)
            packed[:, :count] = weights.T
            return packed
        padded = np.zeros((interleave.REGISTERS * lanes, steps * TAPS), np.int8)
        padded[:count, :taps] = weights
        groups = padded[interleave.order(lanes)].reshape(interleave.REGISTERS, lanes, steps, TAPS)
        return self.multiply.pack(groups.transpose(2, 0, 1, 3))

    def function(self) -> Any:
        """The tile as a function that numba kernels call with one tuple of int64:

        (count, A, x_step, C, y_step, R, r_step, W, steps, taps, block, valid): `count` pixels from
        addresses A, C and R, packed weights, table of tap offsets, the epilogue's block and the
        number of channels to store.
        """
        return generated("depthwise_tile", 12, self._emit)

    def _emit(self, e: Emitter, arguments: list[Any]) -> None:
        count, a, x_step, c, y_step, r, r_step, w, steps, taps, block, valid = arguments
        lanes, size = self.multiply.lanes, self.epilogue.output_size
        epilogue = VectorEpilogue(e, self.epilogue, block, self.columns, lanes)
        masks: list[Any] = [None] * self.registers
        if self.masked and self.interleaved:
            masks = [e.first_lanes(valid, 4 * lanes)]
        elif self.masked:
            masks = [e.first_lanes(e.offset(valid, -lanes * i), lanes) for i in range(len(masks))]
        kept = [
            (self._weights(e, w, I64(step)), self._tap_offsets(e, taps, I64(step)))
            for step in range(self.unrolled)
        ]

        def pixel(_: Any, state: list[Any]) -> list[Any]:
            x, output, residual = state
            sums = [self.multiply.zero(e)] * self._sums
            if self.unrolled:
                for weights, offsets in kept:
                    sums = self._step(e, x, weights, offsets, sums)
            else:
                sums = e.loop(
                    steps,
                    sums,
                    lambda step, sums: self._step(
                        e, x, self._weights(e, w, step), self._tap_offsets(e, taps, step), sums
                    ),
                )
            add = e.builder.add if self.multiply.kind == "u8" else e.builder.fadd
            if self.interleaved:
                sums = [add(total, epilogue.bias(i)) for i, total in enumerate(sums)]
                epilogue.finish_bytes(sums, output, residual, masks[0])
            else:
                if self.multiply.kind == "u8":
                    sums = interleave.in_channel_order(e, sums, lanes)
                for i, total in enumerate(sums[: self.registers]):
                    skip = i * lanes * size
                    place, added = e.offset(output, skip), e.offset(residual, skip)
                    epilogue.finish(add(total, epilogue.bias(i)), i, place, added, masks[i])
            return [
                e.builder.add(address, step)
                for address, step in ((x, x_step), (output, y_step), (residual, r_step))
            ]

        e.loop(count, [a, c, r], pixel)

    @property
    def interleaved(self) -> bool:
        """Whether the epilogue takes the sums in `interleave.order`."""
        return self.epilogue.interleaved(self._sums)

    @property
    def columns(self) -> int:
        """Channels in the epilogue's block."""
        return (self._sums if self.interleaved else self.registers) * self.multiply.lanes

    @property
    def _sums(self) -> int:
        """Accumulators: interleaving always fills four registers."""
        return interleave.REGISTERS if self.multiply.kind == "u8" else self.registers

    def _weights(self, e: Emitter, w: Any, step: Any) -> list[Any]:
        register = self.multiply.isa.vector_bytes
        start = e.builder.add(w, e.builder.mul(step, I64(self._sums * register)))
        return [self.multiply.weights(e, e.offset(start, i * register)) for i in range(self._sums)]

    def _tap_offsets(self, e: Emitter, taps: Any, step: Any) -> list[Any]:
        number = TAPS if self.multiply.kind == "u8" else 1
        start = e.builder.add(taps, e.builder.mul(step, I64(8 * number)))
        return [e.load(e.offset(start, 8 * tap), I64) for tap in range(number)]

    def _step(
        self, e: Emitter, x: Any, weights: list[Any], offsets: list[Any], sums: list[Any]
    ) -> list[Any]:
        """Adds the products of one step: four taps of bytes, or one of floats."""
        addresses = [e.builder.add(x, offset) for offset in offsets]
        lanes = self.multiply.lanes
        if self.multiply.kind == "u8":
            loads = [e.load(address, Vector(I8, 4 * lanes)) for address in addresses]
            values = [
                self.multiply.from_bytes(e, value)
                for value in interleave.interleave(e, loads, lanes)
            ]
        else:
            size = lanes * (2 if self.half else 4)
            values = [
                e.load_floats(e.offset(addresses[0], size * i), lanes, self.half)
                for i in range(self._sums)
            ]
        return [
            self.multiply.accumulate(e, acc, value, weight)
            for acc, value, weight in zip(sums, values, weights, strict=True)
        ]


@cache
def depthwise_kernel(tile: DepthwiseTile) -> Kernel:
    """The kernel that walks lines and blocks with one kind of tile; threads share the lines."""
    run = tile.function()

    def depthwise(row: int, thread: int, threads: int) -> None:
        a = argument(row, 1)
        line_count = argument(row, 2)
        lines = i64_pointer(argument(row, 3))
        c = argument(row, 4)
        outputs = i64_pointer(argument(row, 5))
        r = argument(row, 6)
        residuals = i64_pointer(argument(row, 7))
        blocks = argument(row, 8)
        starts = i64_pointer(argument(row, 9))
        counts = i64_pointer(argument(row, 10))
        x_step = argument(row, 11)
        y_step = argument(row, 12)
        r_step = argument(row, 13)
        weights = argument(row, 14)
        block_weights = argument(row, 15)
        epilogues = argument(row, 16)
        block_epilogue = argument(row, 17)
        steps = argument(row, 18)
        taps = argument(row, 19)
        itemsize = argument(row, 20)
        size = argument(row, 21)
        valid = argument(row, 22)
        for line in range(line_count * thread // threads, line_count * (thread + 1) // threads):
            for block in range(blocks):
                run(
                    (
                        counts[block],
                        a + lines[line] + starts[block] * itemsize,
                        x_step,
                        c + outputs[line] + starts[block] * size,
                        y_step,
                        r + residuals[line] + starts[block] * size,
                        r_step,
                        weights + block * block_weights,
                        steps,
                        taps,
                        epilogues + block * block_epilogue,
                        valid,
                    )
                )

    return Kernel.of(depthwise, tile)

"""Generated code that multiplies with, or unpacks, weights in blocks of few bits.

    part[m, n]  = sum over k of a block of  a[m, k] * (q[k, n] - middle)
    total[m, n] += (part[m, n] - z[n] * sum of the block's a[m, k]) * scale[n]

`WeightTile` computes a few rows times a panel of columns: the weights are read once, as few bytes
as they are, and become floats in registers. For one or two rows a block's scale is applied to its
sums; with three or four it is cheaper, also in registers, to scale each weight. With more rows it
is cheaper to write a panel's floats once (`Unpack`) and to multiply with the float32 tiles
(`tile`). `nbits_format` draws how weights lie.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

from runtime.kernels.abi import Kernel
from runtime.kernels.epilogue import EpilogueCode, VectorEpilogue
from runtime.kernels.nbits_format import BlockFormat
from runtime.kernels.tile import Argument, PanelWord
from runtime.kernels.vector_ir import F32, I64, Emitter, GeneratedFunction, Vector

_FEW_ROWS = 2
"""With more rows there are more sums to scale than weights."""


class BlockArgument(IntEnum):
    """The words of a call's row behind those of `tile.Argument`."""

    BLOCK = 15  # weights along K that share a scale
    BLOCKS = 16
    UNPACK = 17  # address of the function that unpacks a panel
    SCRATCH = 18  # memory for one panel of floats per thread
    SCRATCH_BYTES = 19  # of one thread
    SLOTS = 20  # how many threads have some


def _word(e: Emitter, row: Any, word: IntEnum) -> Any:
    return e.load(e.offset(row, 8 * word), I64)


def _least(e: Emitter, a: Any, b: Any) -> Any:
    return e.builder.select(e.builder.icmp_signed("<", a, b), a, b)


@dataclass(frozen=True)
class WeightTile:
    """`rows` rows times one panel; masked: store some columns only.

    A generated function `tile(row, panel, first, count)` as in `tile`, of which `first` and `count`
    are 0 and 1: all rows are in one tile.
    """

    format: BlockFormat
    rows: int
    masked: bool
    epilogue: EpilogueCode

    def __str__(self) -> str:
        masked = "-masked" if self.masked else ""
        return f"{self.format}-{self.rows}{masked}-{self.epilogue}"

    @property
    def function(self) -> Kernel:
        return _tile_function(self)

    def emit(self, e: Emitter, arguments: list[Any]) -> None:
        row, panel, _, _ = arguments
        form, lanes = self.format, self.format.lanes
        a = _word(e, row, Argument.A)
        output = _word(e, panel, PanelWord.OUTPUT)
        c = e.builder.add(_word(e, row, Argument.C), output)
        r = e.builder.add(_word(e, row, Argument.R), output)
        epilogue = VectorEpilogue(
            e, self.epilogue, _word(e, panel, PanelWord.BLOCK), form.columns, lanes
        )
        table = _word(e, row, Argument.ROWS)
        starts = [e.builder.add(a, e.load(e.offset(table, 8 * m), I64)) for m in range(self.rows)]
        bias = [epilogue.bias(v) for v in range(form.vectors)]
        size = _word(e, row, BlockArgument.BLOCK)
        bytes_of_block = self._block_bytes(e, size)
        state = [
            _word(e, panel, PanelWord.WEIGHTS), I64(0), _word(e, row, Argument.K),
            *(bias * self.rows),
        ]  # fmt: skip

        def block(_: Any, carried: list[Any]) -> list[Any]:
            place, position, left, *totals = carried
            count = _least(e, size, left)
            totals = self._block(e, place, starts, position, count, totals)
            return [
                e.builder.add(place, bytes_of_block),
                e.builder.add(position, e.builder.mul(count, I64(4))),
                e.builder.sub(left, count),
                *totals,
            ]

        _, _, _, *totals = e.loop(_word(e, row, BlockArgument.BLOCKS), state, block)
        self._finish(e, epilogue, row, panel, c, r, totals)

    def _block_bytes(self, e: Emitter, size: Any) -> Any:
        form, builder = self.format, e.builder
        steps = builder.sdiv(e.offset(size, form.step - 1), I64(form.step))
        return e.offset(
            builder.mul(steps, I64(form.vectors * form.register_bytes)), form.head_bytes
        )

    def _block(
        self,
        e: Emitter,
        place: Any,
        starts: list[Any],
        position: Any,
        count: Any,
        totals: list[Any],
    ) -> list[Any]:
        """The totals of all rows and registers, with those of one block."""
        scales = self.format.scales(e, place)
        zeros = self.format.zeros(e, place) if self.format.zero_points else []
        data = e.offset(place, self.format.head_bytes)
        if self.rows > _FEW_ROWS:
            scaled = self._scaled(e, scales, zeros)
            _, *totals = self._accumulate(e, data, starts, position, count, totals, scaled)
            return totals
        return self._scaled_sums(e, data, starts, position, count, totals, scales, zeros)

    def _scaled(self, e: Emitter, scales: list[Any], zeros: list[Any]) -> Callable[[int, Any], Any]:
        """(register, stored weights less the middle) -> the real ones."""
        if not zeros:
            return lambda v, value: e.builder.fmul(value, scales[v])
        less = [
            e.builder.fsub(self._zero(), e.builder.fmul(zero, scale))
            for zero, scale in zip(zeros, scales, strict=True)
        ]
        return lambda v, value: self._fma(e, value, scales[v], less[v])

    def _scaled_sums(
        self,
        e: Emitter,
        data: Any,
        starts: list[Any],
        position: Any,
        count: Any,
        totals: list[Any],
        scales: list[Any],
        zeros: list[Any],
    ) -> list[Any]:
        """The totals with the sums of a block, which are scaled when they are complete."""
        vectors = self.format.vectors
        activations = [self._zero()] * (self.rows if zeros else 0)
        state = [*([self._zero()] * len(totals)), *activations]
        _, *state = self._accumulate(
            e, data, starts, position, count, state, lambda _, value: value
        )
        for index, total in enumerate(totals):
            m, v = divmod(index, vectors)
            part = state[index]
            if zeros:
                less = e.builder.fmul(zeros[v], state[len(totals) + m])
                part = e.builder.fsub(part, less)
            totals[index] = self._fma(e, part, scales[v], total)
        return totals

    def _accumulate(
        self,
        e: Emitter,
        data: Any,
        starts: list[Any],
        position: Any,
        count: Any,
        state: list[Any],
        real: Callable[[int, Any], Any],
    ) -> list[Any]:
        """(position, sums of rows and registers, then sums of activations if `state` has them)."""
        vectors = self.format.vectors
        products = self.rows * vectors

        def weight(weights: Callable[[int], Any], carried: list[Any]) -> list[Any]:
            offset, *sums = carried
            loaded = [real(v, weights(v)) for v in range(vectors)]
            for m, start in enumerate(starts):
                x = e.splat(e.load(e.builder.add(start, offset), F32), self.format.lanes)
                for v in range(vectors):
                    index = m * vectors + v
                    sums[index] = self._fma(e, x, loaded[v], sums[index])
                if len(sums) > products:
                    sums[products + m] = e.builder.fadd(sums[products + m], x)
            return [e.offset(offset, 4), *sums]

        return self.format.for_each_weight(e, data, count, [position, *state], weight)

    def _zero(self) -> Any:
        return Vector(F32, self.format.lanes)([0.0] * self.format.lanes)

    def _fma(self, e: Emitter, a: Any, b: Any, c: Any) -> Any:
        return e.call(f"llvm.fma.v{self.format.lanes}f32", c.type, a, b, c)

    def _finish(
        self,
        e: Emitter,
        epilogue: VectorEpilogue,
        row: Any,
        panel: Any,
        c: Any,
        r: Any,
        totals: list[Any],
    ) -> None:
        lanes = self.format.lanes
        outputs = _word(e, row, Argument.OUTPUTS)
        residuals = _word(e, row, Argument.RESIDUALS)
        valid = _word(e, panel, PanelWord.VALID)
        for v in range(self.format.vectors):
            mask = e.first_lanes(e.offset(valid, -lanes * v), lanes) if self.masked else None
            for m in range(self.rows):
                place = e.builder.add(c, e.load(e.offset(outputs, 8 * m), I64))
                added = r
                if self.epilogue.residual:
                    added = e.builder.add(r, e.load(e.offset(residuals, 8 * m), I64))
                skip = 4 * lanes * v
                total = totals[m * self.format.vectors + v]
                epilogue.finish(total, v, e.offset(place, skip), e.offset(added, skip), mask)


@dataclass(frozen=True)
class Unpack:
    """A panel's weights as float32 [k][NR][L]: (q - zero point) * scale, as the reference rounds.

    A generated function `unpack(row, panel's weights, floats, 0)`.
    """

    format: BlockFormat

    @property
    def function(self) -> Kernel:
        return _unpack_function(self)

    def emit(self, e: Emitter, arguments: list[Any]) -> None:
        row, packed, floats, _ = arguments
        form = self.format
        size = _word(e, row, BlockArgument.BLOCK)
        steps = e.builder.sdiv(e.offset(size, form.step - 1), I64(form.step))
        bytes_of_block = e.offset(
            e.builder.mul(steps, I64(form.vectors * form.register_bytes)), form.head_bytes
        )

        def block(_: Any, carried: list[Any]) -> list[Any]:
            place, left, target = carried
            count = _least(e, size, left)
            scales = form.scales(e, place)
            zeros = form.zeros(e, place) if form.zero_points else []

            def weight(weights: Callable[[int], Any], state: list[Any]) -> list[Any]:
                (at,) = state
                for v in range(form.vectors):
                    value = weights(v)
                    if form.zero_points:
                        value = e.builder.fsub(value, zeros[v])
                    value = e.builder.fmul(value, scales[v])
                    e.store(value, e.offset(at, 4 * form.lanes * v))
                return [e.offset(at, 4 * form.columns)]

            data = e.offset(place, form.head_bytes)
            (target,) = form.for_each_weight(e, data, count, [target], weight)
            return [e.builder.add(place, bytes_of_block), e.builder.sub(left, count), target]

        e.loop(
            _word(e, row, BlockArgument.BLOCKS),
            [packed, _word(e, row, Argument.K), floats],
            block,
        )


@cache
def _tile_function(tile: WeightTile) -> Kernel:
    return Kernel.of(GeneratedFunction(__name__, f"tile({tile})", 4, tile.emit))


@cache
def _unpack_function(unpack: Unpack) -> Kernel:
    return Kernel.of(GeneratedFunction(__name__, f"unpack({unpack.format})", 4, unpack.emit))

"""Loops that do nothing but one thing, as fast as the machine can: what other times compare with.

multiplications   independent sums in registers (or tile registers), operands at hand
the clock         a chain of 64-bit multiplications, each of which takes three cycles on every
                  current x86-64 and 64-bit Arm core
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir

from runtime.kernels.abi import Kernel
from runtime.kernels.amx_tile import configure_tiles, release_tiles, tile_configuration
from runtime.kernels.intrinsics import argument
from runtime.kernels.isa import AMX, Isa
from runtime.kernels.multiply import ElementKind, Multiply, multiply_for
from runtime.kernels.vector_ir import I8, I64, Emitter, generated

KINDS: tuple[ElementKind, ...] = ("u8", "bf16", "f32")

MEMORY_BYTES = 4096
"""Of operands and results; the first bytes are `tile_configuration`."""

CHAIN = 8
"""Pairs of operations per iteration of `clock_kernel`."""
CHAIN_CYCLES = 4 * CHAIN

_ITERATIONS, _MEMORY = 1, 2
_OPERANDS = 1024  # from the start of the memory
_SUMS = 12
_TILE_SUMS = 4
_TILE_ROWS, _TILE_BYTES = 16, 64
_TILE_PRODUCT = {"u8": ("tdpbusd", 16 * 16 * 64), "bf16": ("tdpbf16ps", 16 * 16 * 32)}
"""Instruction and multiply-accumulates of a product of two tiles."""


def macs_per_iteration(isa: Isa, kind: ElementKind) -> int:
    """Multiply-accumulates of one iteration of `peak_kernel`; 0 if there is no such kernel."""
    if isa.includes(AMX) and kind in _TILE_PRODUCT:
        return _TILE_SUMS * _TILE_PRODUCT[kind][1]
    multiply = multiply_for(isa, kind)
    taps = {"u8": 4, "bf16": 2, "f32": 1}[kind]
    return 0 if multiply is None else _SUMS * multiply.lanes * taps


def _emit_vectors(multiply: Multiply) -> Any:
    def emit(e: Emitter, arguments: list[Any]) -> None:
        memory, iterations = arguments
        operands = e.offset(memory, _OPERANDS)
        activation = multiply.activation(e, operands)
        weights = multiply.weights(e, e.offset(operands, 256))

        def body(index: Any, sums: list[Any]) -> list[Any]:
            return [multiply.accumulate(e, total, activation, weights) for total in sums]

        sums = e.loop(iterations, [multiply.zero(e)] * _SUMS, body)
        for number, total in enumerate(sums):
            e.store(total, e.offset(operands, 512 + 64 * number))

    return emit


def _emit_tiles(kind: str) -> Any:
    instruction = _TILE_PRODUCT[kind][0]

    def emit(e: Emitter, arguments: list[Any]) -> None:
        def tile(name: str, *operands: Any) -> None:
            e.call(f"llvm.x86.{name}", ir.VoidType(), *operands)

        _, iterations = arguments
        for register in range(8):
            tile("tilezero", I8(register))

        def body(index: Any, nothing: list[Any]) -> list[Any]:
            for total in range(_TILE_SUMS):
                tile(instruction, I8(total), I8(4 + total // 2), I8(6 + total % 2))
            return []

        e.loop(iterations, [], body)

    return emit


@cache
def peak_kernel(isa: Isa, kind: ElementKind) -> Kernel:
    """Multiplies for a number of iterations: `(iterations, memory)`.

    Raises `ValueError` where plain loops serve (`macs_per_iteration` is 0).
    """
    if isa.includes(AMX) and kind in _TILE_PRODUCT:
        multiply_tiles = generated(f"peak_{kind}_tiles", 2, _emit_tiles(kind))

        def peak(row: int, thread: int, threads: int) -> None:
            memory = argument(row, _MEMORY)
            configure_tiles((memory,))
            multiply_tiles((memory, argument(row, _ITERATIONS)))
            release_tiles((0,))

        return Kernel.of(peak, "tiles", kind)
    multiply = multiply_for(isa, kind)
    if multiply is None:
        raise ValueError(f"{isa} has no multiplication of {kind}")
    multiply_vectors = generated(f"peak_{kind}", 2, _emit_vectors(multiply))

    def peak(row: int, thread: int, threads: int) -> None:
        multiply_vectors((argument(row, _MEMORY), argument(row, _ITERATIONS)))

    return Kernel.of(peak, multiply.isa, kind)


def tile_memory() -> bytes:
    """What the memory of `peak_kernel` begins with."""
    return tile_configuration(_TILE_ROWS)


def _emit_chain(e: Emitter, arguments: list[Any]) -> None:
    memory, iterations = arguments
    factor = e.load(memory, I64)

    def body(index: Any, carried: list[Any]) -> list[Any]:
        value = carried[0]
        for _ in range(CHAIN):
            value = e.builder.xor(e.builder.mul(value, factor), index)
        return [value]

    e.store(e.loop(iterations, [factor], body)[0], e.offset(memory, _OPERANDS))


_chain = generated("chain", 2, _emit_chain)


def _clock(row: int, thread: int, threads: int) -> None:
    _chain((argument(row, _MEMORY), argument(row, _ITERATIONS)))


clock_kernel = Kernel.of(_clock)
"""Takes `CHAIN_CYCLES` cycles per iteration: `(iterations, memory)`."""


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every loop of an instruction set."""
    kinds = [kind for kind in KINDS if macs_per_iteration(isa, kind)]
    return [clock_kernel, *(peak_kernel(isa, kind) for kind in kinds)]

"""What this machine's arithmetic instructions can do at most, measured.

    python benchmarks/peak.py

Each probe is a loop of one instruction on registers, with more independent accumulators than its
latency needs, so that only its throughput counts. Instructions that the machine lacks are left out.
"""

from __future__ import annotations

import ctypes
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

ACCUMULATORS = 12
"""Two units with a latency of up to six cycles."""

TILES = 4

RESULTS, TILE_CONFIGURATION, BUFFER_BYTES = 1024, 3072, 4096
"""Offsets in the buffer that a probe gets, and its size."""

ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA = 0x1023, 18
"""Linux gives a process the tile registers on request only (arch_prctl, Linux 5.16)."""

CYCLES_PER_RUN, RUNS = 1_000_000, 5

MULTIPLY_LATENCY = 3
"""Cycles of a 64-bit multiplication, on Intel since Nehalem and AMD since Zen."""


@dataclass(frozen=True)
class Instruction:
    """An instruction `accumulator += a * b` as an LLVM intrinsic, and its MACs."""

    name: str
    precision: str
    needs: str
    intrinsic: str
    accumulator: str
    operand: str
    macs: int


VECTOR_INSTRUCTIONS = (
    Instruction(
        "vpdpbusd zmm",
        "int8",
        "avx512vnni",
        "llvm.x86.avx512.vpdpbusd.512",
        "<16 x i32>",
        "<16 x i32>",
        64,
    ),
    Instruction(
        "vpdpbusd ymm",
        "int8",
        "avxvnni",
        "llvm.x86.avx512.vpdpbusd.256",
        "<8 x i32>",
        "<8 x i32>",
        32,
    ),
    Instruction(
        "vdpbf16ps zmm",
        "bf16",
        "avx512bf16",
        "llvm.x86.avx512bf16.dpbf16ps.512",
        "<16 x float>",
        "<32 x bfloat>",
        32,
    ),
    Instruction(
        "vfmadd231ps zmm",
        "f32",
        "avx512f",
        "llvm.fma.v16f32",
        "<16 x float>",
        "<16 x float>",
        16,
    ),
    Instruction(
        "vfmadd231ps ymm",
        "f32",
        "fma",
        "llvm.fma.v8f32",
        "<8 x float>",
        "<8 x float>",
        8,
    ),
)

TILE_INSTRUCTIONS = (
    Instruction("tdpbusd", "int8", "amx-int8", "llvm.x86.tdpbusd", "", "", 16 * 16 * 64),
    Instruction("tdpbf16ps", "bf16", "amx-bf16", "llvm.x86.tdpbf16ps", "", "", 16 * 16 * 32),
)


@dataclass(frozen=True)
class Probe:
    """`measure(repeats)` runs the loop.

    One repeat does `macs` (of the clock: cycles) and takes at least `cycles`.
    """

    name: str
    precision: str
    unit: str
    macs: int
    cycles: int
    measure: Callable[[int], None]

    def rate(self) -> float:
        """MACs (of the clock: cycles) per second: the best of a few short runs.

        A run is far shorter than a time slice, so that some are not interrupted, and far longer
        than the clock takes to read.
        """
        repeats = CYCLES_PER_RUN // self.cycles
        best = float("inf")
        for _ in range(RUNS):
            start = time.perf_counter()
            self.measure(repeats)
            best = min(best, time.perf_counter() - start)
        return self.macs * repeats / best


@cache
def probes() -> tuple[Probe, ...]:
    """The clock, and for each precision the best vector and tile instruction of this machine."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return ()
    features = llvm.get_host_cpu_features()
    chain = 4 * MULTIPLY_LATENCY
    found = [Probe("clock", "", "clock", chain, chain, _compiled(_CLOCK))]
    for precision in ("int8", "bf16", "f32"):
        vectors, tiles = (
            [i for i in kind if i.precision == precision and features.get(i.needs)]
            for kind in (VECTOR_INSTRUCTIONS, TILE_INSTRUCTIONS)
        )
        found += [_probe(i, "vector", ACCUMULATORS, 6, _vector_loop(i)) for i in vectors[:1]]
        if tiles and _tiles_permitted():
            found += [_probe(i, "amx", TILES, 64, _tile_loop(i)) for i in tiles]
    return tuple(found)


def measure_peaks() -> dict[str, float]:
    """Rates of one core now: `"int8 vector"` ... in MACs per second, `"clock"` in Hz."""
    return {f"{p.precision} {p.unit}".strip(): p.rate() for p in probes()}


def _probe(instruction: Instruction, unit: str, count: int, cycles: int, text: str) -> Probe:
    macs = count * instruction.macs
    return Probe(instruction.name, instruction.precision, unit, macs, cycles, _compiled(text))


def _tiles_permitted() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    arch_prctl = 158
    libc = ctypes.CDLL(None)
    return libc.syscall(arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0


_engines: list[Any] = []


def _compiled(text: str) -> Callable[[int], None]:
    """The function `probe(ptr, i64)` of a module, given a buffer of its own."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    module = llvm.parse_assembly(text)
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    _engines.append(engine)  # owns the code
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(
        engine.get_function_address("probe")
    )
    # Operands are zeros: tiny numbers (subnormal ones) would take a slow path.
    buffer = np.zeros(BUFFER_BYTES + 64, np.uint8)
    aligned = buffer[-buffer.ctypes.data % 64 :]
    _tile_configuration(aligned[TILE_CONFIGURATION:])

    def run(repeats: int) -> None:
        function(aligned.ctypes.data, repeats)

    return run


def _tile_configuration(buffer: np.ndarray) -> None:
    """Palette 1, eight tiles of 16 rows of 64 bytes (Intel SDM, LDTILECFG)."""
    buffer[0] = 1
    buffer[16:32].view(np.uint16)[:] = 64
    buffer[48:56] = 16


def _loop(declarations: str, setup: str, phis: str, body: str, finish: str) -> str:
    return f"""
{declarations}
define void @probe(ptr %buffer, i64 %repeats) {{
entry:
{setup}
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%next, %loop]
{phis}
{body}
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %repeats
  br i1 %more, label %loop, label %exit
exit:
{finish}
  ret void
}}
"""


def _vector_loop(instruction: Instruction) -> str:
    acc, operand, name = instruction.accumulator, instruction.operand, instruction.intrinsic
    order = "{a}, {b}, {c}" if name.startswith("llvm.fma") else "{c}, {a}, {b}"
    setup = (
        f"  %a = load {operand}, ptr %buffer, align 64\n"
        "  %p = getelementptr i8, ptr %buffer, i64 64\n"
        f"  %b = load {operand}, ptr %p, align 64"
    )
    phis = "\n".join(
        f"  %c{n} = phi {acc} [zeroinitializer, %entry], [%d{n}, %loop]"
        for n in range(ACCUMULATORS)
    )
    body = "\n".join(
        f"  %d{n} = call {acc} @{name}("
        + order.format(a=f"{operand} %a", b=f"{operand} %b", c=f"{acc} %c{n}")
        + ")"
        for n in range(ACCUMULATORS)
    )
    finish = "\n".join(
        f"  %q{n} = getelementptr i8, ptr %buffer, i64 {RESULTS + 64 * n}\n"
        f"  store {acc} %d{n}, ptr %q{n}, align 64"
        for n in range(ACCUMULATORS)
    )
    return _loop(f"declare {acc} @{name}({acc}, {operand}, {operand})", setup, phis, body, finish)


def _tile_loop(instruction: Instruction) -> str:
    name = instruction.intrinsic
    declarations = f"""
declare void @llvm.x86.ldtilecfg(ptr)
declare void @llvm.x86.tilerelease()
declare void @llvm.x86.tilezero(i8)
declare void @{name}(i8, i8, i8)"""
    zero = "\n".join(f"  call void @llvm.x86.tilezero(i8 {n})" for n in range(TILES + 2))
    a, b = TILES, TILES + 1
    body = "\n".join(f"  call void @{name}(i8 {n}, i8 {a}, i8 {b})" for n in range(TILES))
    setup = (
        f"  %configuration = getelementptr i8, ptr %buffer, i64 {TILE_CONFIGURATION}\n"
        f"  call void @llvm.x86.ldtilecfg(ptr %configuration)\n{zero}"
    )
    return _loop(declarations, setup, "", body, "  call void @llvm.x86.tilerelease()")


_CLOCK = _loop(
    "",
    "  %x = load i64, ptr %buffer",
    "  %x0 = phi i64 [%x, %entry], [%x4, %loop]",
    "\n".join(f"  %x{n + 1} = mul i64 %x{n}, %x{n}" for n in range(4)),
    "  store i64 %x4, ptr %buffer",
)
"""A chain of multiplications, each of which waits for the one before."""


def main() -> int:
    from rich.console import Console
    from rich.table import Table

    table = Table("instruction", "precision", "per second, one core", "per cycle")
    clock = 0.0
    for probe in probes():
        rate = max(probe.rate() for _ in range(5))
        if probe.name == "clock":
            clock = rate
            table.add_row("clock", "", f"{rate / 1e9:.2f} GHz", "")
        else:
            figures = f"{rate / 1e9:.0f} GMAC", f"{rate / clock:.0f} MAC"
            table.add_row(probe.name, probe.precision, *figures)
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

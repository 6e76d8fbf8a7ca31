"""The instruction sets kernels are written for, and which of them this machine has.

An `Isa` selects what a *generator* emits (vector width, dot-product instruction).  What LLVM may
use for plain loops is the CPU that numba compiles for: the host, or `NUMBA_CPU_NAME` and
`NUMBA_CPU_FEATURES`.  Those two variables are also the way to try another machine's kernels here.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from dataclasses import dataclass
from functools import cache

import llvmlite.binding as llvm


@dataclass(frozen=True)
class Isa:
    """One instruction set.

    `vector_bytes` is the width of the registers that generated tiles use; 0 means that no tile is
    generated and plain loops are compiled instead.  `adds` are the LLVM feature names it needs on
    top of those of the set it `extends`: kernels of that set run on this one too, and serve where
    this one has none of its own.
    """

    name: str
    vector_bytes: int
    adds: frozenset[str] = frozenset()
    extends: Isa | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def requires(self) -> frozenset[str]:
        """Every LLVM feature name it needs."""
        return frozenset().union(*(isa.adds for isa in self.lineage))

    @property
    def lineage(self) -> tuple[Isa, ...]:
        """The set itself and those it extends, most special first."""
        return (self, *(self.extends.lineage if self.extends else ()))

    def includes(self, other: Isa) -> bool:
        """Whether kernels of `other` run on this set."""
        return other in self.lineage


def _features(text: str) -> frozenset[str]:
    return frozenset(text.split())


PORTABLE = Isa("portable", 0)
AVX2 = Isa("avx2", 32, _features("avx2 fma f16c"))
AVX_VNNI = Isa("avx_vnni", 32, _features("avxvnni"), AVX2)
AVX512BW = Isa("avx512bw", 64, _features("avx512f avx512bw avx512dq avx512vl"), AVX2)
AVX512_VNNI = Isa("avx512_vnni", 64, _features("avx512vnni"), AVX512BW)
AVX512_BF16 = Isa("avx512_bf16", 64, _features("avx512bf16"), AVX512_VNNI)
AMX = Isa("amx", 64, _features("amx-tile amx-int8 amx-bf16"), AVX512_BF16)

ISAS: tuple[Isa, ...] = (
    AMX,
    AVX512_BF16,
    AVX512_VNNI,
    AVX512BW,
    AVX_VNNI,
    AVX2,
    PORTABLE,
)
"""Every instruction set, best first."""


def isa_named(name: str) -> Isa:
    """The instruction set called `name`; raises `ValueError` that lists the known names."""
    for isa in ISAS:
        if isa.name == name:
            return isa
    known = ", ".join(isa.name for isa in ISAS)
    raise ValueError(f"unknown instruction set {name!r}; known: {known}")


def cpu_name() -> str:
    """The CPU that numba compiles for, as LLVM names it."""
    return os.environ.get("NUMBA_CPU_NAME") or llvm.get_host_cpu_name()


@cache
def _host_features() -> str:
    return ",".join(
        f"{'+' if on else '-'}{name}" for name, on in sorted(llvm.get_host_cpu_features().items())
    )


def cpu_features() -> str:
    """The feature string (`+avx2,-amx,...`) that numba compiles with; numba's own rules."""
    chosen = os.environ.get("NUMBA_CPU_FEATURES")
    if chosen is not None:
        return chosen
    if cpu_name() == "generic":
        return ""
    return _host_features()


def host_isas() -> tuple[Isa, ...]:
    """The instruction sets that can run here, best first; `portable` is always among them."""
    enabled = {item[1:] for item in cpu_features().split(",") if item.startswith("+")}
    return tuple(
        isa
        for isa in ISAS
        if isa.requires <= enabled and (isa is not AMX or tile_registers_permitted())
    )


_ARCH_PRCTL = {"x86_64": 158}
_ARCH_REQ_XCOMP_PERM = 0x1023
_XFEATURE_XTILEDATA = 18


@cache
def tile_registers_permitted() -> bool:
    """Asks Linux to let this process use the tile registers of AMX; whether it does.

    Their state is so large (8 KB) that a process has to ask before its first use; threads started
    earlier and later are included.  See Documentation/arch/x86/xstate.rst of the kernel.
    """
    number = _ARCH_PRCTL.get(platform.machine())
    if number is None or sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    return libc.syscall(number, _ARCH_REQ_XCOMP_PERM, _XFEATURE_XTILEDATA) == 0


def best_isa() -> Isa:
    """The fastest instruction set that can run here."""
    return host_isas()[0]

"""How fast one core of a target is: the numbers of the cost model (`dialects.cost`), as data.

A target has the rates of its instruction set's class (`RATES_OF_ISA`) unless its file has a table
`[rates]`; `compile --calibrate-target OUT.toml` measures this machine and writes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

ByPrecision = Mapping[str, float]
"""`int8`, `bf16`, `f16` and `f32` to a number."""

PRECISIONS = ("int8", "bf16", "f16", "f32")
LEVELS = ("L1", "L2", "L3", "memory")
"""Where the operands of an op are, nearest first."""


@dataclass(frozen=True)
class Rates:
    """What a core does per nanosecond, in kernels as they are (not the peaks of its units).

    Counts are what `dialects.cost.Work` counts; rates are counts per ns.
    """

    lanes: float
    """Columns that a register of sums holds: products are rounded up to whole registers."""
    call_ns: float
    """What a kernel call costs, however little it does, in ns."""
    products: ByPrecision
    """Multiply-accumulates of convolutions and matrix products."""
    results: ByPrecision
    """Sums of products that are scaled, clamped, rounded and stored."""
    residuals: ByPrecision
    """Elements of a fused residual that are added to such sums."""
    taps: ByPrecision
    """Multiply-accumulates of depthwise convolutions."""
    windows: ByPrecision
    """Elements compared or summed by pools and by means over the spatial dimensions."""
    lookups: ByPrecision
    """Elements that go through a table: unary ops on 8 bits, long ones on 16 bits."""
    conversions: ByPrecision
    """Elements converted from float32 to a precision, or back."""
    instructions: float
    """Scalar instructions per element that vectorized float32 loops do."""
    bandwidth: Mapping[str, float]
    """Bytes read or written, by the level of `LEVELS` that holds all operands and results."""
    capacity: Mapping[str, float]
    """Bytes of each cache."""

    def level_of(self, size: float) -> str:
        """The first level that holds `size` bytes."""
        return next((level for level in LEVELS if size <= self.capacity.get(level, size)), "memory")


TABLES = ("products", "results", "residuals", "taps", "windows", "lookups", "conversions")
"""The fields of `Rates` that are given by precision."""


def _by(int8: float, bf16: float, f16: float, f32: float) -> ByPrecision:
    return {"int8": int8, "bf16": bf16, "f16": f16, "f32": f32}


_AVX512_BF16 = Rates(
    lanes=16,
    call_ns=100,
    products=_by(235, 117, 58, 58),
    results=_by(24, 22, 16, 40),
    residuals=_by(28, 30, 10, 20),
    taps=_by(93, 46, 15, 43),
    windows=_by(95, 16, 16, 20),
    lookups=_by(35, 3.1, 3.1, 3.1),
    conversions=_by(9, 10, 7, 5),
    instructions=40,
    bandwidth={"L1": 120, "L2": 90, "L3": 45, "memory": 15},
    capacity={"L1": 32 * 1024, "L2": 1024 * 1024, "L3": 32 * 1024 * 1024},
)
_AVX512_VNNI = replace(_AVX512_BF16, products=_by(235, 58, 58, 58))
_AVX2 = replace(
    _AVX512_BF16,
    lanes=8,
    products=_by(95, 52, 56, 57),
    results=_by(11, 8, 11, 24),
    residuals=_by(28, 18, 8, 20),
    taps=_by(38, 25, 14, 30),
)

RATES_OF_ISA: Mapping[str, Rates] = {
    "amx": replace(
        _AVX512_BF16,
        products=_by(900, 450, 80, 80),
        capacity={"L1": 48 * 1024, "L2": 2048 * 1024, "L3": 32 * 1024 * 1024},
    ),
    "avx512_bf16": _AVX512_BF16,
    "avx512_vnni": _AVX512_VNNI,
    "avx512bw": replace(_AVX512_VNNI, products=_by(117, 57, 57, 57), taps=_by(45, 46, 15, 43)),
    "avx_vnni": replace(_AVX2, products=_by(150, 52, 56, 57)),
    "avx2": _AVX2,
    "portable": replace(
        _AVX512_BF16,
        lanes=1,
        products=_by(28, 1.7, 2.3, 3),
        results=_by(0.35, 1.2, 1.2, 1.2),
        residuals=_by(1.9, 1, 1, 1),
        taps=_by(1.9, 2, 2, 3),
    ),
}
"""By instruction set. What a Zen 4 core measures with the kernels of each, rounded
(docs/cost-model.md); but for AMX and AVX-VNNI, which it lacks: there, products are what kernels
reached on other machines and guesses from the width of registers."""

DEFAULT_RATES = RATES_OF_ISA["avx2"]
"""Where no target is given: what most x86 machines have."""

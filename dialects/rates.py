"""How fast one core of a target is: the numbers of the cost model (`dialects.cost`), as data.

A target has the rates of its instruction set's class (`RATES_OF_ISA`) unless its file has a table
`[rates]`; `compile --calibrate-target OUT.toml` measures this machine and writes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


def _rates(int8: float, bf16: float, f32: float, lanes: int) -> Rates:
    x = lanes / 16
    return Rates(
        lanes=lanes,
        call_ns=200,
        products={"int8": int8, "bf16": bf16, "f16": f32, "f32": f32},
        results={"int8": 23 * x, "bf16": 20 * x, "f16": 20 * x, "f32": 20 * x},
        residuals={"int8": 30 * x, "bf16": 15 * x, "f16": 6 * x, "f32": 6 * x},
        taps={"int8": 85 * x, "bf16": 46 * x, "f16": 46 * x, "f32": 45 * x},
        windows={"int8": 80 * x, "bf16": 15 * x, "f16": 15 * x, "f32": 18 * x},
        lookups={"int8": 25, "bf16": 3, "f16": 3, "f32": 3},
        conversions={"int8": 6, "bf16": 8, "f16": 8, "f32": 6},
        instructions=45 * x,
        bandwidth={"L1": 120, "L2": 80, "L3": 45, "memory": 12},
        capacity={"L1": 32 * 1024, "L2": 1024 * 1024, "L3": 32 * 1024 * 1024},
    )


RATES_OF_ISA: Mapping[str, Rates] = {
    "amx": _rates(900, 450, 80, 16),
    "avx512_bf16": _rates(232, 115, 58, 16),
    "avx512_vnni": _rates(232, 58, 58, 16),
    "avx512bw": _rates(120, 58, 58, 16),
    "avx_vnni": _rates(120, 50, 50, 8),
    "avx2": _rates(65, 40, 40, 8),
    "portable": _rates(8, 4, 8, 1),
}
"""By instruction set."""

DEFAULT_RATES = RATES_OF_ISA["avx2"]
"""Where no target is given: what most x86 machines have."""

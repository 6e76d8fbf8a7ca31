"""What one core can do at most now, by the instructions of its vector and its tile units.

    python benchmarks/peak.py

The loops are those of Octet's profiler (runtime/kernels/peak.py): one instruction on registers.
"""

from __future__ import annotations

import sys

from runtime.kernels.isa import AMX, best_isa
from runtime.profiling.machine import measure_machine


def measure_peaks() -> dict[str, float]:
    """Rates of one core: `"int8 vector"`, `"int8 amx"` ... in MACs per second, `"clock"` in Hz.

    What the machine has no instruction for is left out. Takes some milliseconds.
    """
    lineage = best_isa().lineage
    vector = measure_machine(next(isa for isa in lineage if isa is not AMX))
    peaks = {"clock": vector.hertz}
    peaks |= {f"{name} vector": rate for name, rate in vector.macs_per_second.items()}
    if AMX in lineage:
        tiles = measure_machine(AMX).macs_per_second
        peaks |= {f"{name} amx": rate for name, rate in tiles.items() if name != "f32"}
    return peaks


def main() -> int:
    from rich.console import Console
    from rich.table import Table

    peaks = measure_peaks()
    clock = peaks.pop("clock")
    table = Table("instructions", "GMAC per second", "MAC per cycle")
    for name, rate in peaks.items():
        table.add_row(name, f"{rate / 1e9:.0f}", f"{rate / clock:.0f}")
    console = Console()
    console.print(table)
    console.print(f"one core at {clock / 1e9:.2f} GHz")
    return 0


if __name__ == "__main__":
    sys.exit(main())

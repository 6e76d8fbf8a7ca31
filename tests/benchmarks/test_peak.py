"""Peaks of this machine, as the benchmarks compare with them."""

from __future__ import annotations

from peak import measure_peaks

from runtime.kernels.isa import AMX, best_isa


def test_peaks_are_of_the_units_this_machine_has() -> None:
    peaks = measure_peaks()
    assert all(rate > 0 for rate in peaks.values())
    assert "clock" in peaks
    assert ("int8 amx" in peaks) == ("bf16 amx" in peaks) == (AMX in best_isa().lineage)
    assert "f32 amx" not in peaks

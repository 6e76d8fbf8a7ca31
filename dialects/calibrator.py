"""What the pass `calibrate` may be given beside data: known ranges, and a faster way to measure.

Passes know neither files nor processes nor kernels. Whoever drives them puts a `Calibrator` into
the context; without one, `calibrate` measures here, by the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

if TYPE_CHECKING:
    from dialects.context import OctetContext

Range = tuple[float, float]
"""[low, high]; it holds 0."""


@dataclass(frozen=True)
class Method:
    """How the range of one value is measured. The last three are None where they say nothing."""

    name: str = "min-max"
    percentile: float | None = None
    momentum: float | None = None
    bins: int | None = None

    def __str__(self) -> str:
        """`percentile{percentile=99.99 bins=2048}`"""
        options = {"percentile": self.percentile, "momentum": self.momentum, "bins": self.bins}
        given = " ".join(f"{key}={value}" for key, value in options.items() if value is not None)
        return f"{self.name}{{{given}}}" if given else self.name


@dataclass(frozen=True)
class Measured:
    """Ranges by position among the values that were to be measured; a value that took on
    infinities it was given has none."""

    ranges: Mapping[int, Range]
    batches: int


class Calibrator(Protocol):
    """Consulted once per run of `calibrate`, in this order."""

    @property
    def replaces_data(self) -> bool:
        """Ranges come from elsewhere, so that there may be no calibration data."""
        ...

    def known_ranges(
        self, module: ModuleOp, values: Sequence[SSAValue], methods: Mapping[int, Method]
    ) -> Mapping[int, Range]:
        """Ranges that need not be measured, by position among `values`."""
        ...

    def measure(
        self, ctx: OctetContext, module: ModuleOp, methods: Mapping[int, Method]
    ) -> Measured:
        """Measures the values at those positions on the context's calibration data."""
        ...

    def calibrated(self, module: ModuleOp) -> None:
        """The ranges stand in `module` now."""
        ...

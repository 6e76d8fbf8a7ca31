"""Signal-to-noise ratios."""

from __future__ import annotations

import math
from typing import Literal

Decibels = float | Literal["exact"] | None
"""A signal-to-noise ratio: without any noise "exact", None where it was not measured."""


def decibels(signal: float, noise: float) -> Decibels:
    """The ratio of two sums of squares."""
    if noise == 0.0:
        return "exact"
    return round(10 * math.log10(signal / noise), 2) if signal > 0.0 else None

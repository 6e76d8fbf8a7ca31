"""How alike two programs are that orders of the same passes have made."""

from __future__ import annotations

from typing import Literal

import numpy as np

from compiler.lab.engine import decode_probes
from compiler.lab.lab import Lab, Outcome

Verdict = Literal["equal-ir", "equal-bits", "within-epsilon", "different", "fails"]
VERDICTS: tuple[Verdict, ...] = (
    "equal-ir", "equal-bits", "within-epsilon", "different", "fails"
)  # fmt: skip
"""From the most to the least alike."""

EPSILON = 1e-5
"""Largest difference of outputs, relative to the greatest output, that counts as none."""


def compared(lab: Lab, left: Outcome, right: Outcome, epsilon: float = EPSILON) -> Verdict:
    """Compares what two orders came to, tails included."""
    if left.status != "ok" or right.status != "ok":
        return "fails"
    if left.final == right.final:
        return "equal-ir"
    if left.semantic == right.semantic:
        return "equal-bits"
    return "within-epsilon" if distance(lab, left, right) <= epsilon else "different"


def distance(lab: Lab, left: Outcome, right: Outcome) -> float:
    """The largest difference of outputs on the probes, relative to the greatest output."""
    assert left.final is not None
    assert right.final is not None
    one, other = (
        decode_probes(lab.evaluations[ir].probes).astype(np.float64)
        for ir in (left.final, right.final)
    )
    if one.shape != other.shape:
        return float("inf")
    greatest = max(float(np.abs(one).max(initial=0)), float(np.abs(other).max(initial=0)))
    return float(np.abs(one - other).max(initial=0)) / greatest if greatest else 0.0

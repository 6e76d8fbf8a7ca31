"""The cost model beside a profile: how long it says each op takes, and how well it orders them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dialects.rates import Rates
from runtime.profiling.profile import Profile
from runtime.work import estimated_ns


@dataclass(frozen=True)
class Comparison:
    """Predicted seconds of a profile's ops, in their order, and their agreement with the times."""

    profile: Profile
    predicted: list[float]
    rank_correlation: float
    """Spearman's, over all ops; NaN with fewer than two ops or where all times are equal."""

    def to_json(self) -> dict[str, Any]:
        """The profile's JSON with `predicted_seconds` of each op and of all, and the correlation,
        null where there is none."""
        content = self.profile.to_json()
        for op, seconds in zip(content["ops"], self.predicted, strict=True):
            op["predicted_seconds"] = seconds
        defined = not np.isnan(self.rank_correlation)
        content["model"] = {
            "predicted_seconds": sum(self.predicted),
            "rank_correlation": self.rank_correlation if defined else None,
        }
        return content


def compare(profile: Profile, rates: Rates) -> Comparison:
    """The estimates of one core with `rates` for the ops of a profile."""
    predicted = [estimated_ns(op.op, rates) * 1e-9 for op in profile.ops]
    measured = [op.seconds for op in profile.ops]
    return Comparison(profile, predicted, spearman(np.array(predicted), np.array(measured)))


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation; equal values share the mean of their ranks."""
    x, y = _ranks(a), _ranks(b)
    x, y = x - x.mean(), y - y.mean()
    length = np.sqrt((x @ x) * (y @ y))
    return float(x @ y / length) if length else float("nan")


def _ranks(values: np.ndarray) -> np.ndarray:
    _, position, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[position]

"""What nothing beats: the Pareto front of several figures, the greater the better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from compiler.lab.metrics import METRICS

K = TypeVar("K")


def undominated(values: Mapping[K, tuple[float, ...]]) -> list[K]:
    """The keys that no other one is as good as in all figures and better in one."""
    distinct = set(values.values())
    front = {one for one in distinct if not any(_beats(other, one) for other in distinct)}
    return [key for key, value in values.items() if value in front]


def worth(name: str, metrics: Mapping[str, Any]) -> float:
    """A metric as the greater the better; one without a figure is SQNR without noise, or unknown
    and worse than any."""
    value = metrics.get(name)
    if value is None:
        return float("inf") if name == "sqnr_db" else float("-inf")
    return value if METRICS[name].better == "more" else -value


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a >= b for a, b in zip(one, other, strict=True))

"""What `--strategy` and its options ask for, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compiler.strategy.metrics import Budget
from dialects.errors import OctetError

STRATEGIES = ("rules", "all", "auto")
BUDGETS = ("max_drop", "min_sqnr", "min_agreement")
OPTIONS = (
    *BUDGETS, "evaluation_data", "seed", "max_evaluations", "time_limit", "strategy_state", "jobs",
)  # fmt: skip
"""Keyword arguments of `compiler.compile` and, with dashes, flags of `compile`."""

DEFAULT_EVALUATIONS = 400


@dataclass(frozen=True)
class AutoRequest:
    """What a search is to find, from what, and where it leaves its results.

    - evaluation_data: a `.npz` path or arrays by input name, with `labels` for `max-drop`; None
      holds samples out of the calibration data.
    - max_evaluations: placements measured at most, those for sensitivities included.
    - time_limit: seconds after which no further placement is tried; None for no limit.
    - state: the folder of the log and the results; None keeps everything in memory.
    - jobs: placements measured at a time.
    """

    budget: Budget
    evaluation_data: str | Path | Mapping[str, np.ndarray] | None = None
    seed: int = 0
    max_evaluations: int = DEFAULT_EVALUATIONS
    time_limit: float | None = None
    state: Path | None = None
    jobs: int = 1


@dataclass(frozen=True)
class Strategy:
    """How precisions are chosen: `rules`, `all`, or `auto` with a request."""

    name: str
    auto: AutoRequest | None = None


def strategy_of(name: str | None, options: Mapping[str, Any]) -> Strategy:
    """The strategy `name` (by default `all`) with those of `OPTIONS` that are not None.

    Raises OctetError for an unknown name, a value out of range, and options that do not fit.
    """
    name = "all" if name is None else name
    if name not in STRATEGIES:
        raise OctetError(f"--strategy {name}: expected {', '.join(STRATEGIES)}")
    given = {option: value for option, value in options.items() if value is not None}
    if name != "auto":
        if given:
            flags = ", ".join(map(flag, sorted(given)))
            raise OctetError(f"{flags}: these options belong to --strategy auto")
        return Strategy(name)
    budgets = [option for option in BUDGETS if option in given]
    if len(budgets) != 1:
        raise OctetError(
            "--strategy auto needs one budget, "
            + ", ".join(map(flag, BUDGETS))
            + f"; got {' and '.join(map(flag, budgets)) or 'none'}"
        )
    data = given.get("evaluation_data")
    if budgets == ["max_drop"] and data is None:
        raise OctetError(
            "--max-drop is about labelled samples: give --evaluation-data x.npz with the inputs "
            "and an array 'labels', or use --min-sqnr or --min-agreement"
        )
    state = given.get("strategy_state")
    return Strategy(
        name,
        AutoRequest(
            budget=_budget(budgets[0], given[budgets[0]]),
            evaluation_data=data,
            seed=int(_number(given, "seed", 0, 0, 2**63 - 1, whole=True)),
            max_evaluations=int(
                _number(given, "max_evaluations", DEFAULT_EVALUATIONS, 8, 10**6, whole=True)
            ),
            time_limit=_number(given, "time_limit", 0, 0, math.inf)
            if "time_limit" in given
            else None,
            state=None if state is None else Path(state),
            jobs=int(_number(given, "jobs", 1, 1, 256, whole=True)),
        ),
    )


def split_options(options: Mapping[str, Any]) -> tuple[Strategy, dict[str, Any]]:
    """The strategy that keyword arguments ask for, and the arguments about other things."""
    own = {name: options.get(name) for name in OPTIONS}
    rest = {name: value for name, value in options.items() if name not in (*OPTIONS, "strategy")}
    return strategy_of(options.get("strategy"), own), rest


def flag(option: str) -> str:
    return "--" + option.replace("_", "-")


def _budget(option: str, value: Any) -> Budget:
    low, high = {"max_drop": (0, 100), "min_sqnr": (-100, 1000), "min_agreement": (0, 1)}[option]
    return Budget(option.replace("_", "-"), _number({option: value}, option, 0, low, high))


def _number(
    given: Mapping[str, Any],
    option: str,
    default: float,
    low: float,
    high: float,
    whole: bool = False,
) -> float:
    value = given.get(option, default)
    kinds = (int,) if whole else (int, float)
    fits = isinstance(value, kinds) and not isinstance(value, bool) and low <= value <= high
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        raise OctetError(
            f"{flag(option)}: expected {'a whole number' if whole else 'a number'} from {low} to "
            f"{high}, got {value!r}"
        )
    return value

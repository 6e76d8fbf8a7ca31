"""Experiment `stats`: what records allow to conclude, deterministic metrics apart from timing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from compiler.lab.experiments.search import FROM_SCRATCH
from compiler.lab.objective import Objective
from compiler.lab.record import Line
from compiler.lab.results import Row, Table
from compiler.lab.statistics import bootstrap, holm, noise_floor, paired_p_value

SEARCH = re.compile(r"search:(?P<method>[^:]+):(?P<objective>[^:]+):(?P<seed>-?\d+)")
"""The experiment of a search's orders."""
UNTOLD = ("random", "exhaustive", "optuna-tpe", "optuna-nsgaii")
"""Searches that are from scratch in any case."""
REFERENCE = "random"
"""The search that the others are tested against."""


def runs_of(rows: Iterable[Row], objective: Objective) -> dict[tuple[str, str, int], list[Row]]:
    """(model, method, seed) -> the orders that a search for this objective asked for, in order."""
    found: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        match = SEARCH.fullmatch(row.experiment)
        if match is not None and match["objective"] == str(objective):
            method = match["method"]
            if method.removesuffix(FROM_SCRATCH) in UNTOLD:
                method = method.removesuffix(FROM_SCRATCH)
            found.setdefault((row.model, method, int(match["seed"])), []).append(row)
    return {key: sorted(run, key=lambda row: row.number) for key, run in found.items()}


def order_rows(tables: Mapping[str, Table], objective: Objective) -> list[dict[str, Any]]:
    """For each model: the default, the best, and the mean over distinct orders with its bootstrap
    interval. Every figure is deterministic; the interval is over orders."""
    rows: list[dict[str, Any]] = []
    for model, table in tables.items():
        good = [row for row in table.rows if objective.meets(row)]
        if not good:
            continue
        values = [row.metrics[objective.metric] for row in good]
        mean = bootstrap(values)
        default = table.default
        rows.append(
            {
                "kind": "orders",
                "model": model,
                "metric": objective.metric,
                "orders": len(table.rows),
                "meet": len(good),
                "programs": len({row.final for row in good}),
                "default": default.metrics.get(objective.metric) if default else None,
                "best": objective.value(max(map(objective.score, good))),
                "mean": mean.estimate,
                "low": mean.low,
                "high": mean.high,
            }
        )
    return rows


def method_rows(rows: Iterable[Row], objective: Objective) -> list[dict[str, Any]]:
    """Each search method against `random`, paired by model and seed: the mean difference of the
    best found at equal budgets, its interval, and Wilcoxon's test with Holm's correction."""
    runs = runs_of(rows, objective)
    best = {key: _best(run, objective) for key, run in runs.items()}
    found: list[dict[str, Any]] = []
    for method in dict.fromkeys(method for _, method, _ in runs):
        pairs: list[tuple[float, float]] = []
        for (model, other, seed), run in runs.items():
            reference = runs.get((model, REFERENCE, seed))
            if other != method or method == REFERENCE or reference is None:
                continue
            budget = min(len(run), len(reference))
            pair = _best(run[:budget], objective), _best(reference[:budget], objective)
            if np.isfinite(pair).all():
                pairs.append(pair)
        if not pairs:
            continue
        left, right = zip(*pairs, strict=True)
        interval = bootstrap(np.subtract(left, right))
        found.append(
            {
                "kind": "methods",
                "method": method,
                "reference": REFERENCE,
                "metric": objective.metric,
                "pairs": len(pairs),
                "difference": interval.estimate,
                "low": interval.low,
                "high": interval.high,
                "p": paired_p_value(left, right),
                "best": max(v for (_, m, _), v in best.items() if m == method),
            }
        )
    corrected = holm([row["p"] for row in found])
    return [{**row, "p_holm": p} for row, p in zip(found, corrected, strict=True)]


def _best(run: Sequence[Row], objective: Objective) -> float:
    return max((objective.score(row) for row in run), default=-np.inf)


def timing_rows(lines: Iterable[Line]) -> list[dict[str, Any]]:
    """Each timed program of a model against the fastest, paired by round, and the A/A noise floor:
    a difference below it is none, whatever a test says."""
    timed: dict[str, dict[str, list[float]]] = {}
    for line in lines:
        if line["kind"] == "timing":
            timed.setdefault(line["model"], {})[line["final"]] = line["time"]["seconds"]
    rows: list[dict[str, Any]] = []
    for model, programs in timed.items():
        floor = noise_floor(list(programs.values()))
        fastest = min(programs, key=lambda final: float(np.median(programs[final])))
        of_model: list[dict[str, Any]] = []
        for final, seconds in programs.items():
            interval = bootstrap(seconds, np.median)
            base = programs[fastest]
            paired = len(base) == len(seconds)
            slower = float(np.median(seconds) / np.median(base) - 1)
            of_model.append(
                {
                    "kind": "timing",
                    "model": model,
                    "program": final,
                    "rounds": len(seconds),
                    "median_us": interval.estimate * 1e6,
                    "low_us": interval.low * 1e6,
                    "high_us": interval.high * 1e6,
                    "slower": slower,
                    "noise_floor": floor,
                    "p": paired_p_value(seconds, base) if paired else None,
                    "above_noise": slower > floor,
                }
            )
        tested = [row for row in of_model if row["p"] is not None and row["program"] != fastest]
        for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
            row["p_holm"] = p
        rows += of_model
    return rows

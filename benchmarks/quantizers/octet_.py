"""Octet: in float, by default, and with its corrections."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_tasks import Feeds, Run, Task

import compiler
from quantizers import Method

EXTREMES = {"calibration_method": "min-max"}
SMOOTHED = {**EXTREMES, "smooth_activations": "auto"}
EQUALIZED = {**SMOOTHED, "equalize_channels": "activations"}

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "min-max": EXTREMES,
    "correct-bias": {"correct_bias": 64},
    "round-adaptively": {"round_adaptively": 64},
    "min-max, round-adaptively": {**EXTREMES, "round_adaptively": 64},
    "min-max, equalize": {**EXTREMES, "equalize_channels": "activations"},
    "min-max, smooth": SMOOTHED,
    "min-max, clip-outliers": {**EXTREMES, "clip_outliers": 64},
    "min-max, smooth, correct-bias": {**SMOOTHED, "correct_bias": 64},
    "min-max, equalize, smooth, round": {**EQUALIZED, "round_adaptively": 64},
}
"""Compile options by the name in the table."""


def methods(task: Task, folder: Path) -> Mapping[str, Method]:
    return {
        "octet f32": partial(_float, task),
        **{f"octet {name}": partial(_int8, task, options) for name, options in SETTINGS.items()},
    }


def _float(task: Task) -> Run:
    return _runner(compiler.compile(task.model))


def _int8(task: Task, options: Mapping[str, Any]) -> Run:
    return _runner(compiler.compile(task.model, task.calibration, **options))


def _runner(program: Any) -> Run:
    def run(feeds: Feeds) -> np.ndarray:
        return program.run(feeds)[program.outputs[0].name]

    return run

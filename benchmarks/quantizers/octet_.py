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

EQUALIZED = {"equalize_channels": "activations", "smooth_activations": "auto"}

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "sqnr": {"calibration_method": "sqnr"},
    "correct-bias": {"correct_bias": 64},
    "round-adaptively": {"round_adaptively": 64},
    "sqnr, correct-bias": {"calibration_method": "sqnr", "correct_bias": 64},
    "equalize-channels": {"equalize_channels": "activations"},
    "smooth-activations": {"smooth_activations": "auto"},
    "clip-outliers": {"clip_outliers": 64},
    "equalize, smooth": EQUALIZED,
    "equalize, smooth, correct-bias": {**EQUALIZED, "correct_bias": 64},
    "equalize, smooth, clip, correct-bias": {
        **EQUALIZED,
        "clip_outliers": 64,
        "correct_bias": 64,
    },
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

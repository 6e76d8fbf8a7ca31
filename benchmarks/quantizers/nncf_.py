"""NNCF's quantization of an OpenVINO model, run by OpenVINO in float32 beside int8.

By default, and for transformers also as it advises for these, with SmoothQuant.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from accuracy_tasks import Feeds, Run, Task

from quantizers import Method


def methods(task: Task, folder: Path) -> Mapping[str, Method]:
    found = {"nncf": partial(_quantized, task)}
    if task.transformer:
        found["nncf transformer"] = partial(_quantized, task, transformer=True)
    return found


def _quantized(task: Task, transformer: bool = False) -> Run:
    import nncf
    import openvino

    core = openvino.Core()
    options = {"model_type": nncf.ModelType.TRANSFORMER} if transformer else {}
    quantized = nncf.quantize(
        core.read_model(task.model),
        nncf.Dataset(task.calibration),
        subset_size=len(task.calibration),
        **options,
    )
    fixed = quantized.inputs[0].partial_shape[0].is_static
    compiled = core.compile_model(quantized, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    output = compiled.output(0)

    def run(feeds: Feeds) -> np.ndarray:
        if not fixed:
            return np.array(compiled(feeds)[output])
        count = len(next(iter(feeds.values())))
        samples = [{name: a[i : i + 1] for name, a in feeds.items()} for i in range(count)]
        return np.concatenate([np.array(compiled(sample)[output]) for sample in samples])

    return run

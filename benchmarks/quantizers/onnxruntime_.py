"""ONNX Runtime's own quantization: static with each of its calibration methods, and dynamic.

Static: U8S8, per channel, QDQ, after its pre-processing. Of transformers only the products by
constant weights: with all ops quantized, accuracy collapses. Entropy is left out for these: it
needs hours of time for the embeddings' histograms.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_tasks import Feeds, Run, Task

from quantizers import Method

CALIBRATION_METHODS = ("MinMax", "Percentile", "Entropy")
PRODUCTS = {
    "op_types_to_quantize": ["MatMul", "Gemm"],
    "extra_options": {"MatMulConstBOnly": True},
}


def methods(task: Task, folder: Path) -> Mapping[str, Method]:
    found: dict[str, Method] = {
        f"onnxruntime static {name}": partial(static, task, folder, name)
        for name in CALIBRATION_METHODS
        if not (task.transformer and name == "Entropy")
    }
    if task.transformer:
        found["onnxruntime dynamic"] = partial(dynamic, task, folder)
    return found


def static(task: Task, folder: Path, calibration: str) -> Run:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.feeds = iter(padded(task.calibration))

        def get_next(self) -> Feeds | None:  # type: ignore[override]
            return next(self.feeds, None)

    path = folder / f"{task.name}-{calibration}.onnx"
    options: dict[str, Any] = PRODUCTS if task.transformer else {}
    quantize_static(
        preprocessed(task, folder),
        path,
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod[calibration],
        **options,
    )
    return session(path)


def padded(feeds: list[Feeds]) -> list[Feeds]:
    """With zeros to the longest: its histograms take no arrays of different sizes. What the mask
    keeps out then counts, which Octet and NNCF are spared."""
    most = {name: np.array([feed[name].shape for feed in feeds]).max(0) for name in feeds[0]}

    def to_size(array: np.ndarray, shape: np.ndarray) -> np.ndarray:
        return np.pad(array, [(0, int(n)) for n in shape - array.shape])

    return [{name: to_size(array, most[name]) for name, array in feed.items()} for feed in feeds]


def dynamic(task: Task, folder: Path) -> Run:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    path = folder / f"{task.name}-dynamic.onnx"
    quantize_dynamic(
        preprocessed(task, folder),
        path,
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )
    return session(path)


def preprocessed(task: Task, folder: Path) -> Path:
    from onnxruntime.quantization import shape_inference

    path = folder / f"{task.name}-preprocessed.onnx"
    if not path.exists():
        shape_inference.quant_pre_process(task.model, path, skip_symbolic_shape=True)
    return path


def session(path: Path) -> Run:
    """Runs a model; one of a fixed batch size of 1, sample by sample."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    loaded = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    fixed = loaded.get_inputs()[0].shape[0] == 1

    def run(feeds: Feeds) -> np.ndarray:
        if not fixed:
            return loaded.run(None, feeds)[0]
        count = len(next(iter(feeds.values())))
        samples = [{name: a[i : i + 1] for name, a in feeds.items()} for i in range(count)]
        return np.concatenate([loaded.run(None, sample)[0] for sample in samples])

    return run

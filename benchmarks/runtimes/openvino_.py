"""OpenVINO, CPU plugin: float, bfloat16, int8 by NNCF and as ONNX Runtime quantizes.

What is not int8 in a quantized model runs in float32, or in bfloat16 ("+bf16").
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
from models import Feeds, Model

from runtimes.onnxruntime_ import qdq_model
from runtimes.variant import CALIBRATION_SAMPLES, Run, Setting, Variant, Workspace

PACKAGES = ("openvino", "nncf")


def variants(model: Model) -> list[Variant]:
    f32, bf16 = partial(_load, "f32"), partial(_load, "bf16")
    return [
        Variant("openvino", "f32", "", lambda workspace: workspace.onnx, f32),
        Variant("openvino", "bf16", "", lambda workspace: workspace.onnx, bf16),
        Variant("openvino", "int8", "nncf", _nncf, f32),
        Variant("openvino", "int8", "nncf+bf16", _nncf, bf16),
        Variant("openvino", "int8", "qdq", qdq_model, f32),
        Variant("openvino", "int8", "qdq+bf16", qdq_model, bf16),
    ]


def _nncf(workspace: Workspace) -> Path:
    def write(path: Path) -> None:
        import nncf
        import openvino

        options = {}
        if workspace.model.kind == "transformer":
            options["model_type"] = nncf.ModelType.TRANSFORMER
        quantized = nncf.quantize(
            openvino.Core().read_model(workspace.onnx),
            nncf.Dataset(workspace.calibration()),
            subset_size=CALIBRATION_SAMPLES,
            **options,
        )
        openvino.save_model(quantized, path, compress_to_fp16=False)

    name = f"openvino-{version('openvino')}-nncf-{version('nncf')}"
    return workspace.prepared(name, "model.xml", write)


def _load(rest: str, path: Path, workspace: Workspace, setting: Setting) -> Run:
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape(
        {
            port.any_name: [setting.batch, *(d.get_length() for d in list(port.partial_shape)[1:])]
            for port in model.inputs
        }
    )
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "INFERENCE_NUM_THREADS": setting.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": rest,
        },
    )
    request, output = compiled.create_infer_request(), compiled.output(0)

    def run(feeds: Feeds) -> np.ndarray:
        return request.infer(feeds, share_inputs=True, share_outputs=True)[output]

    return run

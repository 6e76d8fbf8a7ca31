"""ONNX Runtime, CPU provider: float, quantized statically (U8S8, per channel) and dynamically.

Signed activations (S8S8) are left out: without AVX-VNNI-INT8 they run on slower kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from models import Feeds, Model

from runtimes.variant import Run, Setting, Variant, Workspace

PACKAGES = ("onnxruntime",)

Write = Callable[[Workspace, Path], None]


def variants(model: Model) -> list[Variant]:
    """Transformers also with only their products by weights quantized, which keeps accuracy, and
    with the graph that ONNX Runtime's transformer tool fuses."""
    found = [
        Variant("onnxruntime", "f32", "", lambda workspace: workspace.onnx, _load),
        _quantized("qdq", partial(_static, "QDQ")),
        _quantized("qoperator", partial(_static, "QOperator")),
    ]
    if model.kind == "transformer":
        found += [
            Variant("onnxruntime", "f32", "fused", partial(_prepare, "fused", _fuse), _load),
            _quantized("qdq-matmul", _static_products),
            _quantized("qdq-matmul-fused", partial(_static_products, fuse=True)),
            _quantized("dynamic", _dynamic),
            _quantized("dynamic-fused", partial(_dynamic, fuse=True)),
        ]
    return found


def _quantized(how: str, write: Write) -> Variant:
    return Variant("onnxruntime", "int8", how, partial(_prepare, how, write), _load)


def _prepare(how: str, write: Write, workspace: Workspace) -> Path:
    name = f"onnxruntime-{version('onnxruntime')}-{how}"
    return workspace.prepared(name, "model.onnx", partial(write, workspace))


def _preprocess(workspace: Workspace, path: Path) -> None:
    from onnxruntime.quantization import shape_inference

    shape_inference.quant_pre_process(workspace.onnx, path, skip_symbolic_shape=True)


def _fuse(workspace: Workspace, path: Path, attention: bool = True) -> None:
    """A fused Attention has no statically quantized kernel: it can be left unfused."""
    from onnxruntime.transformers import optimizer
    from onnxruntime.transformers.fusion_options import FusionOptions

    options = FusionOptions("bert")
    options.enable_attention = attention
    model = optimizer.optimize_model(
        str(workspace.onnx),
        model_type="bert",
        num_heads=workspace.model.heads,
        hidden_size=workspace.model.width,
        optimization_options=options,
        opt_level=0,
        use_gpu=False,
    )
    model.save_model_to_file(str(path))


def _static(
    format_name: str, workspace: Workspace, path: Path, source: Path | None = None, **options: Any
) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.feeds = iter(workspace.calibration())

        def get_next(self) -> Feeds | None:  # type: ignore[override]
            return next(self.feeds, None)

    if source is None:
        source = path.with_name("preprocessed.onnx")
        _preprocess(workspace, source)
    quantize_static(
        source,
        path,
        Reader(),
        quant_format=QuantFormat[format_name],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        **options,
    )
    source.unlink()


_PRODUCTS = {
    "op_types_to_quantize": ["MatMul", "Gemm"],
    "extra_options": {"MatMulConstBOnly": True},
}


def _static_products(workspace: Workspace, path: Path, fuse: bool = False) -> None:
    source = None
    if fuse:
        source = path.with_name("fused.onnx")
        _fuse(workspace, source, attention=False)
    _static("QDQ", workspace, path, source, **_PRODUCTS)


def _dynamic(workspace: Workspace, path: Path, fuse: bool = False) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source = path.with_name("source.onnx")
    (_fuse if fuse else _preprocess)(workspace, source)
    quantize_dynamic(
        source,
        path,
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )
    source.unlink()


def qdq_model(workspace: Workspace) -> Path:
    """The model as ONNX Runtime quantizes it, for other runtimes that read QDQ."""
    if workspace.model.kind == "transformer":
        return _prepare("qdq-matmul", _static_products, workspace)
    return _prepare("qdq", partial(_static, "QDQ"), workspace)


def session(path: Path, batch: int, threads: int) -> Any:
    """A session with its best settings; its threads stop spinning when a run ends, so that the
    next runtime has the cores to itself."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_free_dimension_override_by_name("N", batch)
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])


def _load(path: Path, workspace: Workspace, setting: Setting) -> Run:
    loaded = session(path, setting.batch, setting.threads)

    def run(feeds: Feeds) -> np.ndarray:
        return loaded.run(None, feeds)[0]

    return run

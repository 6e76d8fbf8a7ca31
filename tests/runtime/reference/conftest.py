"""A one-node ONNX model per call: the outside opinion that the reference is tested against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

OPSET = 21


def _run_onnx(
    op_type: str, inputs: Sequence[np.ndarray | None], outputs: int = 1, **attributes: Any
) -> Any:
    names = [f"in{i}" if value is not None else "" for i, value in enumerate(inputs)]
    given = {name: value for name, value in zip(names, inputs, strict=True) if value is not None}
    results = [f"out{i}" for i in range(outputs)]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op_type, names, results, **attributes)],
        "one_node",
        [
            onnx.helper.make_tensor_value_info(
                name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in given.items()
        ],
        [onnx.helper.make_empty_tensor_value_info(name) for name in results],
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=10
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values = session.run(None, given)
    return values[0] if outputs == 1 else values


@pytest.fixture(scope="session")
def run_onnx() -> Callable[..., Any]:
    """run_onnx(op_type, [inputs or None], outputs=1, **attributes) -> ONNX Runtime's result(s)."""
    return _run_onnx

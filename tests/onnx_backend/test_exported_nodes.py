"""ONNX's node tests the way out: imported, exported again, and run by ONNX Runtime."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.backend.test.case.test_case import TestCase
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, NotImplemented

from compiler.backends.onnx import export_onnx
from compiler.frontends.onnx import import_onnx
from dialects.context import make_context
from dialects.errors import OctetError
from tests.onnx_backend.node_cases import OPERATORS, as_array, compare, node_cases
from tests.onnx_backend.octet_backend import TAKE_ONLY_SHAPES

Feeds = dict[str, np.ndarray]
BFLOAT16 = onnx.TensorProto.BFLOAT16

REFUSED = "sizes that keep an aspect ratio"
"""What is imported but not exported, as the error says it."""

LACKING = "Non per-tensor quantization is not supported"
"""How ONNX Runtime refuses a ConvInteger with a zero point per channel, only when it runs."""


def exported(model: onnx.ModelProto, feeds: Feeds) -> tuple[onnx.ModelProto, Feeds] | None:
    """The model written anew and the inputs that it still has; None if it is not imported."""
    only_a_shape = {node.op_type for node in model.graph.node} <= TAKE_ONLY_SHAPES
    names = list(feeds)
    for bound in ([], names if only_a_shape else names[1:]):
        context = make_context()
        constants = {name: feeds[name] for name in bound}
        rest = {name: feed for name, feed in feeds.items() if name not in constants}
        try:
            shapes = {name: feed.shape for name, feed in rest.items()}
            module = import_onnx(model, context, shapes=shapes, constants=constants)
        except OctetError:
            continue
        proto = export_onnx(module, context.weights).proto()
        onnx.checker.check_model(proto, full_check=True)
        return proto, rest
    return None


def in_onnxruntime(model: onnx.ModelProto, feeds: Feeds) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return [np.asarray(output) for output in session.run(None, feeds)]


def run_case(case: TestCase) -> str:
    """`same`, or why there is nothing to compare. Raises AssertionError for other results."""
    for inputs, expected in case.data_sets:
        initialized = {tensor.name for tensor in case.model.graph.initializer}
        names = [value.name for value in case.model.graph.input if value.name not in initialized]
        try:
            feeds = dict(zip(names, map(as_array, inputs), strict=True))
            made = exported(case.model, feeds)
        except OctetError as error:
            return f"refused: {error}"
        if made is None:
            return "not imported"
        proto, rest = made
        if BFLOAT16 in {
            value.type.tensor_type.elem_type for value in (*proto.graph.input, *proto.graph.output)
        }:
            return "numpy has no bfloat16"
        try:
            outputs = in_onnxruntime(proto, rest)
        except NotImplemented:
            return "no kernel in ONNX Runtime"
        except Fail as error:
            if LACKING not in str(error):
                raise
            return "no kernel in ONNX Runtime"
        try:
            for output, value in zip(outputs, expected, strict=True):
                compare(output, as_array(value), case)
        except AssertionError:
            # ONNX Runtime may not do as ONNX says: then it does as it does with the original.
            for output, value in zip(outputs, in_onnxruntime(case.model, feeds), strict=True):
                compare(output, value, case)
    return "same"


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_operator_exported(operator: str) -> None:
    outcomes = {case.name: run_case(case) for case in node_cases()[operator]}
    refused = [text for text in outcomes.values() if text.startswith("refused")]
    assert all(REFUSED in text for text in refused)
    assert Counter(outcomes.values())["same"] > 0

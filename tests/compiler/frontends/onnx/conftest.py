"""Tiny ONNX models, and ONNX Runtime as the outside opinion on what they compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, NodeProto, helper, numpy_helper
from xdsl.dialects.builtin import ModuleOp

from compiler.frontends.onnx import import_onnx
from dialects.context import OctetContext, make_context
from runtime.reference.evaluate import evaluate

Arrays = Mapping[str, np.ndarray]
Sizes = Sequence[int | str | None]


def _build(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, tuple[Any, Sizes]],
    outputs: Sequence[str],
    initializers: Arrays | None = None,
    *,
    opset: int = 17,
    domains: Mapping[str, int] | None = None,
) -> ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "test",
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(sizes)
            )
            for name, (dtype, sizes) in inputs.items()
        ],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in (initializers or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(domain, version) for domain, version in (domains or {}).items()]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _run_onnxruntime(model: ModelProto, feeds: Arrays) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    # Its rewrites of quantized models round elsewhere than the model says.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(feeds)), strict=True))


def assert_same(found: np.ndarray, expected: np.ndarray, rtol: float, atol: float) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    if found.dtype.kind in "biu":
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(
            found.astype(np.float64), expected.astype(np.float64), rtol=rtol, atol=atol
        )


def _compare(
    model: ModelProto,
    feeds: Arrays,
    *,
    others: Sequence[Arrays] = (),
    shapes: Mapping[str, Sequence[int]] | None = None,
    rtol: float = 1e-4,
    atol: float = 1e-5,
) -> ModuleOp:
    context = make_context()
    module = import_onnx(model, context, shapes=shapes)
    for each in (feeds, *others):
        found = evaluate(module, each, context.weights)
        expected = _run_onnxruntime(model, each)
        assert list(found) == list(expected)
        for name, array in expected.items():
            assert_same(found[name], array, rtol, atol)
    return module


@pytest.fixture(scope="session")
def build() -> Callable[..., ModelProto]:
    """build(nodes, {input: (dtype, sizes)}, [outputs], {initializer: array}, opset=17)."""
    return _build


@pytest.fixture(scope="session")
def compare() -> Callable[..., ModuleOp]:
    """compare(model, feeds, others=[feeds of other sizes]): imports, evaluates, asserts equality
    with ONNX Runtime, and returns the module."""
    return _compare


@pytest.fixture(scope="session")
def run_onnxruntime() -> Callable[..., dict[str, np.ndarray]]:
    """run_onnxruntime(model, feeds) -> results by name."""
    return _run_onnxruntime


@pytest.fixture
def context() -> OctetContext:
    return make_context()


@pytest.fixture(scope="session")
def node() -> Callable[..., NodeProto]:
    """node(op_type, inputs, outputs, name=.., **attributes)."""
    return onnx.helper.make_node

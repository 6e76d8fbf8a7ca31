"""ONNX's own conformance tests of single nodes, for the operators that can be imported.

Operands that must be constants (shapes, axes, scales, ...) are bound to the test's values. What
is left out is left out by a rule with a reason; everything else must import and agree.
"""

from __future__ import annotations

import re
import warnings
from functools import cache

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, numpy_helper

import compiler.frontends.onnx.ops  # noqa: F401 - registers what can be imported
from compiler.frontends.onnx import import_onnx
from compiler.frontends.onnx.registry import supported_ops
from dialects.context import make_context
from runtime.reference.evaluate import evaluate

CONSTANT_OPERANDS: dict[str, tuple[int, ...]] = {
    "ConstantOfShape": (0,), "DequantizeLinear": (1, 2), "Dropout": (1, 2), "Expand": (1,),
    "Pad": (1, 2, 3), "QLinearConv": (1, 2, 4, 5, 6, 7), "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "QuantizeLinear": (1, 2), "Range": (0, 1, 2), "ReduceL1": (1,), "ReduceL2": (1,),
    "ReduceLogSum": (1,), "ReduceMax": (1,), "ReduceMean": (1,), "ReduceMin": (1,),
    "ReduceProd": (1,), "ReduceSum": (1,), "ReduceSumSquare": (1,), "Reshape": (1,),
    "Resize": (1, 2, 3), "Slice": (1, 2, 3, 4), "Split": (1,), "Squeeze": (1,), "Tile": (1,),
    "TopK": (1,), "Trilu": (1,), "Unsqueeze": (1,), "Upsample": (1,),
}  # fmt: skip

LEFT_OUT = {
    r"convtranspose_3d|conv_.*3d": "only 1 or 2 spatial dimensions",
    r"FLOAT8|FLOAT4|INT4|INT2|_e4m3|_e5m2|float4|u?int4|u?int2|e8m0": "types below 8 bits, floats "
    "of 8",
    r"string|sequence|identity_opt": "only tensors of numbers",
    r"training": "only inference",
    r"linear_u?int16": "only 8 bits",
    r"blocked": "blockwise scales",
    r"qlinearmatmul_.*_float16": "scales are float32",
    r"dynamicquantizelinear_.*expanded|center_crop_pad.*expanded": "run-time scales and shapes "
    "inside an expanded function",
    r"maxpool_with_argmax": "the indices of a pool",
    r"spacetodepth_crd": "the CRD order of SpaceToDepth",
    r"not_\dd": "opset 1",
    # Their expanded forms, which need no more than the ops inside, are run.
    r"attention(?!.*expanded).*(past|gqa|softcap|qk_matmul|nonpad|window|padded_kv|ext_cache)": (
        "fused attention without state, windows, soft caps, shared keys, and other results"
    ),
    r"attention(?!.*expanded).*nan_robustness": "a query without any key to attend to is NaN",
    # Expanded into a dozen ops of two-byte floats: several roundings of half a per mille each.
    r"attention.*(bf16|fp16)": "roundings of intermediate results in half precision",
}


def is_left_out(name: str) -> bool:
    return any(re.search(pattern, name) for pattern in LEFT_OUT)


@cache
def cases() -> dict[str, object]:
    """The conformance tests whose operators can all be imported, by name."""
    known = {(domain, op_type) for domain, op_type, _ in supported_ops()}
    with warnings.catch_warnings():
        # The generators of some tests divide by zero, as their operators do.
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        tests = load_model_tests(kind="node")
    return {
        test.name: test
        for test in tests
        if test.kind == "node"
        and all((node.domain, node.op_type) in known for node in test.model.graph.node)
    }


def bound_constants(model: ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    names = [
        node.input[index]
        for node in model.graph.node
        for index in CONSTANT_OPERANDS.get(node.op_type, ())
        if index < len(node.input)
    ]
    return {name: feeds[name] for name in names if name in feeds}


def as_array(value: object) -> np.ndarray:
    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value)


def test_most_conformance_tests_are_run():
    # Guards against a rule above, or a lost import function, leaving out more than it says.
    assert len([name for name in cases() if not is_left_out(name)]) > 900


@pytest.mark.parametrize("name", sorted(name for name in cases() if not is_left_out(name)))
def test_conformance(name):
    test = cases()[name]
    model: ModelProto = test.model
    inputs, outputs = test.data_sets[0]
    arrays = [as_array(value) for value in inputs]
    feeds = dict(zip((entry.name for entry in model.graph.input), arrays, strict=False))
    constants = bound_constants(model, feeds)
    context = make_context()
    module = import_onnx(model, context, constants=constants)
    fed = {key: value for key, value in feeds.items() if key not in constants}
    found = evaluate(module, fed, context.weights)
    for entry, value in zip(model.graph.output, outputs, strict=True):
        expected = as_array(value)
        assert found[entry.name].dtype == expected.dtype
        assert found[entry.name].shape == expected.shape
        if expected.dtype.kind in "biu":
            np.testing.assert_array_equal(found[entry.name], expected)
        else:
            np.testing.assert_allclose(
                found[entry.name].astype(np.float64), expected.astype(np.float64),
                rtol=test.rtol, atol=max(test.atol, 1e-5),
            )  # fmt: skip

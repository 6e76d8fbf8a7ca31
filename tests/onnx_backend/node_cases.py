"""ONNX's own node tests, run on compiled programs, with a verdict for each.

python -m tests.onnx_backend.node_cases              the table, per operator
python -m tests.onnx_backend.node_cases Resize Pad   these operators, with details
"""

from __future__ import annotations

import re
import sys
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.case.test_case import TestCase

from dialects.errors import OctetError
from tests.onnx_backend.octet_backend import OctetBackend

OPERATORS = (  # noqa: SIM905 - a page of words reads better than a list
    "Conv ConvTranspose Gemm MatMul BatchNormalization Relu Clip LeakyRelu PRelu Elu HardSwish "
    "HardSigmoid Sigmoid Tanh Erf Gelu Softmax LayerNormalization InstanceNormalization LRN "
    "MaxPool AveragePool GlobalAveragePool GlobalMaxPool Add Sub Mul Div Pow Sqrt Exp Log Neg Abs "
    "Min Max Where Equal Less LessOrEqual Greater GreaterOrEqual Concat Split Slice Pad Reshape "
    "Flatten Squeeze Unsqueeze Transpose Expand Tile Gather ReduceMean ReduceSum ReduceMax "
    "ReduceMin Resize DepthToSpace Cast Constant ConstantOfShape Shape Identity Dropout ArgMax "
    "TopK QuantizeLinear DequantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger "
    "DynamicQuantizeLinear"
).split()

OUT_OF_SCOPE = (
    ("element type", r"numpy type (u?int[24]|float[48]_\w+|object) cannot be an element type"),
    ("element type", r"element type (U?INT[24]|FLOAT[48]E?\w+|STRING), which is not supported"),
    ("element type", r"quantized u?i16 is not supported|scales of type float16 are not supported"),
    ("element type", r"on (float16|bfloat16|float64) has no kernel; cast to float32"),
    ("sequences and optionals", r"input '\w+' is not a tensor"),
    ("three spatial dimensions", r"conv_transpose: ranks of \[1, 1, 3, 4, 5\]"),
    ("training", r"training_mode"),
    ("indices of max-pool", r"MaxPool '\w+': result 1 \('z'\) is not supported"),
    ("blocked quantization", r"attribute block_size = \d+ is not supported"),
)
"""What Octet does not do, as the error says it; any other refusal is a failure."""

Verdict = Literal["pass", "unsupported", "fail"]


@dataclass(frozen=True)
class Outcome:
    verdict: Verdict
    detail: str = ""


@cache
def node_cases() -> dict[str, list[TestCase]]:
    """The single-node cases of `OPERATORS`, by operator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the cases compute their own inf and NaN
        from onnx.backend.test.loader import load_model_tests

        cases: dict[str, list[TestCase]] = {name: [] for name in OPERATORS}
        for case in load_model_tests(kind="node"):
            nodes = case.model.graph.node
            if len(nodes) == 1 and nodes[0].op_type in cases:
                cases[nodes[0].op_type].append(case)
    return cases


def run_case(case: TestCase) -> Outcome:
    """Compiles and runs a case, and compares with the outputs ONNX expects."""
    try:
        for inputs, expected in case.data_sets:
            feeds = [as_array(value) for value in inputs]
            outputs = OctetBackend.prepare(case.model).run(feeds)
            for output, value in zip(outputs, expected, strict=True):
                compare(output, as_array(value), case)
    except OctetError as error:
        for reason, pattern in OUT_OF_SCOPE:
            if re.search(pattern, str(error)):
                return Outcome("unsupported", reason)
        return Outcome("fail", str(error))
    except AssertionError as error:
        return Outcome("fail", str(error))
    return Outcome("pass")


def as_array(value: Any) -> np.ndarray:
    return (
        numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)
    )


def compare(actual: np.ndarray, expected: np.ndarray, case: TestCase) -> None:
    assert actual.dtype == expected.dtype, f"{actual.dtype} in place of {expected.dtype}"
    assert actual.shape == expected.shape, f"{actual.shape} in place of {expected.shape}"
    if actual.dtype.kind in "biu":
        np.testing.assert_array_equal(actual, expected)
    else:
        np.testing.assert_allclose(
            actual.astype(np.float64), expected.astype(np.float64), rtol=case.rtol, atol=case.atol
        )


def main(operators: list[str]) -> int:
    total: Counter[str] = Counter()
    print(f"{'operator':24} pass unsupported fail")
    for operator in operators or OPERATORS:
        outcomes = [(case.name, run_case(case)) for case in node_cases()[operator]]
        counts = Counter(outcome.verdict for _, outcome in outcomes)
        total += counts
        reasons = Counter(o.detail for _, o in outcomes if o.verdict == "unsupported")
        print(
            f"{operator:24} {counts['pass']:4} {counts['unsupported']:11} {counts['fail']:4}  "
            + ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        )
        for name, outcome in outcomes:
            if outcome.verdict == "fail":
                print(f"    {outcome.verdict} {name}: {' '.join(outcome.detail.split())[:300]}")
    print(f"{'all':24} {total['pass']:4} {total['unsupported']:11} {total['fail']:4}")
    return 1 if total["fail"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

from __future__ import annotations

from compiler.frontends.onnx import ops as _ops  # noqa: F401 - registers the operators
from compiler.frontends.onnx.registry import supported_ops
from dialects.nn import NN_OPS
from passes.placement.selectors.types import SPELLINGS, canonical_type, spellings

MADE_HERE = {"constant", "lookup", "dynamic_quantize", "matmul_dynamic"}
"""Types that no model names: constants cannot be selected, the others come with quantization."""

NO_OP_OF_ITS_OWN = {
    *("Constant", "ConstantOfShape", "Identity", "Dropout", "Shape", "Size", "Range", "CastLike"),
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
    *("Mean", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceSumSquare"),
}
"""ONNX operators that become a constant, nothing, a type of another name, or several ops."""


def test_spellings_name_types_of_the_dialect() -> None:
    types = {op.name.removeprefix("nn.") for op in NN_OPS}
    assert set(SPELLINGS) == types - MADE_HERE
    listed = [spelling for name, others in SPELLINGS.items() for spelling in (name, *others)]
    assert len(listed) == len(set(listed)) == len(spellings())


def test_operators_of_onnx_are_spellings() -> None:
    operators = {operator for _, operator, _ in supported_ops()}
    assert operators - set(spellings()) == NO_OP_OF_ITS_OWN


def test_an_unknown_type_stays_as_it_is() -> None:
    assert {canonical_type(name) for name in ("Gemm", "MatMul", "linear")} == {"matmul"}
    assert canonical_type("nobody") == "nobody"

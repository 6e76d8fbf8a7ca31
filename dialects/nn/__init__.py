"""The `nn` dialect: a neural network as a graph of tensor ops.

Every op carries the layer it came from and, once placed, the precision it computes in and who
decided that. The same op takes float or quantized tensors; the types say which.
One file per op family:

    base.py            what every op declares about itself
    attributes.py      precision, fused activation, weight handle
    scheme.py          how one value is to be quantized
    constant.py        constants
    elementwise.py     unary, binary, comparison, cast, lookup table
    linear.py          conv, conv_transpose, matmul
    linear_format.py   how a matrix product keeps its weights
    quantized_linear.py  float activations times weights of few bits
    attention.py       attention
    pooling.py         max_pool, avg_pool
    normalization.py   batch, layer, instance, response norm, softmax
    movement.py        reshape, transpose, concat, slice, pad, ...
    reduction.py       reductions, argmax, topk
    integer.py         dynamic quantization
    canonicalization.py
"""

from __future__ import annotations

from xdsl.dialect_interfaces.constant_materialization import ConstantMaterializationInterface
from xdsl.dialects.builtin import TensorType
from xdsl.ir import Attribute, Dialect, Operation

from dialects.nn.attention import ATTENTION_OPS
from dialects.nn.attributes import ActivationAttr, PrecisionAttr, WeightAttr
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import ELEMENTWISE_OPS
from dialects.nn.integer import INTEGER_OPS
from dialects.nn.linear import LINEAR_OPS
from dialects.nn.linear_format import LinearFormatAttr
from dialects.nn.movement import MOVEMENT_OPS
from dialects.nn.normalization import NORMALIZATION_OPS
from dialects.nn.pooling import POOLING_OPS
from dialects.nn.quantized_linear import QUANTIZED_LINEAR_OPS
from dialects.nn.reduction import REDUCTION_OPS
from dialects.nn.scheme import SchemeAttr


class MaterializeConstant(ConstantMaterializationInterface):
    """Folds that give an attribute become `nn.constant`."""

    def materialize_constant(self, value: Attribute, type: Attribute) -> Operation | None:
        if not isinstance(type, TensorType):
            return None
        return ConstantOp(result_types=[[type]], properties={"value": value})


NN_OPS = (
    ConstantOp,
    *ELEMENTWISE_OPS,
    *LINEAR_OPS,
    *QUANTIZED_LINEAR_OPS,
    *ATTENTION_OPS,
    *POOLING_OPS,
    *NORMALIZATION_OPS,
    *MOVEMENT_OPS,
    *REDUCTION_OPS,
    *INTEGER_OPS,
)

Nn = Dialect(
    "nn",
    list(NN_OPS),
    [PrecisionAttr, ActivationAttr, WeightAttr, SchemeAttr, LinearFormatAttr],
    [MaterializeConstant()],
)

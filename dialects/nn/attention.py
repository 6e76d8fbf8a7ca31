"""Scaled dot-product attention of several heads (Vaswani et al. 2017)."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, TensorType
from xdsl.irdl import (
    AttrSizedOperandSegments,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
)

from dialects import shapes
from dialects.nn.base import NnOp, Quantization, shape_of


@irdl_op_definition
class AttentionOp(NnOp):
    """`softmax(q @ k^T * scale + mask) @ v`, for each head on its own columns.

    q [B, Q, heads * D], k [B, K, heads * D], v [B, K, heads * V] hold the heads side by side, as
    linear layers make them; the result is [B, Q, heads * V]. The mask, of shape [B, heads, Q, K]
    or broadcast to it, is added to the scaled scores; its last dimension is K. Softmax goes along
    K. Between quantized tensors the mask stays float.
    """

    name = "nn.attention"
    QUANTIZATION: ClassVar = Quantization.COMPUTES
    FLOAT_OPERANDS: ClassVar = frozenset({"mask"})
    SHAPE_RULE: ClassVar = staticmethod(shapes.attention)

    q = operand_def(TensorType)
    k = operand_def(TensorType)
    v = operand_def(TensorType)
    mask = opt_operand_def(TensorType)
    heads = prop_def(IntegerAttr)
    scale = prop_def(FloatAttr)
    result = result_def(TensorType)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def macs(self) -> int:
        batch, queries, columns = shape_of(self.q)
        _, keys, value_columns = shape_of(self.v)
        return batch * queries * keys * (columns + value_columns)


ATTENTION_OPS = (AttentionOp,)

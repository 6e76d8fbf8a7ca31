"""Reductions, argmax and top-k."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import BoolAttr, IntegerAttr, TensorType
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def

from dialects import shapes
from dialects.assembly import INTEGERS
from dialects.elements import i64
from dialects.nn.base import NnOp, Quantization, always, then


class ReduceOp(NnOp):
    """Reduces `axes`; with `keepdims` they stay as dimensions of size 1."""

    SHAPE_RULE: ClassVar = staticmethod(shapes.reduce)

    x = operand_def(TensorType)
    axes = prop_def(INTEGERS)
    keepdims = prop_def(BoolAttr)
    result = result_def(TensorType)


@irdl_op_definition
class ReduceMeanOp(ReduceOp):
    """The mean; over the spatial dimensions it is the global average pool."""

    name = "nn.reduce_mean"
    QUANTIZATION: ClassVar = Quantization.COMPUTES


@irdl_op_definition
class ReduceSumOp(ReduceOp):
    name = "nn.reduce_sum"


@irdl_op_definition
class ReduceMaxOp(ReduceOp):
    """Monotone, so exact on stored integers."""

    name = "nn.reduce_max"
    QUANTIZATION: ClassVar = Quantization.MOVES


@irdl_op_definition
class ReduceMinOp(ReduceOp):
    """Monotone, so exact on stored integers."""

    name = "nn.reduce_min"
    QUANTIZATION: ClassVar = Quantization.MOVES


@irdl_op_definition
class ReduceProdOp(ReduceOp):
    name = "nn.reduce_prod"


class ArgReduceOp(NnOp):
    """The index of the extreme element along `axis`; ties go to the first, or on request last."""

    SHAPE_RULE: ClassVar = staticmethod(shapes.arg_reduce)
    ELEMENT_RULE: ClassVar = staticmethod(always(i64))

    x = operand_def(TensorType)
    axis = prop_def(IntegerAttr)
    keepdims = prop_def(BoolAttr)
    select_last_index = prop_def(BoolAttr)
    result = result_def(TensorType)


@irdl_op_definition
class ArgMaxOp(ArgReduceOp):
    name = "nn.argmax"


@irdl_op_definition
class ArgMinOp(ArgReduceOp):
    name = "nn.argmin"


@irdl_op_definition
class TopKOp(NnOp):
    """The `k` greatest (or least) elements along `axis` and their indices (i64)."""

    name = "nn.topk"
    SHAPE_RULE: ClassVar = staticmethod(shapes.topk)
    ELEMENT_RULE: ClassVar = staticmethod(then(i64))

    x = operand_def(TensorType)
    k = prop_def(IntegerAttr)
    axis = prop_def(IntegerAttr)
    largest = prop_def(BoolAttr)
    sorted = prop_def(BoolAttr)
    top = result_def(TensorType)
    indices = result_def(TensorType)


REDUCTION_OPS = (
    ReduceMeanOp, ReduceSumOp, ReduceMaxOp, ReduceMinOp, ReduceProdOp, ArgMaxOp, ArgMinOp, TopKOp,
)  # fmt: skip

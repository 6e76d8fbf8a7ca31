"""Normalizations and softmax: they stay float."""

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
from xdsl.utils.exceptions import VerifyException

from dialects import shapes
from dialects.nn.base import NnOp, shape_of


def verify_channel_parameters(op: BatchNormOp | InstanceNormOp) -> None:
    """Every operand but x has one entry per channel (dimension 1) of x."""
    channels = shape_of(op.x)[1:2]
    for name, value in zip(op.operand_names()[1:], op.operands[1:], strict=True):
        if shape_of(value) != channels:
            raise VerifyException(
                f"{op.source_name}: the {name} of {op.name} has shape {list(shape_of(value))}, "
                f"expected {list(channels)}"
            )


@irdl_op_definition
class BatchNormOp(NnOp):
    """`(x - mean) / sqrt(variance + epsilon) * scale + bias`, per channel (dimension 1)."""

    name = "nn.batch_norm"
    SHAPE_RULE: ClassVar = staticmethod(shapes.same)

    x = operand_def(TensorType)
    scale = operand_def(TensorType)
    bias = operand_def(TensorType)
    mean = operand_def(TensorType)
    variance = operand_def(TensorType)
    epsilon = prop_def(FloatAttr)
    result = result_def(TensorType)

    def verify_(self) -> None:
        super().verify_()
        verify_channel_parameters(self)


@irdl_op_definition
class LayerNormOp(NnOp):
    """Normalizes over dimensions `axis` and after, then scales and shifts elementwise."""

    name = "nn.layer_norm"
    SHAPE_RULE: ClassVar = staticmethod(shapes.same)

    x = operand_def(TensorType)
    scale = opt_operand_def(TensorType)
    bias = opt_operand_def(TensorType)
    axis = prop_def(IntegerAttr)
    epsilon = prop_def(FloatAttr)
    result = result_def(TensorType)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)


@irdl_op_definition
class InstanceNormOp(NnOp):
    """Normalizes each channel of each sample over its spatial dimensions."""

    name = "nn.instance_norm"
    SHAPE_RULE: ClassVar = staticmethod(shapes.same)

    x = operand_def(TensorType)
    scale = operand_def(TensorType)
    bias = operand_def(TensorType)
    epsilon = prop_def(FloatAttr)
    result = result_def(TensorType)

    def verify_(self) -> None:
        super().verify_()
        verify_channel_parameters(self)


@irdl_op_definition
class LrnOp(NnOp):
    """Local response normalization across `size` neighbouring channels (AlexNet, 2012)."""

    name = "nn.lrn"
    SHAPE_RULE: ClassVar = staticmethod(shapes.same)

    x = operand_def(TensorType)
    size = prop_def(IntegerAttr)
    alpha = prop_def(FloatAttr)
    beta = prop_def(FloatAttr)
    bias = prop_def(FloatAttr)
    result = result_def(TensorType)


@irdl_op_definition
class SoftmaxOp(NnOp):
    """`exp(x - max) / sum` along `axis`."""

    name = "nn.softmax"
    SHAPE_RULE: ClassVar = staticmethod(shapes.same)

    x = operand_def(TensorType)
    axis = prop_def(IntegerAttr)
    result = result_def(TensorType)


@irdl_op_definition
class LogSoftmaxOp(NnOp):
    """`log(softmax(x))` along `axis`."""

    name = "nn.log_softmax"
    SHAPE_RULE: ClassVar = staticmethod(shapes.same)

    x = operand_def(TensorType)
    axis = prop_def(IntegerAttr)
    result = result_def(TensorType)


NORMALIZATION_OPS = (BatchNormOp, LayerNormOp, InstanceNormOp, LrnOp, SoftmaxOp, LogSoftmaxOp)

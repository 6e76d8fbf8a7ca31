"""Ops whose quantization parameters are run-time values (ONNX dynamic quantization)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from xdsl.dialects.builtin import IntegerAttr, TensorType
from xdsl.ir import Attribute
from xdsl.irdl import (
    AttrSizedOperandSegments,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    prop_def,
    result_def,
)

from dialects import shapes
from dialects.assembly import INTEGERS
from dialects.elements import i32, ui8
from dialects.nn.base import NnOp, always, shape_of


def _quantized_scale_and_zero_point(
    elements: Sequence[Attribute], _options: Mapping[str, Any]
) -> list[Attribute]:
    return [ui8, elements[0], ui8]


@irdl_op_definition
class DynamicQuantizeOp(NnOp):
    """u8 values with the scale and zero point of this very input (ONNX DynamicQuantizeLinear)."""

    name = "nn.dynamic_quantize"
    SHAPE_RULE: ClassVar = staticmethod(shapes.dynamic_quantize)
    ELEMENT_RULE: ClassVar = staticmethod(_quantized_scale_and_zero_point)

    x = operand_def(TensorType)
    quantized = result_def(TensorType)
    scale = result_def(TensorType)
    zero_point = result_def(TensorType)


@irdl_op_definition
class ConvIntegerOp(NnOp):
    """Convolution of raw integers into i32, zero points being run-time scalars."""

    name = "nn.conv_integer"
    SHAPE_RULE: ClassVar = staticmethod(shapes.conv)
    ELEMENT_RULE: ClassVar = staticmethod(always(i32))

    x = operand_def(TensorType)
    weight = operand_def(TensorType)
    x_zero_point = opt_operand_def(TensorType)
    weight_zero_point = opt_operand_def(TensorType)
    strides = prop_def(INTEGERS)
    pads = prop_def(INTEGERS)
    dilations = prop_def(INTEGERS)
    groups = prop_def(IntegerAttr)
    result = result_def(TensorType)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def macs(self) -> int:
        return math.prod(shape_of(self.result)) * math.prod(shape_of(self.weight)[1:])


@irdl_op_definition
class MatmulIntegerOp(NnOp):
    """Matrix product of raw integers into i32, zero points being run-time values."""

    name = "nn.matmul_integer"
    SHAPE_RULE: ClassVar = staticmethod(shapes.matmul)
    ELEMENT_RULE: ClassVar = staticmethod(always(i32))

    a = operand_def(TensorType)
    b = operand_def(TensorType)
    a_zero_point = opt_operand_def(TensorType)
    b_zero_point = opt_operand_def(TensorType)
    result = result_def(TensorType)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def macs(self) -> int:
        return math.prod(shape_of(self.result)) * shape_of(self.a)[-1]


INTEGER_OPS = (DynamicQuantizeOp, ConvIntegerOp, MatmulIntegerOp)

"""Convolution and matrix product: the ops that multiply weights."""

from __future__ import annotations

import math
from typing import ClassVar

from xdsl.dialects.builtin import IntegerAttr, TensorType, f32
from xdsl.ir import SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    irdl_op_definition,
    operand_def,
    opt_attr_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from dialects import shapes
from dialects.assembly import INTEGERS
from dialects.elements import HALVES, is_quantized
from dialects.nn.attributes import ActivationAttr
from dialects.nn.base import NnOp, Quantization, element_of_value, shape_of
from dialects.nn.linear_format import LinearFormatAttr


class LinearOp(NnOp):
    """An op whose products of 16-bit floats are summed in float32.

    With bf16 or f16 operands the bias is f32 (or of the operands' type), the result is of the
    operands' type, rounded once, or f32, not rounded; a residual has the type of the result.
    """

    def verify_elements(self) -> None:
        names = self.operand_names()
        elements = [element_of_value(operand) for operand in self.operands]
        half, result = elements[0], element_of_value(self.results[0])
        if half not in HALVES or any(map(is_quantized, elements)):
            super().verify_elements()
            return
        allowed = {"bias": (half, f32), "residual": (result,)}
        for name, element in zip(names, elements, strict=True):
            expected = allowed.get(name, (half,))
            if element not in expected:
                raise VerifyException(
                    f"{self.source_name}: operand {name} of {self.name} on {half} is "
                    f"{' or '.join(map(str, expected))}, not {element}"
                )
        if result not in (half, f32):
            raise VerifyException(
                f"{self.source_name}: {self.name} on {half} gives {half} or f32, not {result}"
            )


@irdl_op_definition
class ConvOp(LinearOp):
    """Convolution of `x` [N, C, (H,) W] with `weight` [O, C / groups, (KH,) KW].

    `pads` are begins then ends, per spatial dimension. A bias [O], then a residual of the
    result's shape, then a fused clamp may follow in that order.
    """

    name = "nn.conv"
    QUANTIZATION: ClassVar = Quantization.COMPUTES
    WEIGHT_AXES: ClassVar = {"weight": 0, "bias": 0}
    SHAPE_RULE: ClassVar = staticmethod(shapes.conv)

    x = operand_def(TensorType)
    weight = operand_def(TensorType)
    bias = opt_operand_def(TensorType)
    residual = opt_operand_def(TensorType)
    strides = prop_def(INTEGERS)
    pads = prop_def(INTEGERS)
    dilations = prop_def(INTEGERS)
    groups = prop_def(IntegerAttr)
    activation = opt_prop_def(ActivationAttr)
    result = result_def(TensorType)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    @property
    def is_depthwise(self) -> bool:
        """One filter per channel."""
        return self.groups.value.data == shape_of(self.weight)[0] == shape_of(self.x)[1] > 1

    def macs(self) -> int:
        return math.prod(shape_of(self.result)) * math.prod(shape_of(self.weight)[1:])

    def verify_(self) -> None:
        super().verify_()
        verify_bias_and_residual(self, self.bias, self.residual, shape_of(self.weight)[0])


@irdl_op_definition
class ConvTransposeOp(LinearOp):
    """Transposed convolution of `x` [N, C, ..] with `weight` [C, O / groups, ..]."""

    name = "nn.conv_transpose"
    WEIGHT_AXES: ClassVar = {"weight": 1, "bias": 0}
    SHAPE_RULE: ClassVar = staticmethod(shapes.conv_transpose)

    x = operand_def(TensorType)
    weight = operand_def(TensorType)
    bias = opt_operand_def(TensorType)
    strides = prop_def(INTEGERS)
    pads = prop_def(INTEGERS)
    dilations = prop_def(INTEGERS)
    groups = prop_def(IntegerAttr)
    output_padding = prop_def(INTEGERS)
    result = result_def(TensorType)

    def verify_(self) -> None:
        super().verify_()
        channels = shape_of(self.result)[1]
        if self.bias is not None and shape_of(self.bias) != (channels,):
            raise VerifyException(
                f"{self.source_name}: the bias of {self.name} has shape "
                f"{list(shape_of(self.bias))}, expected [{channels}]"
            )

    def macs(self) -> int:
        return math.prod(shape_of(self.x)) * math.prod(shape_of(self.weight)[1:])


@irdl_op_definition
class MatmulOp(LinearOp):
    """`a @ b` as numpy defines it, then bias [N], residual, clamp. `b` may be a constant."""

    name = "nn.matmul"
    QUANTIZATION: ClassVar = Quantization.COMPUTES
    WEIGHT_AXES: ClassVar = {"b": -1, "bias": 0}
    SHAPE_RULE: ClassVar = staticmethod(shapes.matmul)

    a = operand_def(TensorType)
    b = operand_def(TensorType)
    bias = opt_operand_def(TensorType)
    residual = opt_operand_def(TensorType)
    activation = opt_prop_def(ActivationAttr)
    linear_format = opt_attr_def(LinearFormatAttr)
    """How its weights and activations are to be quantized, where not by a calibrated range."""
    result = result_def(TensorType)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def macs(self) -> int:
        return math.prod(shape_of(self.result)) * shape_of(self.a)[-1]

    def verify_(self) -> None:
        super().verify_()
        verify_bias_and_residual(self, self.bias, self.residual, (shape_of(self.b) or (1,))[-1])


def verify_bias_and_residual(
    op: NnOp, bias: SSAValue | None, residual: SSAValue | None, channels: int
) -> None:
    """A bias has one entry per output channel; a residual has the result's shape."""
    if bias is not None and shape_of(bias) != (channels,):
        raise VerifyException(
            f"{op.source_name}: the bias of {op.name} has shape {list(shape_of(bias))}, "
            f"expected [{channels}]"
        )
    if residual is not None and shape_of(residual) != shape_of(op.results[0]):
        raise VerifyException(
            f"{op.source_name}: the residual of {op.name} has shape "
            f"{list(shape_of(residual))}, the result {list(shape_of(op.results[0]))}"
        )


LINEAR_OPS = (ConvOp, ConvTransposeOp, MatmulOp)

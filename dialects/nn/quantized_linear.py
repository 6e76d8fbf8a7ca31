"""Matrix products of float activations with weights in few bits."""

from __future__ import annotations

import math
from typing import ClassVar

from xdsl.dialects.builtin import IntegerAttr, TensorType, f32
from xdsl.irdl import (
    AttrSizedOperandSegments,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from dialects import shapes
from dialects.elements import i8, ui8
from dialects.nn.attributes import ActivationAttr
from dialects.nn.base import NnOp, Quantization, element_of_value, shape_of
from dialects.nn.linear import verify_bias_and_residual
from dialects.quant import UniformQuantizedType

BITS = (4, 8)
"""Widths of a weight."""


@irdl_op_definition
class MatmulNBitsOp(NnOp):
    """`a` [.., K] times weights of `bits` bits, then bias [N], residual, clamp; all in float32.

    Blocks of `block_size` weights that follow one another in K share a scale and a zero point:
    weight = (stored - zero_point) * scale. They are stored as ONNX Runtime's MatMulNBits does:

        b            ui8 [N, blocks, block_size * bits / 8], the earlier weight in the lower bits
        scales       f32 [N, blocks]
        zero_points  ui8 [N, blocks], one a byte; without them it is the middle, 2^(bits - 1)

    The last block may reach beyond K; what stands there has no meaning. Scales are operands and no
    part of a type, for there are as many as weights / block_size: text would be greater than they.
    """

    name = "nn.matmul_nbits"
    WEIGHT_AXES: ClassVar = {"b": 0, "scales": 0, "zero_points": 0, "bias": 0}
    SHAPE_RULE: ClassVar = staticmethod(shapes.matmul_nbits)

    a = operand_def(TensorType)
    b = operand_def(TensorType)
    scales = operand_def(TensorType)
    zero_points = opt_operand_def(TensorType)
    bias = opt_operand_def(TensorType)
    residual = opt_operand_def(TensorType)
    bits = prop_def(IntegerAttr)
    block_size = prop_def(IntegerAttr)
    activation = opt_prop_def(ActivationAttr)
    result = result_def(TensorType)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def macs(self) -> int:
        return math.prod(shape_of(self.result)) * shape_of(self.a)[-1]

    def verify_elements(self) -> None:
        for name, value in zip(self.operand_names(), self.operands, strict=True):
            expected = ui8 if name in ("b", "zero_points") else f32
            if element_of_value(value) != expected:
                raise VerifyException(
                    f"{self.source_name}: operand {name} of {self.name} holds {expected}, not "
                    f"{element_of_value(value)}"
                )
        if element_of_value(self.result) != f32:
            raise VerifyException(f"{self.source_name}: {self.name} gives f32")

    def verify_(self) -> None:
        super().verify_()
        verify_bias_and_residual(self, self.bias, self.residual, shape_of(self.b)[0])
        zero_points = self.zero_points
        if zero_points is not None and shape_of(zero_points) != shape_of(self.scales):
            raise VerifyException(
                f"{self.source_name}: {self.name} has zero points "
                f"{list(shape_of(zero_points))} for scales {list(shape_of(self.scales))}"
            )


@irdl_op_definition
class MatmulDynamicOp(NnOp):
    """`a` [.., K] times int8 weights `b` [K, N], the rows of `a` being quantized when it runs.

    Each row of `a` becomes u8 over its own range, widened to hold 0; products are summed in 32
    bits, scaled to float32, and bias [N], residual and clamp follow. `b` is signed with zero point
    0 and one scale, or one per column.
    """

    name = "nn.matmul_dynamic"
    QUANTIZATION: ClassVar = Quantization.COMPUTES
    WEIGHT_AXES: ClassVar = {"b": -1, "bias": 0}
    SHAPE_RULE: ClassVar = staticmethod(shapes.matmul_dynamic)

    a = operand_def(TensorType)
    b = operand_def(TensorType)
    bias = opt_operand_def(TensorType)
    residual = opt_operand_def(TensorType)
    activation = opt_prop_def(ActivationAttr)
    result = result_def(TensorType)

    irdl_options = (AttrSizedOperandSegments(as_property=True),)

    def macs(self) -> int:
        return math.prod(shape_of(self.result)) * shape_of(self.a)[-1]

    def verify_elements(self) -> None:
        for name, value in zip(self.operand_names(), self.operands, strict=True):
            if name != "b" and element_of_value(value) != f32:
                raise VerifyException(
                    f"{self.source_name}: operand {name} of {self.name} holds f32, not "
                    f"{element_of_value(value)}"
                )
        element = element_of_value(self.b)
        fits = (
            isinstance(element, UniformQuantizedType)
            and element.storage == i8
            and element.channel_axis in (None, 1)
            and not any(element.zero_points.get_values())
        )
        if not fits:
            raise VerifyException(
                f"{self.source_name}: operand b of {self.name} is quantized to signed bytes with "
                f"zero point 0, with one scale or one per column (axis 1), not {element}"
            )
        if element_of_value(self.result) != f32:
            raise VerifyException(f"{self.source_name}: {self.name} gives f32")

    def verify_(self) -> None:
        super().verify_()
        verify_bias_and_residual(self, self.bias, self.residual, shape_of(self.b)[-1])


QUANTIZED_LINEAR_OPS = (MatmulNBitsOp, MatmulDynamicOp)

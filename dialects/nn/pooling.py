"""Sliding-window pools. Global pools are reductions."""

from __future__ import annotations

from typing import ClassVar

from xdsl.dialects.builtin import BoolAttr, TensorType
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def

from dialects import shapes
from dialects.assembly import INTEGERS
from dialects.nn.base import NnOp, Quantization


class PoolOp(NnOp):
    """A window of `kernel` over the spatial dimensions of `x` [N, C, (H,) W]."""

    SHAPE_RULE: ClassVar = staticmethod(shapes.pool)

    x = operand_def(TensorType)
    kernel = prop_def(INTEGERS)
    strides = prop_def(INTEGERS)
    pads = prop_def(INTEGERS)
    dilations = prop_def(INTEGERS)
    ceil_mode = prop_def(BoolAttr)
    result = result_def(TensorType)


@irdl_op_definition
class MaxPoolOp(PoolOp):
    """The greatest element of each window; padding never wins. Monotone, so exact in int8."""

    name = "nn.max_pool"
    QUANTIZATION: ClassVar = Quantization.MOVES


@irdl_op_definition
class AvgPoolOp(PoolOp):
    """The mean of each window, over valid elements or, on request, padding too."""

    name = "nn.avg_pool"
    QUANTIZATION: ClassVar = Quantization.COMPUTES
    count_include_pad = prop_def(BoolAttr)


POOLING_OPS = (MaxPoolOp, AvgPoolOp)

"""Dynamic quantization: ONNX has these ops itself."""

from __future__ import annotations

from dialects.nn import integer as nn
from dialects.nn.base import shape_of

from ..node import OpContext
from ..registry import emitter


@emitter(nn.DynamicQuantizeOp)
def emit_dynamic_quantize(op: nn.DynamicQuantizeOp, node: OpContext) -> tuple[str, ...]:
    return node.emit_all("DynamicQuantizeLinear", node.operand(op.x), count=3)


@emitter(nn.ConvIntegerOp)
def emit_conv_integer(op: nn.ConvIntegerOp, node: OpContext) -> str:
    options = op.values()
    return node.emit(
        "ConvInteger",
        *map(node.operand, (op.x, op.weight, op.x_zero_point, op.weight_zero_point)),
        kernel_shape=shape_of(op.weight)[2:],
        strides=options["strides"],
        pads=options["pads"],
        dilations=options["dilations"],
        group=options["groups"],
    )


@emitter(nn.MatmulIntegerOp)
def emit_matmul_integer(op: nn.MatmulIntegerOp, node: OpContext) -> str:
    operands = (op.a, op.b, op.a_zero_point, op.b_zero_point)
    return node.emit("MatMulInteger", *map(node.operand, operands))

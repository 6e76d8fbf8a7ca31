"""Convolutions and matrix products, with what was fused into them as nodes of its own.

Between DequantizeLinear and QuantizeLinear an activation stays explicit. Where the zero point
clamps as tightly, runtimes drop it themselves; a reader that does not know the zero point still
sees a ReLU.
"""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from dialects.nn.attributes import ActivationAttr
from dialects.nn.base import shape_of
from dialects.nn.linear import ConvOp, ConvTransposeOp, MatmulOp
from passes.dataflow import constant_of, quantized_element, stored_behind
from passes.integer.proofs import quantized_bias

from ..node import OpContext
from ..registry import emitter
from .elementwise import clamp


@emitter(ConvOp)
def emit_conv(op: ConvOp, node: OpContext) -> str:
    options = op.values()
    result = node.emit(
        "Conv",
        node.operand(op.x),
        node.operand(op.weight),
        bias_operand(op, node),
        kernel_shape=shape_of(op.weight)[2:],
        strides=options["strides"],
        pads=options["pads"],
        dilations=options["dilations"],
        group=options["groups"],
    )
    return _epilogue(node, result, op.residual, op.activation)


@emitter(ConvTransposeOp)
def emit_conv_transpose(op: ConvTransposeOp, node: OpContext) -> str:
    options = op.values()
    return node.emit(
        "ConvTranspose",
        *map(node.operand, (op.x, op.weight, op.bias)),
        kernel_shape=shape_of(op.weight)[2:],
        strides=options["strides"],
        pads=options["pads"],
        dilations=options["dilations"],
        output_padding=options["output_padding"],
        group=options["groups"],
    )


@emitter(MatmulOp)
def emit_matmul(op: MatmulOp, node: OpContext) -> str:
    """Matrices with a bias are a Gemm, which has one; other products add it in float."""
    a, b = node.operand(op.a), node.operand(op.b)
    if op.bias is not None and len(shape_of(op.a)) == len(shape_of(op.b)) == 2:
        result = node.emit("Gemm", a, b, bias_operand(op, node))
    else:
        result = node.emit("MatMul", a, b)
        if op.bias is not None:
            result = node.emit("Add", result, node.operand(op.bias), part="bias/Add")
    return _epilogue(node, result, op.residual, op.activation)


def _epilogue(
    node: OpContext, result: str, residual: SSAValue | None, activation: ActivationAttr | None
) -> str:
    """The residual, then the activation, unrounded in between as in the program."""
    if residual is not None:
        result = node.emit("Add", result, node.operand(residual), part="Add")
    if activation is not None:
        result = clamp(node, result, *activation.bounds, fused=True)
    return result


def bias_operand(op: ConvOp | MatmulOp, node: OpContext) -> str:
    """The bias of an op on dequantized operands as int32 multiples of the scale of its sums, as
    runtimes want it and as `quantize-ops` rounds it; otherwise in float."""
    bias = node.contents(op.bias)
    scales = _sum_scales(op.operands[0], op.operands[1], 0 if isinstance(op, ConvOp) else 1)
    steps = None if bias is None or scales is None else quantized_bias(bias, scales)
    if op.bias is None or steps is None or scales is None:
        return node.operand(op.bias)
    constant = constant_of(op.bias)
    name = f"{node.layer}.bias"
    if constant is not None and constant.layer is not None:
        name = constant.layer.data
    graph = node.graph
    per_channel = scales.size > 1
    shape = scales.shape if per_channel else ()
    stored = graph.initializer(steps, f"{name}_quantized")
    scale = graph.initializer(scales.reshape(shape), f"{stored}_scale")
    zero_point = graph.initializer(np.zeros(shape, np.int32), f"{stored}_zero_point")
    return graph.node(
        "DequantizeLinear",
        [stored, scale, zero_point],
        f"{stored}_DequantizeLinear",
        [f"{stored}_DequantizeLinear_Output"],
        axis=0 if per_channel else None,
    )[0]


def _sum_scales(x: SSAValue, weight: SSAValue, channel_axis: int) -> np.ndarray | None:
    """Input scale times weight scale in float32, per tensor [1] or per output channel; None if
    the sums have no such scale."""
    stored = [stored_behind(value) for value in (x, weight)]
    elements = [None if value is None else quantized_element(value) for value in stored]
    x_element, weight_element = elements
    if x_element is None or weight_element is None or x_element.channel_axis is not None:
        return None
    if weight_element.channel_axis not in (None, channel_axis):
        return None
    x_scale, w_scales = (
        np.array(e.scales.get_values(), np.float32) for e in (x_element, weight_element)
    )
    scales = x_scale * w_scales
    normal = np.isfinite(scales) & (scales >= np.finfo(np.float32).tiny)
    return scales if normal.all() else None

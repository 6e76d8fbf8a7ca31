"""Ops on quantized operands, as their float ops between casts.

    QLinearConv(x, w, ...)  =  qcast(conv(dcast(x), dcast(w)))

which is what a QDQ model says; quantizing passes see one form only.
"""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import IntegerType, f32

from dialects.elements import i32, ui8
from dialects.errors import OctetError
from dialects.nn.base import NnOp
from dialects.nn.elementwise import AddOp, LeakyReluOp, MulOp, SigmoidOp
from dialects.nn.linear import MatmulOp
from dialects.nn.movement import ConcatOp, TransposeOp
from dialects.nn.normalization import SoftmaxOp
from dialects.nn.reduction import ReduceMeanOp
from dialects.quant import UniformQuantizedType
from dialects.shapes import normalize_axis

from ..node import NodeContext
from ..registry import MICROSOFT, importer
from ..values import Tensor
from .linear import conv
from .pooling import average_pool, global_pool
from .quantization import quantized_type


def _storage(tensor: Tensor) -> IntegerType:
    element = tensor.element
    storage = element.storage if isinstance(element, UniformQuantizedType) else element
    if not isinstance(storage, IntegerType):
        raise OctetError(f"'{tensor.source}' should hold integers, got {storage}")
    return storage


def _real(node: NodeContext, index: int, axis: int = 0) -> tuple[Tensor, UniformQuantizedType]:
    """The real numbers of operand `index`, whose scale and zero point follow it; its type."""
    tensor = node.maybe_quantized(index)
    element = quantized_type(node, tensor.shape, index + 1, index + 2, axis, _storage(tensor))
    return node.dequantize(tensor, element), element


def _stored(node: NodeContext, real: Tensor, scale_index: int, storage: IntegerType) -> Tensor:
    """A result, quantized with the scale and zero point operands at `scale_index`."""
    element = quantized_type(node, real.shape, scale_index, scale_index + 1, 0, storage)
    return node.quantize(real, element)


@importer("QLinearConv")
def import_qlinear_conv(node: NodeContext) -> Tensor:
    x, x_type = _real(node, 0)
    weight, weight_type = _real(node, 3, axis=0)
    bias = _bias(node, 8, x_type, weight_type) if node.has(8) else None
    return _stored(node, conv(node, x, weight, bias), 6, x_type.storage)


def _bias(
    node: NodeContext, index: int, x_type: UniformQuantizedType, weight_type: UniformQuantizedType
) -> Tensor:
    """An int32 bias counts in products of the input's and the weight's scale."""
    x_scale = np.float32(x_type.scales.get_values()[0])
    scales = [float(x_scale * np.float32(scale)) for scale in weight_type.scales.get_values()]
    element = UniformQuantizedType(
        i32, f32, scales, [0] * len(scales), axis=0 if len(scales) > 1 else None
    )
    return node.dequantize(node.maybe_quantized(index), element)


@importer("QLinearMatMul")
def import_qlinear_matmul(node: NodeContext) -> Tensor:
    a, a_type = _real(node, 0, axis=-2)
    b, _ = _real(node, 3, axis=-1)
    return _stored(node, node.emit(MatmulOp, a, b), 6, a_type.storage)


@importer("QGemm", domain=MICROSOFT)
def import_qgemm(node: NodeContext) -> Tensor:
    if node.number("alpha", 1.0) != 1.0 or node.integer("transA", 0):
        raise OctetError("only alpha = 1 and transA = 0 are supported")
    a, a_type = _real(node, 0)
    transposed = bool(node.integer("transB", 0))
    b, b_type = _real(node, 3, axis=0 if transposed else 1)
    if transposed:
        b = node.emit(TransposeOp, b, permutation=[1, 0])
    bias = _bias(node, 6, a_type, b_type) if node.has(6) else None
    result = node.emit(MatmulOp, a, b, bias)
    return _stored(node, result, 7, a_type.storage) if node.has(7) else result


def _register_binary(op_type: str, kind: type[NnOp]) -> None:
    @importer(op_type, domain=MICROSOFT)
    def import_binary(node: NodeContext) -> Tensor:
        a, a_type = _real(node, 0)
        b, _ = _real(node, 3)
        return _stored(node, node.emit(kind, a, b), 6, a_type.storage)


_register_binary("QLinearAdd", AddOp)
_register_binary("QLinearMul", MulOp)


@importer("QLinearSigmoid", domain=MICROSOFT)
def import_qlinear_sigmoid(node: NodeContext) -> Tensor:
    x, x_type = _real(node, 0)
    return _stored(node, node.emit(SigmoidOp, x), 3, x_type.storage)


@importer("QLinearLeakyRelu", domain=MICROSOFT)
def import_qlinear_leaky_relu(node: NodeContext) -> Tensor:
    x, x_type = _real(node, 0)
    result = node.emit(LeakyReluOp, x, alpha=node.number("alpha", 0.01))
    return _stored(node, result, 3, x_type.storage)


@importer("QLinearSoftmax", domain=MICROSOFT)
def import_qlinear_softmax(node: NodeContext) -> Tensor:
    x, x_type = _real(node, 0)
    axis = normalize_axis(node.integer("axis", -1), x.rank)
    if node.integer("opset") < 13 and axis != x.rank - 1:
        raise OctetError("before opset 13 only the last axis is supported")
    return _stored(node, node.emit(SoftmaxOp, x, axis=axis), 3, x_type.storage)


@importer("QLinearGlobalAveragePool", domain=MICROSOFT)
def import_qlinear_global_average_pool(node: NodeContext) -> Tensor:
    node.only("channels_last", 0)
    x, x_type = _real(node, 0)
    return _stored(node, global_pool(node, ReduceMeanOp, x), 3, x_type.storage)


@importer("QLinearAveragePool", domain=MICROSOFT)
def import_qlinear_average_pool(node: NodeContext) -> Tensor:
    node.only("channels_last", 0)
    x, x_type = _real(node, 0)
    return _stored(node, average_pool(node, x), 3, x_type.storage)


@importer("QLinearConcat", domain=MICROSOFT)
def import_qlinear_concat(node: NodeContext) -> Tensor:
    parts = [_real(node, index)[0] for index in range(2, node.operand_count, 3)]
    axis = normalize_axis(node.integer("axis"), parts[0].rank)
    return _stored(node, node.emit(ConcatOp, *parts, axis=axis), 0, ui8)

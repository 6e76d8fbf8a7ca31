"""Quantize and dequantize nodes: casts of the `quant` dialect."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import IntegerType, f32

from dialects.elements import element_of, i8, i32, ui8
from dialects.errors import OctetError
from dialects.nn.integer import DynamicQuantizeOp
from dialects.quant import UniformQuantizedType
from dialects.shapes import normalize_axis

from ..node import NodeContext
from ..registry import importer
from ..values import Tensor

_STORAGES = (ui8, i8, i32)


def quantized_type(
    node: NodeContext,
    shape: tuple[int, ...],
    scale_index: int,
    zero_point_index: int | None,
    axis: int,
    storage: IntegerType,
) -> UniformQuantizedType:
    """The type that a scale and a zero point operand give to values of `shape`.

    Scales are float32 and kept exactly. A single one is per tensor, a vector is along `axis`.
    """
    scale = node.constant(scale_index, "scale")
    if scale.dtype != np.float32:
        raise OctetError(f"scales of type {scale.dtype} are not supported; expected float32")
    zero_point = np.zeros(scale.shape, np.int32)
    if zero_point_index is not None and node.has(zero_point_index):
        zero_point = node.constant(zero_point_index, "zero point")
        element = element_of(zero_point.dtype)
        if isinstance(element, IntegerType):
            storage = element
    if storage not in _STORAGES:
        raise OctetError(f"quantized {storage} is not supported; expected i8, ui8 or i32")
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise OctetError("scales should be positive and finite")
    if scale.size == 1:
        if zero_point.size != 1:
            raise OctetError("one scale, but several zero points")
        return UniformQuantizedType(storage, f32, [float(scale.item())], [int(zero_point.item())])
    axis = normalize_axis(axis, len(shape))
    if scale.shape != (shape[axis],) or zero_point.size not in (1, scale.size):
        raise OctetError(
            f"a scale of shape {list(scale.shape)} and a zero point of {list(zero_point.shape)} do "
            f"not fit dimension {axis} of {list(shape)}"
        )
    zero_points = np.broadcast_to(zero_point.reshape(-1), scale.shape)
    return UniformQuantizedType(
        storage, f32, scale.astype(float).tolist(), zero_points.tolist(), axis=axis
    )


def _element_type(node: NodeContext, name: str, default: IntegerType) -> IntegerType:
    """An attribute naming a storage type; 0 and absence mean the default."""
    if not node.has_attribute(name) or node.integer(name) == 0:
        return default
    element = node.element_type(name)
    return element if isinstance(element, IntegerType) else default


@importer("QuantizeLinear")
def import_quantize(node: NodeContext) -> Tensor:
    # `saturate` concerns 8-bit floats; `precision` that of the division, here always float32.
    node.ignore("saturate", "precision")
    node.only("block_size", 0)
    x = node.operand(0)
    storage = _element_type(node, "output_dtype", ui8)
    element = quantized_type(node, x.shape, 1, 2, node.integer("axis", 1), storage)
    return node.quantize(node.convert(x, f32), element)


@importer("DequantizeLinear")
def import_dequantize(node: NodeContext) -> Tensor:
    node.only("block_size", 0)
    node.only("output_dtype", 0, 1)
    x = node.maybe_quantized(0)
    storage = x.element.storage if isinstance(x.element, UniformQuantizedType) else x.element
    if not isinstance(storage, IntegerType):
        raise OctetError(f"only integers can be dequantized, got {storage}")
    element = quantized_type(node, x.shape, 1, 2, node.integer("axis", 1), storage)
    return node.dequantize(x, element)


@importer("DynamicQuantizeLinear")
def import_dynamic_quantize(node: NodeContext) -> tuple[Tensor, ...]:
    return node.emit_all(DynamicQuantizeOp, node.operand(0))

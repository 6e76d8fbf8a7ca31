"""What a model says its integer inputs and outputs stand for (`quantization_annotation`)."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto
from xdsl.dialects.builtin import IntegerType, f32

from dialects.elements import i8, ui8
from dialects.errors import OctetError
from dialects.quant import UniformQuantizedType

from .loader import LoadedModel
from .tensors import to_array

SCALE, ZERO_POINT = "SCALE_TENSOR", "ZERO_POINT_TENSOR"
_STORAGES: dict[int, IntegerType] = {TensorProto.INT8: i8, TensorProto.UINT8: ui8}


def annotated_types(model: LoadedModel) -> dict[str, UniformQuantizedType]:
    """The types of 8-bit inputs and outputs with one scale, by name.

    Annotations are advice: one whose scale or zero point is not among the initializers, or that
    is of another kind, leaves plain integers, which the nodes that use them give a meaning.
    """
    graph = model.proto.graph
    storages = {
        entry.name: _STORAGES[entry.type.tensor_type.elem_type]
        for entry in (*graph.input, *graph.output)
        if entry.type.tensor_type.elem_type in _STORAGES
    }
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    types: dict[str, UniformQuantizedType] = {}
    for annotation in graph.quantization_annotation:
        name = annotation.tensor_name
        parameters = {entry.key: entry.value for entry in annotation.quant_parameter_tensor_names}
        tensors = [initializers.get(parameters.get(key, "")) for key in (SCALE, ZERO_POINT)]
        if name not in storages or None in tensors:
            continue
        scale, zero_point = (_scalar(tensor, model) for tensor in tensors)
        storage = storages[name]
        if scale is None or zero_point is None or not 0.0 < scale < np.inf:
            continue
        low, high = (0, 255) if storage is ui8 else (-128, 127)
        if low <= zero_point <= high:
            types[name] = UniformQuantizedType(storage, f32, [float(scale)], [int(zero_point)])
    return types


def _scalar(tensor: TensorProto | None, model: LoadedModel) -> float | int | None:
    """The one number of a tensor; None if it is none."""
    if tensor is None:
        return None
    try:
        array = to_array(tensor, f"initializer '{tensor.name}'", model.folder)
    except OctetError:
        return None  # it is reported where initializers are read
    return array.item() if array.size == 1 and array.dtype.kind in "iuf" else None

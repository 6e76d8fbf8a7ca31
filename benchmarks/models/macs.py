"""Multiply-accumulate operations of a model."""

from __future__ import annotations

import math
from pathlib import Path

import onnx


def count_macs(path: Path, batch: int) -> int:
    """MACs of the Conv, Gemm and MatMul nodes of one run, by shape inference."""
    model = onnx.load(path)
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = batch
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.value_info, *graph.input, *graph.output):
        shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    return sum(_macs(node, shapes) for node in graph.node)


def _macs(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int:
    match node.op_type:
        case "Conv":
            depth = math.prod(shapes[node.input[1]][1:])
        case "MatMul":
            depth = shapes[node.input[0]][-1]
        case "Gemm":
            transposed = any(a.name == "transA" and a.i for a in node.attribute)
            depth = shapes[node.input[0]][0 if transposed else 1]
        case _:
            return 0
    return math.prod(shapes[node.output[0]]) * depth

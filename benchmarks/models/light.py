"""The `light_*` models of the onnx package: public architectures whose weights are constant fills.

The fills become seeded random weights, the batch becomes symbolic, and the opset current.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper, version_converter

from models.graph import IR_VERSION, OPSET

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"


def light_model(name: str) -> onnx.ModelProto:
    """`light_<name>` with random weights, input "input" [N, 3, 224, 224], opset 17."""
    model = onnx.load(FOLDER / f"light_{name}.onnx")
    model.graph.name = name
    _replace_fills(model)
    _fold_weight_reshapes(model)
    _make_batch_symbolic(model.graph)
    _rename_input(model.graph, "input")
    model.ir_version = IR_VERSION  # initializers need not be inputs
    return version_converter.convert_version(model, OPSET)


def _replace_fills(model: onnx.ModelProto) -> None:
    """ConstantOfShape nodes become initializers: He-normal weights, mild batch-norm factors."""
    graph = model.graph
    shapes = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    norms = [node for node in graph.node if node.op_type == "BatchNormalization"]
    role = {name: part for node in norms for part, name in enumerate(node.input)}
    for node in [node for node in graph.node if node.op_type == "ConstantOfShape"]:
        name, shape = node.output[0], tuple(shapes[node.input[0]].tolist())
        random = np.random.default_rng(zlib.crc32(f"{graph.name}/{name}".encode()))
        if len(shape) > 1:
            array = random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        elif role.get(name) in (1, 4):  # scale, variance
            array = random.uniform(0.7, 1.3, shape)
        elif role.get(name) == 3:  # mean
            array = np.zeros(shape)
        else:
            array = random.standard_normal(shape) * 0.1
            if "scale" in name or "_w_" in name:  # a factor of its own, after batch norm
                array += 1
        graph.node.remove(node)
        graph.initializer.append(numpy_helper.from_array(array.astype(np.float32), name))
    used = {name for node in graph.node for name in node.input}
    kept = [t for t in graph.initializer if t.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    inputs = [v for v in graph.input if v.name in used and v.name not in {t.name for t in kept}]
    del graph.input[:]
    graph.input.extend(inputs)


def _fold_weight_reshapes(model: onnx.ModelProto) -> None:
    """A Reshape or Unsqueeze of a weight becomes a weight."""
    graph = model.graph
    weights = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    for node in list(graph.node):
        if node.input[0] not in weights or node.op_type not in ("Reshape", "Unsqueeze"):
            continue
        array = weights[node.input[0]]
        if node.op_type == "Reshape":
            array = array.reshape(weights[node.input[1]])
        else:
            array = np.expand_dims(array, tuple(helper.get_node_attr_value(node, "axes")))
        graph.node.remove(node)
        graph.initializer.append(numpy_helper.from_array(array, node.output[0]))


def _make_batch_symbolic(graph: onnx.GraphProto) -> None:
    targets = {node.input[1] for node in graph.node if node.op_type == "Reshape"}
    for tensor in graph.initializer:
        if tensor.name in targets:
            shape = numpy_helper.to_array(tensor).copy()
            shape[0] = 0  # 0 copies the input's size
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    del graph.value_info[:]
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"


def _rename_input(graph: onnx.GraphProto, name: str) -> None:
    (value,) = graph.input
    for node in graph.node:
        node.input[:] = [name if item == value.name else item for item in node.input]
    value.name = name

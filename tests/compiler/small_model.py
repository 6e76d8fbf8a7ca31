"""A small convolutional network as ONNX, and images for it."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def small_model() -> onnx.ModelProto:
    """conv, batch norm, ReLU, residual conv, average pool, linear; input "image", any batch."""
    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32) / 4, name)

    node = helper.make_node
    nodes = [
        node("Conv", ["image", "w0"], ["c0"], "stem", pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c0", "s", "b", "m", "v"], ["n0"], "norm"),
        node("Relu", ["n0"], ["r0"], "relu0"),
        node("Conv", ["r0", "w1"], ["c1"], "body", pads=[1, 1, 1, 1]),
        node("Add", ["c1", "r0"], ["a1"], "add"),
        node("Relu", ["a1"], ["r1"], "relu1"),
        node("GlobalAveragePool", ["r1"], ["p"], "pool"),
        node("Flatten", ["p"], ["f"], "flatten"),
        node("Gemm", ["f", "w2", "b2"], ["scores"], "head"),
    ]
    weights = [weight("w0", 8, 3, 3, 3), weight("w1", 8, 8, 3, 3), weight("w2", 8, 5)]
    weights += [weight(name, 8) for name in ("s", "b", "m")] + [weight("b2", 5)]
    weights.append(numpy_helper.from_array(np.full(8, 0.5, np.float32), "v"))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 8, 8])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 5])
    graph = helper.make_graph(nodes, "small", [image], [scores], initializer=weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def images(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3, 8, 8)).astype(np.float32)

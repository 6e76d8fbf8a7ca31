"""A ResNet-50 v1.5 as ONNX with seeded random weights, for timing only."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BLOCKS = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Width, number of bottlenecks and stride of each stage (He et al., 2015, table 1)."""

EXPANSION = 4


class _Graph:
    def __init__(self, seed: int):
        self.random = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, name: str, array: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def node(self, kind: str, inputs: list[str], name: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def conv(self, x: str, name: str, cin: int, cout: int, kernel: int, stride: int) -> str:
        """Convolution and batch norm, as exporters write them before folding."""
        fan_in = cin * kernel * kernel
        w = self.random.standard_normal((cout, cin, kernel, kernel)) * np.sqrt(2 / fan_in)
        y = self.node(
            "Conv",
            [x, self.weight(f"{name}.weight", w)],
            name,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[kernel // 2] * 4,
        )
        parameters = {
            "scale": self.random.uniform(0.5, 1.0, cout),
            "bias": self.random.standard_normal(cout) * 0.1,
            "mean": self.random.standard_normal(cout) * 0.1,
            "variance": self.random.uniform(0.5, 1.5, cout),
        }
        names = [self.weight(f"{name}.bn.{key}", value) for key, value in parameters.items()]
        return self.node("BatchNormalization", [y, *names], f"{name}.bn")

    def relu(self, x: str) -> str:
        return self.node("Relu", [x], f"{x}.relu")


def resnet50(seed: int = 0, classes: int = 1000) -> onnx.ModelProto:
    """The model, opset 17, input "image" [N, 3, 224, 224], output "logits" [N, classes]."""
    graph = _Graph(seed)
    x = graph.relu(graph.conv("image", "stem", 3, 64, 7, 2))
    x = graph.node("MaxPool", [x], "pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    cin = 64
    for stage, (width, count, stage_stride) in enumerate(BLOCKS, start=1):
        for block in range(count):
            name = f"layer{stage}.{block}"
            stride = stage_stride if block == 0 else 1
            y = graph.relu(graph.conv(x, f"{name}.conv1", cin, width, 1, 1))
            y = graph.relu(graph.conv(y, f"{name}.conv2", width, width, 3, stride))
            y = graph.conv(y, f"{name}.conv3", width, width * EXPANSION, 1, 1)
            if block == 0:
                x = graph.conv(x, f"{name}.shortcut", cin, width * EXPANSION, 1, stride)
            x = graph.relu(graph.node("Add", [y, x], f"{name}.add"))
            cin = width * EXPANSION
    x = graph.node("GlobalAveragePool", [x], "global_pool")
    x = graph.node("Flatten", [x], "flatten")
    weight = graph.random.standard_normal((classes, cin)) * np.sqrt(1 / cin)
    bias = graph.weight("fc.bias", np.zeros(classes))
    graph.node("Gemm", [x, graph.weight("fc.weight", weight), bias], "logits", transB=1)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "resnet50",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 224, 224])],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", classes])],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.checker.check_model(model)
    return model

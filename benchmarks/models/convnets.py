"""Residual networks and MobileNetV2; batch norm is left to statistics.py."""

from __future__ import annotations

import numpy as np
import onnx

from models.graph import GraphBuilder

RESNET50_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""Width, number of bottlenecks and stride of each stage (He et al., 2015, table 1)."""

EXPANSION = 4

MOBILENETV2_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, width, number of blocks and stride (Sandler et al., 2018, table 2)."""


def _classifier(graph: GraphBuilder, x: str, width: int, size: int, classes: int):
    x = graph.node("GlobalAveragePool", [x], "global_pool")
    x = graph.node("Flatten", [x], "flatten", axis=1)
    graph.gemm(x, "logits", width, classes)
    return graph.model({"input": ("float32", ["N", 3, size, size])}, {"logits": ["N", classes]})


def resnet50() -> onnx.ModelProto:
    """ResNet-50 v1.5: the stride is in the 3x3 convolution of a bottleneck."""
    graph = GraphBuilder("resnet50")
    x = graph.relu(graph.conv("input", "stem", 3, 64, 7, 2))
    x = graph.node("MaxPool", [x], "pool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    cin = 64
    for stage, (width, count, stage_stride) in enumerate(RESNET50_STAGES, start=1):
        for block in range(count):
            name = f"layer{stage}.{block}"
            stride = stage_stride if block == 0 else 1
            y = graph.relu(graph.conv(x, f"{name}.conv1", cin, width, 1))
            y = graph.relu(graph.conv(y, f"{name}.conv2", width, width, 3, stride))
            y = graph.conv(y, f"{name}.conv3", width, width * EXPANSION, 1)
            if block == 0:
                x = graph.conv(x, f"{name}.shortcut", cin, width * EXPANSION, 1, stride)
            x = graph.relu(graph.node("Add", [y, x], f"{name}.add"))
            cin = width * EXPANSION
    return _classifier(graph, x, cin, 224, 1000)


def mobilenetv2() -> onnx.ModelProto:
    """MobileNetV2 1.0 for 224 x 224 images."""
    graph = GraphBuilder("mobilenetv2")
    limits = [graph.weight("zero", np.float32(0)), graph.weight("six", np.float32(6))]

    def relu6(x: str) -> str:
        return graph.node("Clip", [x, *limits], f"{x}.relu6")

    x, cin, index = relu6(graph.conv("input", "stem", 3, 32, 3, 2)), 32, 0
    for expansion, width, count, stage_stride in MOBILENETV2_STAGES:
        for block in range(count):
            name, inner = f"block{index}", cin * expansion
            stride = stage_stride if block == 0 else 1
            y = x
            if expansion != 1:
                y = relu6(graph.conv(y, f"{name}.expand", cin, inner, 1))
            y = relu6(graph.conv(y, f"{name}.depthwise", inner, inner, 3, stride, inner))
            y = graph.conv(y, f"{name}.project", inner, width, 1)
            residual = stride == 1 and cin == width
            x = graph.node("Add", [x, y], f"{name}.add") if residual else y
            cin, index = width, index + 1
    x = relu6(graph.conv(x, "head", cin, 1280, 1))
    return _classifier(graph, x, 1280, 224, 1000)


def resnet_cifar(blocks: int) -> onnx.ModelProto:
    """ResNet-(6 blocks + 2) for 32 x 32 images, widths 16, 32, 64 (He et al., 2015, 4.2)."""
    graph = GraphBuilder(f"resnet{6 * blocks + 2}")
    x, cin = graph.relu(graph.conv("input", "stem", 3, 16, 3)), 16
    for stage, width in enumerate((16, 32, 64), start=1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            y = graph.relu(graph.conv(x, f"{name}.conv1", cin, width, 3, stride))
            y = graph.conv(y, f"{name}.conv2", width, width, 3)
            if cin != width:
                x = graph.conv(x, f"{name}.shortcut", cin, width, 1, stride)
            x = graph.relu(graph.node("Add", [y, x], f"{name}.add"))
            cin = width
    return _classifier(graph, x, cin, 32, 10)

"""The layers that kernels.py times: networks of one layer, in float and in int8 (QDQ).

In int8 each input is a u8 tensor that is dequantized, each constant an s8 (bias: s32) tensor that
is dequantized, and the result is quantized: runtimes fuse that to their integer kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from models.graph import IR_VERSION, OPSET
from onnx import TensorProto, helper, numpy_helper

INPUT_SCALE, MIDDLE = 0.02, 128
OUTPUT_SCALE = 0.05


class LayerBuilder:
    """Writes the graph of a case; `int8` puts quantization around everything."""

    def __init__(self, int8: bool):
        self.int8 = int8
        self.random = np.random.default_rng(0)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.feeds: dict[str, np.ndarray] = {}

    def input(self, name: str, shape: Sequence[int], always_float: bool = False) -> str:
        """A graph input of values around N(0, 1)."""
        values = self.random.standard_normal(shape).astype(np.float32)
        if not self.int8 or always_float:
            self.feeds[name] = values
            self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
            return name
        stored = np.clip(np.rint(values / INPUT_SCALE) + MIDDLE, 0, 255).astype(np.uint8)
        self.feeds[name] = stored
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.UINT8, shape))
        return self._dequantized(name, np.float32(INPUT_SCALE), np.uint8(MIDDLE))

    def weight(self, name: str, shape: Sequence[int], depth: int, axis: int = 0) -> str:
        """A weight that keeps the variance of its input; in int8 with a scale per channel."""
        values = self.random.standard_normal(shape) / np.sqrt(depth)
        if not self.int8:
            return self.constant(name, values.astype(np.float32))
        other = tuple(i for i in range(values.ndim) if i != axis)
        self.scales = (np.abs(values).max(other) / 127).astype(np.float32)
        spread = self.scales.reshape([-1 if i == axis else 1 for i in range(values.ndim)])
        stored = self.constant(name, np.rint(values / spread).astype(np.int8))
        return self._dequantized(stored, self.scales, np.zeros(len(self.scales), np.int8), axis)

    def bias(self, name: str, size: int) -> str:
        """The bias of the weight that was made last."""
        values = self.random.standard_normal(size) * 0.1
        if not self.int8:
            return self.constant(name, values.astype(np.float32))
        scales = (self.scales * INPUT_SCALE).astype(np.float32)
        stored = self.constant(name, np.rint(values / scales).astype(np.int32))
        return self._dequantized(stored, scales, np.zeros(size, np.int32), 0)

    def constant(self, name: str, array: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, kind: str, inputs: Sequence[str], **attributes: object) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def quantized(self, x: str, scale: float = OUTPUT_SCALE, zero_point: int = MIDDLE) -> str:
        """x through u8 and back; unchanged in a float network."""
        if not self.int8:
            return x
        return self._dequantized(*self._quantize(x, scale, zero_point))

    def model(
        self, x: str, scale: float = OUTPUT_SCALE, zero_point: int = MIDDLE
    ) -> onnx.ModelProto:
        """The network that returns x, in int8 as u8."""
        element = TensorProto.FLOAT
        if self.int8:
            (x, _, _), element = self._quantize(x, scale, zero_point), TensorProto.UINT8
        outputs = [helper.make_tensor_value_info(x, element, None)]
        graph = helper.make_graph(self.nodes, "layer", self.inputs, outputs, self.constants)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
        return onnx.shape_inference.infer_shapes(model)

    def _quantize(self, x: str, scale: float, zero_point: int) -> tuple[str, np.float32, np.uint8]:
        parameters = np.float32(scale), np.uint8(zero_point)
        names = self._parameters(x, "q", *parameters)
        return self.node("QuantizeLinear", [x, *names]), *parameters

    def _dequantized(
        self, x: str, scale: np.ndarray | np.float32, zero_point: np.ndarray | np.uint8, axis=1
    ) -> str:
        return self.node(
            "DequantizeLinear", [x, *self._parameters(x, "dq", scale, zero_point)], axis=axis
        )

    def _parameters(self, x: str, kind: str, scale: object, zero_point: object) -> list[str]:
        return [
            self.constant(f"{x}.{kind}.scale", np.asarray(scale)),
            self.constant(f"{x}.{kind}.zero_point", np.asarray(zero_point)),
        ]


@dataclass(frozen=True)
class Case:
    """One layer: `build` writes it; `macs` is 0 for layers that are not products."""

    family: str
    shape: str
    macs: int
    build: Callable[[LayerBuilder], onnx.ModelProto]
    precisions: tuple[str, ...] = ("int8", "bf16", "f32")

    @property
    def name(self) -> str:
        return f"{self.family} {self.shape}"


def gemm(m: int, k: int, n: int) -> Case:
    def build(layer: LayerBuilder) -> onnx.ModelProto:
        x = layer.input("x", [1, m, k])
        y = layer.node("MatMul", [x, layer.weight("w", [k, n], k, axis=1)])
        if not layer.int8:
            y = layer.node("Add", [y, layer.bias("b", n)])
        return layer.model(y)

    return Case("gemm", f"{m} x {k} x {n}", m * k * n, build)


def conv(
    kernel: int,
    size: int,
    cin: int,
    cout: int,
    stride: int = 1,
    groups: int = 1,
    residual: bool = False,
    batch: int = 1,
) -> Case:
    """A convolution with ReLU and "same" padding; `residual` adds a second input before it."""
    out = -(-size // stride)

    def build(layer: LayerBuilder) -> onnx.ModelProto:
        x = layer.input("x", [batch, cin, size, size])
        depth = cin // groups * kernel * kernel
        w = layer.weight("w", [cout, cin // groups, kernel, kernel], depth)
        y = layer.node(
            "Conv",
            [x, w, layer.bias("b", cout)],
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[kernel // 2] * 4,
            group=groups,
        )
        if residual:
            y = layer.quantized(y)
            y = layer.node("Add", [y, layer.input("r", [batch, cout, out, out])])
        return layer.model(layer.node("Relu", [y]), OUTPUT_SCALE / 2, 0)

    family = "depthwise" if groups > 1 else "conv"
    channels = f"{cin}" if groups > 1 else f"{cin}->{cout}"
    text = f"{kernel}x{kernel} {size}^2 {channels}"
    text += f" /{stride}" if stride > 1 else ""
    text += " + residual" if residual else ""
    macs = batch * out * out * cout * (cin // groups) * kernel * kernel
    return Case(family, text, macs, build)


def pool(kind: str, kernel: int, stride: int, size: int, channels: int) -> Case:
    def build(layer: LayerBuilder) -> onnx.ModelProto:
        x = layer.input("x", [1, channels, size, size])
        if kernel == 0:
            y = layer.node("GlobalAveragePool", [x])
        else:
            pads = [kernel // 2] * 4 if kind == "MaxPool" else [0] * 4
            shape = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": pads}
            y = layer.node(kind, [x], **shape)
        return layer.model(y, INPUT_SCALE, MIDDLE)

    what = "global" if kernel == 0 else f"{kernel}x{kernel} /{stride}"
    return Case(kind.lower(), f"{what} {size}^2 {channels}", 0, build)


def elementwise(kind: str, shape: Sequence[int], inputs: int, **attributes: object) -> Case:
    def build(layer: LayerBuilder) -> onnx.ModelProto:
        names = [layer.input(f"x{i}", shape) for i in range(inputs)]
        return layer.model(layer.node(kind, names, **attributes))

    return Case(kind.lower(), " x ".join(map(str, shape)), 0, build)


def softmax(shape: Sequence[int]) -> Case:
    def build(layer: LayerBuilder) -> onnx.ModelProto:
        y = layer.node("Softmax", [layer.input("x", shape)], axis=-1)
        return layer.model(y, 1 / 256, 0)

    return Case("softmax", " x ".join(map(str, shape)), 0, build)


def layer_norm(rows: int, width: int) -> Case:
    def build(layer: LayerBuilder) -> onnx.ModelProto:
        x = layer.input("x", [1, rows, width])
        scale = layer.constant("scale", np.ones(width, np.float32))
        shift = layer.constant("shift", np.zeros(width, np.float32))
        return layer.model(layer.node("LayerNormalization", [x, scale, shift], axis=-1))

    return Case("layer norm", f"{rows} x {width}", 0, build)


def quantize(shape: Sequence[int]) -> Case:
    """Float to u8."""

    def build(layer: LayerBuilder) -> onnx.ModelProto:
        return layer.model(layer.input("x", shape, always_float=True))

    return Case("quantize", " x ".join(map(str, shape)), 0, build, precisions=("int8",))


CASES: tuple[Case, ...] = (
    gemm(128, 768, 768),
    gemm(128, 768, 3072),
    gemm(128, 3072, 768),
    gemm(128, 384, 384),
    gemm(384, 768, 768),
    gemm(384, 768, 3072),
    gemm(1, 2048, 1000),
    conv(1, 56, 64, 256),
    conv(1, 56, 256, 64),
    conv(1, 28, 512, 128),
    conv(1, 14, 1024, 256),
    conv(1, 14, 256, 1024),
    conv(1, 7, 2048, 512),
    conv(1, 56, 256, 512, stride=2),
    conv(3, 56, 64, 64),
    conv(3, 28, 128, 128),
    conv(3, 14, 256, 256),
    conv(3, 7, 512, 512),
    conv(3, 56, 128, 128, stride=2),
    conv(3, 14, 512, 512, stride=2),
    conv(3, 32, 16, 16),
    conv(7, 224, 3, 64, stride=2),
    conv(1, 112, 32, 16),
    conv(1, 112, 16, 96),
    conv(1, 56, 96, 24),
    conv(1, 56, 24, 144),
    conv(1, 28, 144, 32),
    conv(1, 14, 96, 576),
    conv(1, 56, 64, 256, residual=True),
    conv(1, 14, 256, 1024, residual=True),
    conv(1, 28, 192, 32, residual=True),
    conv(3, 112, 32, 32, groups=32),
    conv(3, 112, 96, 96, stride=2, groups=96),
    conv(3, 56, 144, 144, groups=144),
    conv(3, 14, 384, 384, groups=384),
    conv(3, 7, 960, 960, groups=960),
    conv(5, 28, 120, 120, groups=120),
    pool("MaxPool", 3, 2, 112, 64),
    pool("AveragePool", 2, 2, 56, 128),
    pool("AveragePool", 0, 1, 7, 2048),
    elementwise("Add", [1, 256, 56, 56], 2),
    elementwise("Sigmoid", [1, 256, 56, 56], 1),
    softmax([1, 12, 128, 128]),
    layer_norm(128, 768),
    quantize([1, 3, 224, 224]),
    quantize([1, 128, 768]),
)
"""What the networks of benchmarks/models are made of."""

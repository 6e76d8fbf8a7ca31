"""Writing ONNX graphs: nodes named after layers, weights seeded by their own name."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8

_ELEMENTS = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}


class GraphBuilder:
    """Collects the nodes and weights of a model called `name`.

    Random numbers are seeded by the model's and the layer's name: a layer's weights do not depend
    on what stands before it.
    """

    def __init__(self, name: str):
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}

    def random(self, layer: str) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(f"{self.name}/{layer}".encode()))

    def weight(self, name: str, array: np.ndarray) -> str:
        """A float32 (or int64) initializer; the first of a name is kept."""
        array = np.asarray(array)
        wanted = np.int64 if array.dtype.kind == "i" else np.float32
        self.weights.setdefault(
            name, np.ascontiguousarray(array, dtype=wanted).reshape(array.shape)
        )
        return name

    def node(self, kind: str, inputs: Sequence[str], name: str = "", **attributes: object) -> str:
        """Adds a node with one output, which has the node's name."""
        name = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def conv(
        self, x: str, name: str, cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> str:
        """A convolution without bias, He-normal (He et al., 2015), "same" padding."""
        shape = (cout, cin // groups, kernel, kernel)
        weight = self.random(name).standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        return self.node(
            "Conv",
            [x, self.weight(f"{name}.weight", weight)],
            name,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[kernel // 2] * 4,
            group=groups,
        )

    def relu(self, x: str) -> str:
        return self.node("Relu", [x], f"{x}.relu")

    def gemm(self, x: str, name: str, cin: int, cout: int) -> str:
        """A fully connected layer with a small bias."""
        random = self.random(name)
        weight = random.standard_normal((cout, cin)) * np.sqrt(1 / cin)
        parameters = [
            self.weight(f"{name}.weight", weight),
            self.weight(f"{name}.bias", random.standard_normal(cout) * 0.05),
        ]
        return self.node("Gemm", [x, *parameters], name, transB=1)

    def model(
        self,
        inputs: Mapping[str, tuple[str, Sequence[int | str]]],
        outputs: Mapping[str, Sequence[int | str]],
    ) -> onnx.ModelProto:
        """The model; `inputs` give element type and shape, outputs are float32."""
        graph = helper.make_graph(
            self.nodes,
            self.name,
            [
                helper.make_tensor_value_info(name, _ELEMENTS[element], shape)
                for name, (element, shape) in inputs.items()
            ],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, shape in outputs.items()
            ],
            [numpy_helper.from_array(array, name) for name, array in self.weights.items()],
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )

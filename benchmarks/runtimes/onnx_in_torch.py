"""An ONNX graph as a PyTorch module, for the operators that the benchmark models have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper

Attributes = dict[str, Any]


class OnnxModule(torch.nn.Module):
    """Calls the nodes in order; positional arguments are the graph's inputs.

    Raises ValueError for a graph with an operator that is not in `OPERATORS`.
    """

    def __init__(self, path: Path):
        super().__init__()
        graph = onnx.load(path).graph
        unknown = sorted({node.op_type for node in graph.node} - set(OPERATORS))
        if unknown:
            raise ValueError(f"{path.name}: no PyTorch equivalent for {', '.join(unknown)}")
        self.static = {
            tensor.name: numpy_helper.to_array(tensor).tolist()
            for tensor in graph.initializer
            if tensor.data_type == onnx.TensorProto.INT64
        }
        """Shapes, axes and indices: compile-time constants."""
        self.places: dict[str, str] = {}
        for index, tensor in enumerate(graph.initializer):
            if tensor.name not in self.static:
                array = torch.from_numpy(numpy_helper.to_array(tensor).copy())
                self.places[tensor.name] = f"weight{index}"
                self.register_parameter(f"weight{index}", torch.nn.Parameter(array, False))
        self.inputs = [value.name for value in graph.input]
        self.output = graph.output[0].name
        self.steps = [
            (
                OPERATORS[node.op_type],
                list(node.input),
                node.output[0],
                {a.name: _plain(helper.get_attribute_value(a)) for a in node.attribute},
            )
            for node in graph.node
        ]

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        values: dict[str, Any] = dict(zip(self.inputs, inputs, strict=True))
        for function, names, output, attributes in self.steps:
            arguments = [self._value(name, values) for name in names]
            values[output] = function(attributes, *arguments)
        return values[self.output]

    def _value(self, name: str, values: dict[str, Any]) -> Any:
        if name in self.places:
            return getattr(self, self.places[name])
        return self.static[name] if name in self.static else values.get(name)


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _padded(attributes: Attributes, x: torch.Tensor, fill: float) -> tuple[torch.Tensor, list[int]]:
    """x padded where its padding is not symmetric, and the padding that is left."""
    pads = attributes.get("pads", [0, 0, 0, 0])
    if pads[:2] == pads[2:]:
        return x, pads[:2]
    return F.pad(x, (pads[1], pads[3], pads[0], pads[2]), value=fill), [0, 0]


def _conv(a: Attributes, x: Any, weight: Any, bias: Any = None) -> Any:
    x, padding = _padded(a, x, 0)
    return F.conv2d(
        x, weight, bias, a.get("strides", 1), padding, a.get("dilations", 1), a.get("group", 1)
    )


def _max_pool(a: Attributes, x: Any) -> Any:
    x, padding = _padded(a, x, float("-inf"))
    return F.max_pool2d(
        x, a["kernel_shape"], a.get("strides", 1), padding, ceil_mode=bool(a.get("ceil_mode", 0))
    )


def _average_pool(a: Attributes, x: Any) -> Any:
    pads = a.get("pads", [0, 0, 0, 0])
    if pads[:2] != pads[2:]:
        raise ValueError("average pooling with asymmetric padding")
    included = bool(a.get("count_include_pad", 0))
    return F.avg_pool2d(
        x, a["kernel_shape"], a.get("strides", 1), pads[:2], count_include_pad=included
    )


def _gemm(a: Attributes, x: Any, weight: Any, bias: Any = None) -> Any:
    return F.linear(x, weight if a.get("transB") else weight.T, bias)


def _reshape(a: Attributes, x: Any, shape: list[int]) -> Any:
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(shape)])


def _unsqueeze(a: Attributes, x: Any, axes: list[int]) -> Any:
    for axis in sorted(axes):
        x = x.unsqueeze(axis)
    return x


def _gather(a: Attributes, x: Any, indices: Any) -> Any:
    if isinstance(indices, int):
        return x.select(a.get("axis", 0), indices)
    return F.embedding(indices, x)


def _layer_norm(a: Attributes, x: Any, weight: Any, bias: Any) -> Any:
    return F.layer_norm(x, weight.shape, weight, bias, a["epsilon"])


def _batch_norm(a: Attributes, x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    return F.batch_norm(x, mean, variance, scale, bias, False, 0.0, a.get("epsilon", 1e-5))


def _lrn(a: Attributes, x: Any) -> Any:
    return F.local_response_norm(x, a["size"], a["alpha"], a["beta"], a["bias"])


def _sum(a: Attributes, *terms: Any) -> Any:
    return sum(terms[1:], terms[0])


OPERATORS: dict[str, Callable[..., Any]] = {
    "Add": lambda a, x, y: x + y,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": lambda a, x: x.float(),
    "Clip": lambda a, x, low, high: F.relu6(x),
    "Concat": lambda a, *parts: torch.cat(parts, a["axis"]),
    "Conv": _conv,
    "Div": lambda a, x, y: x / y,
    "Dropout": lambda a, x, *_: x,
    "Erf": lambda a, x: torch.erf(x),
    "Flatten": lambda a, x: x.flatten(a.get("axis", 1)),
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda a, x: F.adaptive_avg_pool2d(x, 1),
    "LRN": _lrn,
    "LayerNormalization": _layer_norm,
    "MatMul": lambda a, x, y: torch.matmul(x, y),
    "MaxPool": _max_pool,
    "Mul": lambda a, x, y: x * y,
    "ReduceL2": lambda a, x: torch.linalg.vector_norm(x, dim=a["axes"], keepdim=True),
    "ReduceSum": lambda a, x, axes: x.sum(axes),
    "Relu": lambda a, x: F.relu(x),
    "Reshape": _reshape,
    "Softmax": lambda a, x: F.softmax(x, a.get("axis", -1)),
    "Sub": lambda a, x, y: x - y,
    "Sum": _sum,
    "Tanh": lambda a, x: torch.tanh(x),
    "Transpose": lambda a, x: x.permute(a["perm"]),
    "Unsqueeze": _unsqueeze,
}

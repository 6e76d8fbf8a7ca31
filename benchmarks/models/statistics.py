"""Batch norm without training: weights rescaled so that activations have given statistics.

A copy of the network normalizes the result of every convolution and fully connected layer within
the graph, by the mean and variance of the batch, and returns both. One run gives them all; they are
then folded into weights and biases, as batch norm would be (Ioffe and Szegedy, 2015; the idea of
initializing from data is Mishkin and Matas, "All you need is a good init", 2016).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

EPSILON = 1e-5


@dataclass(frozen=True)
class _Layer:
    """A layer that is normalized, with the scale and shift its results get.

    Convolutions have statistics of their own for each channel. A fully connected layer, with one
    value for each sample, has too few for that: all its channels are taken together.
    """

    node: onnx.NodeProto
    axes: tuple[int, ...]
    channels: int
    scale: np.ndarray
    shift: np.ndarray

    @property
    def output(self) -> str:
        return self.node.output[0]


def with_batch_norm_statistics(
    model: onnx.ModelProto, feeds: dict[str, np.ndarray]
) -> onnx.ModelProto:
    """The model with the weights of its Conv and Gemm (transB) nodes rescaled, and biases.

    Each channel then has, on `feeds`, a mean of N(0, 0.25) and a standard deviation of 0.5 to 1.5,
    seeded by the layer's name.
    """
    weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    layers = [
        _layer(model.graph.name, node, weights[node.input[1]])
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm")
    ]
    statistics = _statistics(model, layers, feeds)
    for layer in layers:
        mean, variance = statistics[layer.output]
        factor = layer.scale / np.sqrt(variance + EPSILON)
        name, old = layer.node.input[1], weights[layer.node.input[1]]
        weights[name] = old * factor.reshape(-1, *[1] * (old.ndim - 1))
        bias = layer.node.input[2] if len(layer.node.input) > 2 else f"{name}.bias"
        weights[bias] = (weights.get(bias, 0) - mean) * factor + layer.shift
        layer.node.input[:] = [*layer.node.input[:2], bias]
    del model.graph.initializer[:]
    model.graph.initializer.extend(
        numpy_helper.from_array(
            array if array.dtype == np.int64 else np.asarray(array, np.float32), name
        )
        for name, array in weights.items()
    )
    return model


def _layer(model: str, node: onnx.NodeProto, weight: np.ndarray) -> _Layer:
    random = np.random.default_rng(zlib.crc32(f"{model}/{node.output[0]}".encode()))
    channels = weight.shape[0]
    return _Layer(
        node,
        (0, 2, 3) if node.op_type == "Conv" else (0, 1),
        channels,
        random.uniform(0.5, 1.5, channels),
        random.standard_normal(channels) * 0.25,
    )


def _statistics(
    model: onnx.ModelProto, layers: list[_Layer], feeds: dict[str, np.ndarray]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean and variance of each channel of each layer's result."""
    import onnxruntime

    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    nodes = list(probe.graph.node)
    del probe.graph.node[:]
    del probe.graph.output[:]
    by_output = {layer.output: layer for layer in layers}
    wanted: list[str] = []
    for node in nodes:
        layer = by_output.get(node.output[0])
        probe.graph.node.append(node)
        if layer is not None:
            added, mean, variance = _normalizing(probe, layer)
            probe.graph.node[-1].output[0] = f"{layer.output}.raw"
            probe.graph.node.extend(added)
            wanted += [mean, variance]
    probe.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in wanted
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), options, ["CPUExecutionProvider"]
    )
    values = [value.ravel().astype(np.float64) for value in session.run(wanted, feeds)]
    return {
        layer.output: (mean, variance)
        for layer, mean, variance in zip(layers, values[::2], values[1::2], strict=True)
    }


def _normalizing(model: onnx.ModelProto, layer: _Layer) -> tuple[list[onnx.NodeProto], str, str]:
    """Nodes from `output.raw` to `output`, and the names of mean and variance."""
    base = layer.output
    raw, mean, centred, square = (f"{base}.{part}" for part in ("raw", "mean", "centred", "square"))
    variance, safe, deviation, unit, scaled = (
        f"{base}.{part}" for part in ("variance", "safe", "deviation", "unit", "scaled")
    )
    shape = (1, -1, 1, 1) if layer.node.op_type == "Conv" else (1, -1)
    for name, array in (
        ("scale", layer.scale.reshape(shape)),
        ("shift", layer.shift.reshape(shape)),
        ("epsilon", np.float32(EPSILON)),
    ):
        model.graph.initializer.append(
            numpy_helper.from_array(np.asarray(array, np.float32), f"{base}.{name}")
        )
    nodes = [
        helper.make_node("ReduceMean", [raw], [mean], axes=layer.axes),
        helper.make_node("Sub", [raw, mean], [centred]),
        helper.make_node("Mul", [centred, centred], [square]),
        helper.make_node("ReduceMean", [square], [variance], axes=layer.axes),
        helper.make_node("Add", [variance, f"{base}.epsilon"], [safe]),
        helper.make_node("Sqrt", [safe], [deviation]),
        helper.make_node("Div", [centred, deviation], [unit]),
        helper.make_node("Mul", [unit, f"{base}.scale"], [scaled]),
        helper.make_node("Add", [scaled, f"{base}.shift"], [base]),
    ]
    return nodes, mean, variance

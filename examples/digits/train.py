"""Trains the network on scikit-learn's digits and writes the files that the demo uses.

    python examples/digits/train.py

writes, into this folder,

    digits.onnx       the trained network: input "image", output "logits", any batch size
    calibration.npz   128 training images under the input's name, for `--calibration-data`
    held_out.npz      360 images and labels that training did not see

The data are the "Optical Recognition of Handwritten Digits" test set of the UCI repository
(E. Alpaydin, C. Kaynak; CC BY 4.0), as scikit-learn ships it: 1,797 images of 8x8 pixels, 0 to 16.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from network import (
    EPSILON,
    BatchNorm,
    Conv,
    Head,
    Layer,
    MaxPool,
    Relu,
    Residual,
    Sequence,
    cross_entropy_gradient,
    digits_network,
)
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits

HERE = Path(__file__).parent
EPOCHS, BATCH, RATE = 30, 64, 0.05
HELD_OUT, CALIBRATION = 360, 128
OPSET, IR_VERSION = 17, 8


def load() -> tuple[np.ndarray, np.ndarray]:
    """Images [N, 1, 8, 8] in 0..1 and labels, in a fixed random order."""
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return (images[order].reshape(-1, 1, 8, 8) / 16).astype(np.float32), labels[order]


def shifted(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each image moved by up to one pixel, as augmentation."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    moves = rng.integers(0, 3, (len(images), 2))
    return np.stack(
        [image[:, i : i + 8, j : j + 8] for image, (i, j) in zip(padded, moves, strict=True)]
    )


def train(network: Sequence, images: np.ndarray, labels: np.ndarray) -> None:
    """Stochastic gradient descent with momentum; the rate falls along a cosine."""
    rng = np.random.default_rng(1)
    for epoch in range(EPOCHS):
        rate = RATE * (1 + np.cos(np.pi * epoch / EPOCHS)) / 2
        order = rng.permutation(len(labels))
        for start in range(0, len(labels), BATCH):
            batch = order[start : start + BATCH]
            logits = network.forward(shifted(images[batch], rng), train=True)
            network.backward(cross_entropy_gradient(logits, labels[batch]))
            for parameter in network.parameters():
                parameter.step(rate)


def accuracy(network: Sequence, images: np.ndarray, labels: np.ndarray) -> float:
    return float((network.forward(images, train=False).argmax(1) == labels).mean())


# --- export ---------------------------------------------------------------------------------


class Exporter:
    """Turns layers into ONNX nodes named in the order they run."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, array: np.ndarray) -> str:
        name = f"weight_{len(self.initializers)}"
        tensor = numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name)
        self.initializers.append(tensor)
        return name

    def export(self, layer: Layer, x: str) -> str:
        """The name of the result of `layer` applied to `x`."""
        match layer:
            case Sequence():
                for inner in layer.layers:
                    x = self.export(inner, x)
                return x
            case Residual():
                return self.add("Relu", self.add("Add", self.export(layer.inner, x), x))
            case Conv():
                weight = self.constant(layer.weight.value)
                return self.add("Conv", x, weight, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
            case BatchNorm():
                arrays = (layer.scale.value, layer.bias.value, layer.mean, layer.variance)
                names = [self.constant(array) for array in arrays]
                return self.add("BatchNormalization", x, *names, epsilon=EPSILON)
            case Relu():
                return self.add("Relu", x)
            case MaxPool():
                return self.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
            case Head():
                pooled = self.add("Flatten", self.add("GlobalAveragePool", x))
                weight, bias = self.constant(layer.weight.value), self.constant(layer.bias.value)
                return self.add("Gemm", pooled, weight, bias)
            case _:
                raise TypeError(f"no ONNX form for {type(layer).__name__}")


def to_onnx(network: Sequence) -> onnx.ModelProto:
    exporter = Exporter()
    result = exporter.export(network, "image")
    exporter.nodes[-1].output[0] = "logits"
    assert result == exporter.nodes[-1].name
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])
    graph = helper.make_graph(
        exporter.nodes, "digits", [image], [logits], initializer=exporter.initializers
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    images, labels = load()
    network = digits_network(np.random.default_rng(2))
    train(network, images[HELD_OUT:], labels[HELD_OUT:])
    print(f"held-out accuracy {accuracy(network, images[:HELD_OUT], labels[:HELD_OUT]):.2%}")
    onnx.save(to_onnx(network), HERE / "digits.onnx")
    calibration = images[HELD_OUT : HELD_OUT + CALIBRATION]
    np.savez_compressed(HERE / "calibration.npz", image=calibration)
    np.savez_compressed(
        HERE / "held_out.npz", image=images[:HELD_OUT], label=labels[:HELD_OUT].astype(np.uint8)
    )


if __name__ == "__main__":
    main()

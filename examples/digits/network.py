"""A small convolutional network in numpy that can be trained: forward and backward per layer.

image [N, 1, 8, 8]
  conv 3x3, 1 -> 16, batch norm, ReLU
  residual block: conv 3x3, batch norm, ReLU, conv 3x3, batch norm, add, ReLU
  max pool 2x2
  conv 3x3, 16 -> 32, batch norm, ReLU
  global average pool, linear 32 -> 10
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

MOMENTUM = 0.9
"""Of the running statistics of batch norm."""
EPSILON = 1e-5


@dataclass
class Parameter:
    """A trained array, its gradient, and the velocity of stochastic gradient descent."""

    value: np.ndarray
    gradient: np.ndarray = field(init=False)
    velocity: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.value = self.value.astype(np.float32)
        self.gradient = np.zeros_like(self.value)
        self.velocity = np.zeros_like(self.value)

    def step(self, rate: float, momentum: float = 0.9, decay: float = 5e-4) -> None:
        self.velocity = momentum * self.velocity - rate * (self.gradient + decay * self.value)
        self.value = (self.value + self.velocity).astype(np.float32)


class Layer(Protocol):
    """Gives its result, then the gradient of its operand from that of its result."""

    def forward(self, x: np.ndarray, *, train: bool) -> np.ndarray: ...

    def backward(self, gradient: np.ndarray) -> np.ndarray: ...

    def parameters(self) -> Iterator[Parameter]: ...


class Conv:
    """A 3x3 convolution with padding 1 and no bias: batch norm follows."""

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator) -> None:
        scale = np.sqrt(2 / (9 * inputs))  # He et al. 2015
        self.weight = Parameter(rng.standard_normal((outputs, inputs, 3, 3)) * scale)

    def forward(self, x: np.ndarray, *, train: bool) -> np.ndarray:
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
        self.shape = x.shape
        self.columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, x.shape[1] * 9)
        rows = self.columns @ self._matrix().T
        n, _, h, w = x.shape
        return rows.reshape(n, h, w, -1).transpose(0, 3, 1, 2)

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        n, c, h, w = self.shape
        rows = gradient.transpose(0, 2, 3, 1).reshape(-1, gradient.shape[1])
        self.weight.gradient = (rows.T @ self.columns).reshape(self.weight.value.shape)
        columns = (rows @ self._matrix()).reshape(n, h, w, c, 3, 3)
        padded = np.zeros((n, c, h + 2, w + 2), np.float32)
        for i in range(3):
            for j in range(3):
                padded[:, :, i : i + h, j : j + w] += columns[..., i, j].transpose(0, 3, 1, 2)
        return padded[:, :, 1:-1, 1:-1]

    def parameters(self) -> Iterator[Parameter]:
        yield self.weight

    def _matrix(self) -> np.ndarray:
        return self.weight.value.reshape(len(self.weight.value), -1)


class BatchNorm:
    """Normalization over the batch (Ioffe and Szegedy 2015); running statistics for inference."""

    def __init__(self, channels: int) -> None:
        self.scale = Parameter(np.ones(channels))
        self.bias = Parameter(np.zeros(channels))
        self.mean = np.zeros(channels, np.float32)
        self.variance = np.ones(channels, np.float32)

    def forward(self, x: np.ndarray, *, train: bool) -> np.ndarray:
        mean, variance = self.mean, self.variance
        if train:
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
            self.mean = MOMENTUM * self.mean + (1 - MOMENTUM) * mean
            self.variance = MOMENTUM * self.variance + (1 - MOMENTUM) * variance
        self.inverse = (1 / np.sqrt(variance + EPSILON))[:, None, None]
        self.normal = (x - mean[:, None, None]) * self.inverse
        return self.normal * self.scale.value[:, None, None] + self.bias.value[:, None, None]

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        self.scale.gradient = (gradient * self.normal).sum((0, 2, 3))
        self.bias.gradient = gradient.sum((0, 2, 3))
        count = gradient.size / gradient.shape[1]
        centred = gradient - (
            self.bias.gradient[:, None, None] + self.normal * self.scale.gradient[:, None, None]
        ) / np.float32(count)
        return centred * self.inverse * self.scale.value[:, None, None]

    def parameters(self) -> Iterator[Parameter]:
        yield self.scale
        yield self.bias


class Relu:
    def forward(self, x: np.ndarray, *, train: bool) -> np.ndarray:
        self.positive = x > 0
        return np.where(self.positive, x, np.float32(0))

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        return np.where(self.positive, gradient, np.float32(0))

    def parameters(self) -> Iterator[Parameter]:
        yield from ()


class MaxPool:
    """2x2 windows, stride 2."""

    def forward(self, x: np.ndarray, *, train: bool) -> np.ndarray:
        n, c, h, w = x.shape
        self.windows = x.reshape(n, c, h // 2, 2, w // 2, 2)
        self.largest = self.windows.max((3, 5), keepdims=True)
        return self.largest.reshape(n, c, h // 2, w // 2)

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        chosen = self.windows == self.largest
        shares = chosen / chosen.sum((3, 5), keepdims=True)
        spread = gradient.reshape(self.largest.shape) * shares
        n, c, h, _, w, _ = spread.shape
        return spread.reshape(n, c, 2 * h, 2 * w).astype(np.float32)

    def parameters(self) -> Iterator[Parameter]:
        yield from ()


class Head:
    """Global average pool and a linear layer."""

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator) -> None:
        self.weight = Parameter(rng.standard_normal((inputs, outputs)) / np.sqrt(inputs))
        self.bias = Parameter(np.zeros(outputs))

    def forward(self, x: np.ndarray, *, train: bool) -> np.ndarray:
        self.shape = x.shape
        self.means = x.mean((2, 3))
        return self.means @ self.weight.value + self.bias.value

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        self.weight.gradient = self.means.T @ gradient
        self.bias.gradient = gradient.sum(0)
        _, _, h, w = self.shape
        means = (gradient @ self.weight.value.T)[:, :, None, None] / np.float32(h * w)
        return np.broadcast_to(means, self.shape)

    def parameters(self) -> Iterator[Parameter]:
        yield self.weight
        yield self.bias


@dataclass
class Sequence:
    layers: list[Layer]

    def forward(self, x: np.ndarray, *, train: bool) -> np.ndarray:
        for layer in self.layers:
            x = layer.forward(x, train=train)
        return x

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
        return gradient

    def parameters(self) -> Iterator[Parameter]:
        for layer in self.layers:
            yield from layer.parameters()


class Residual:
    """`relu(x + inner(x))` (He et al. 2016)."""

    def __init__(self, inner: Sequence) -> None:
        self.inner = inner
        self.relu = Relu()

    def forward(self, x: np.ndarray, *, train: bool) -> np.ndarray:
        return self.relu.forward(x + self.inner.forward(x, train=train), train=train)

    def backward(self, gradient: np.ndarray) -> np.ndarray:
        gradient = self.relu.backward(gradient)
        return gradient + self.inner.backward(gradient)

    def parameters(self) -> Iterator[Parameter]:
        yield from self.inner.parameters()


def digits_network(rng: np.random.Generator) -> Sequence:
    """The network of this module's docstring, untrained."""
    block = [Conv(16, 16, rng), BatchNorm(16), Relu(), Conv(16, 16, rng), BatchNorm(16)]
    return Sequence(
        [
            *(Conv(1, 16, rng), BatchNorm(16), Relu()),
            Residual(Sequence(block)),
            MaxPool(),
            *(Conv(16, 32, rng), BatchNorm(32), Relu()),
            Head(32, 10, rng),
        ]
    )


def cross_entropy_gradient(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The gradient of the mean cross entropy of softmax(logits)."""
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    gradient = exponentials / exponentials.sum(1, keepdims=True)
    gradient[np.arange(len(labels)), labels] -= 1
    return gradient / np.float32(len(labels))

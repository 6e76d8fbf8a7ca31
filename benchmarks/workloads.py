"""The public models and data the benchmarks use, read from a folder the user gives.

    mlperf_tiny/ic01_resnet8_{fp32,int8_qdq}.onnx    MLPerf Tiny image classification
    mlperf_tiny/kws01_dscnn_{fp32,int8_qdq}.onnx     MLPerf Tiny keyword spotting
    mlperf_tiny/kws01_features_int8.npz              x int8 [n, 49, 10, 1], y
    cifar10/cifar10_test_first1000.npz               x uint8 [n, 32, 32, 3], y
    cifar10/cifar10_train_first256_calib.npz         the same, for calibration
    mnist/mnist-8.onnx, t10k-{images-idx3,labels-idx1}-ubyte.gz
    imagenet/squeezenet1_1_fp32.onnx, {val250,calib100}_uint8_nhwc.npz
    minilm/all_minilm_l6_v2_fp32.onnx                sentence embeddings, compared in float

What is missing is skipped, and said so.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)
KEYWORD_ZERO_POINT, KEYWORD_SCALE = 83, 0.5847029089927673
KEYWORD_CALIBRATION = 200


@dataclass(frozen=True)
class Workload:
    """A classifier with labelled data; the quantized model takes `quantized_x`."""

    name: str
    model: Path
    input: str
    x: np.ndarray
    y: np.ndarray
    calibration: np.ndarray
    quantized_model: Path | None = None
    quantized_input: str = ""
    quantized_x: np.ndarray | None = None


def resnet8(folder: Path) -> Workload:
    test = np.load(folder / "cifar10/cifar10_test_first1000.npz")
    train = np.load(folder / "cifar10/cifar10_train_first256_calib.npz")
    return Workload(
        "ResNet-8",
        folder / "mlperf_tiny/ic01_resnet8_fp32.onnx",
        "input_1",
        test["x"].astype(np.float32),
        test["y"],
        train["x"].astype(np.float32),
        folder / "mlperf_tiny/ic01_resnet8_int8_qdq.onnx",
        "input_1_int8",
        (test["x"].astype(np.int16) - 128).astype(np.int8),
    )


def dscnn(folder: Path) -> Workload:
    data = np.load(folder / "mlperf_tiny/kws01_features_int8.npz")
    x = ((data["x"].astype(np.float32) - KEYWORD_ZERO_POINT) * KEYWORD_SCALE).astype(np.float32)
    return Workload(
        "DS-CNN",
        folder / "mlperf_tiny/kws01_dscnn_fp32.onnx",
        "input_1",
        x,
        data["y"],
        x[:KEYWORD_CALIBRATION],
        folder / "mlperf_tiny/kws01_dscnn_int8_qdq.onnx",
        "input_1",
        data["x"],
    )


def mnist(folder: Path) -> Workload:
    images = gzip.decompress((folder / "mnist/t10k-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "mnist/t10k-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 1, 28, 28).astype(np.float32)
    y = np.frombuffer(labels, np.uint8, offset=8)
    return Workload("MNIST", folder / "mnist/mnist-8.onnx", "Input3", x, y, x[:256])


def squeezenet(folder: Path) -> Workload:
    def load(name: str) -> tuple[np.ndarray, np.ndarray]:
        data = np.load(folder / f"imagenet/{name}_uint8_nhwc.npz")
        x = (data["x"].astype(np.float32) / 255 - IMAGENET_MEAN) / IMAGENET_STD
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2)), data["y"]

    x, y = load("val250")
    return Workload(
        "SqueezeNet",
        folder / "imagenet/squeezenet1_1_fp32.onnx",
        "input",
        x,
        y,
        load("calib100")[0],
    )


WORKLOADS: dict[str, Callable[[Path], Workload]] = {
    "resnet8": resnet8,
    "dscnn": dscnn,
    "mnist": mnist,
    "squeezenet": squeezenet,
}


MINILM = "minilm/all_minilm_l6_v2_fp32.onnx"


def minilm_feeds(batch: int = 4, length: int = 64, seed: int = 0) -> dict[str, np.ndarray]:
    """Random tokens with masks of different lengths: enough to compare two runtimes."""
    random = np.random.default_rng(seed)
    lengths = random.integers(length // 4, length + 1, batch)
    return {
        "input_ids": random.integers(0, 30522, (batch, length)),
        "attention_mask": (np.arange(length) < lengths[:, None]).astype(np.int64),
        "token_type_ids": np.zeros((batch, length), np.int64),
    }


def sqnr(reference: np.ndarray, actual: np.ndarray) -> float:
    """Signal to quantization noise in dB: 10 log10(sum f^2 / sum (f - q)^2)."""
    noise = float(np.sum((reference.astype(np.float64) - actual) ** 2))
    signal = float(np.sum(reference.astype(np.float64) ** 2))
    return float("inf") if noise == 0 else 10 * float(np.log10(signal / noise))

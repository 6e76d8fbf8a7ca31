"""Seeded models for benchmarks: the architectures of public networks with random weights.

    path = write_model("resnet50", folder)          written once, then read from there
    feeds = MODELS["resnet50"].feeds(count=32, batch=1, seed=0)

Weights are random, activations are not wild: convolutional networks have the statistics of batch
norm (statistics.py), transformers those of trained ones (transformers.py). All have a symbolic
batch dimension N. Times do not depend on the values; errors of int8 do, and are of the size that
trained networks show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from models.convnets import mobilenetv2, resnet50, resnet_cifar
from models.inputs import image_feeds, token_feeds
from models.light import light_model
from models.statistics import with_batch_norm_statistics
from models.transformers import BERT_BASE, MINILM_L6, SEQUENCE, transformer

Feeds = dict[str, np.ndarray]


@dataclass(frozen=True)
class Model:
    """A network: `build` makes the ONNX model, `sample` feeds of (count, batch, seed)."""

    name: str
    build: Callable[[], onnx.ModelProto]
    sample: Callable[[int, int, int], list[Feeds]]
    kind: str = "cnn"
    heads: int = 0
    width: int = 0

    def feeds(self, count: int, batch: int = 1, seed: int = 0) -> list[Feeds]:
        """`count` feeds of `batch` samples each."""
        return self.sample(count, batch, seed)


def _convnet(name: str, build: Callable[[], onnx.ModelProto], size: int, images: int) -> Model:
    def built() -> onnx.ModelProto:
        statistics = image_feeds("input", size)(1, images, 12345)[0]
        return with_batch_norm_statistics(build(), statistics)

    return Model(name, built, image_feeds("input", size))


def _transformer(name: str, shape) -> Model:
    sample = token_feeds(SEQUENCE)
    return Model(name, partial(transformer, shape), sample, "transformer", shape.heads, shape.width)


_ALL = (
    _convnet("resnet50", resnet50, 224, 8),
    _convnet("mobilenetv2", mobilenetv2, 224, 8),
    _convnet("resnet20", partial(resnet_cifar, 3), 32, 64),
    _convnet("resnet8", partial(resnet_cifar, 1), 32, 64),
    _transformer("bert_base", BERT_BASE),
    _transformer("minilm_l6", MINILM_L6),
    _convnet("squeezenet", partial(light_model, "squeezenet"), 224, 4),
    _convnet("vgg19", partial(light_model, "vgg19"), 224, 2),
    _convnet("densenet121", partial(light_model, "densenet121"), 224, 4),
    _convnet("inception_v1", partial(light_model, "inception_v1"), 224, 4),
    _convnet("shufflenet", partial(light_model, "shufflenet"), 224, 4),
)

MODELS: dict[str, Model] = {model.name: model for model in _ALL}
"""The models by name."""


def write_model(name: str, folder: Path) -> Path:
    """The path of the model's `.onnx` file in `folder`; built and checked if it is not there."""
    path = folder / f"{name}.onnx"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        model = MODELS[name].build()
        onnx.checker.check_model(model)
        unfinished = path.with_suffix(".tmp")
        onnx.save(onnx.shape_inference.infer_shapes(model), unfinished)
        unfinished.rename(path)
    return path

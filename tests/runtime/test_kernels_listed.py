"""A program asks for no kernel that its family does not list: warming the cache covers every
model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from models import MODELS, write_model
from models.inputs import token_feeds
from models.transformers import SEQUENCE, TransformerShape, transformer

import compiler
from runtime.kernels import cache, warming
from runtime.kernels.abi import Kernel
from runtime.program import Program

GENERATED = "runtime.kernels.loops"
"""The family whose kernels follow from the structure of a model: it cannot list them."""

Feeds = dict[str, np.ndarray]

DIGITS = Path(__file__).parents[2] / "examples/digits/digits.onnx"


def model_of(name: str, folder: Path, batch: int) -> tuple[Path, list[Feeds]]:
    """A model and two feeds of `batch` samples."""
    if name == "digits":
        program = compiler.compile(DIGITS)
        (spec,) = program.inputs
        random = np.random.default_rng(0)
        shape = (batch, *spec.shape[1:])
        return DIGITS, [{spec.name: random.random(shape, np.float32)} for _ in range(2)]
    if name == "encoder":
        path = folder / "encoder.onnx"
        onnx.save(transformer(TransformerShape("encoder", 1, 64, 2, 128, "mean")), path)
        return path, token_feeds(SEQUENCE)(2, batch, 0)
    return write_model(name, folder), MODELS[name].feeds(2, batch=batch, seed=0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Kernel]:
    """The kernels that are asked for from now on."""
    kernels: list[Kernel] = []
    address_of = cache.address_of

    def recorded(kernel: Kernel) -> int:
        kernels.append(kernel)
        return address_of(kernel)

    monkeypatch.setattr(cache, "address_of", recorded)
    return kernels


def compiled(path: Path, feeds: list[Feeds], precision: str) -> Program:
    shapes = {name: array.shape for name, array in feeds[0].items()}
    if precision == "int8":
        data = {name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}
        return compiler.compile(path, calibration_data=data, shapes=shapes)
    if precision == "f32":
        return compiler.compile(path, shapes=shapes)
    return compiler.compile(path, shapes=shapes, precision=precision)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where models are written once."""
    return tmp_path_factory.mktemp("models")


@pytest.mark.parametrize(
    ("precision", "batch"), [("int8", 1), ("int8", 3), ("bf16", 3), ("f16", 2), ("f32", 1)]
)
@pytest.mark.parametrize("name", ["digits", "resnet8", "encoder", "squeezenet"])
def test_every_kernel_asked_for_is_listed(
    name: str, precision: str, batch: int, folder: Path, asked: list[Kernel]
) -> None:
    path, feeds = model_of(name, folder, batch)
    asked.clear()
    program = compiled(path, feeds, precision)
    program.run(feeds[0], threads=2)
    listed = warming.kernels_of(program.isa, warming.families())
    unlisted = {
        kernel.key
        for kernel in asked
        if kernel.key not in listed and kernel.function.__module__ != GENERATED
    }
    assert asked
    assert not unlisted

"""Octet as an ONNX backend (`onnx.backend.base`), for ONNX's own conformance tests."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.backend.base import Backend, BackendRep

import compiler
from dialects.errors import OctetError

TAKE_ONLY_SHAPES = {"ConstantOfShape"}
"""Operators whose first operand has to be a constant, too."""


class OctetRep(BackendRep):
    """A model, compiled when its inputs are known.

    Octet wants shapes, axes and weights as constants, while the node tests pass everything as an
    input. So where compiling needs it, all inputs but the first are bound as constants. The first
    stays an input, so that kernels compute the result and not constant folding.
    """

    def __init__(self, model: onnx.ModelProto):
        self.model = model

    def run(self, inputs: Sequence[np.ndarray], **_options: Any) -> list[np.ndarray]:
        initialized = {tensor.name for tensor in self.model.graph.initializer}
        names = [value.name for value in self.model.graph.input if value.name not in initialized]
        feeds = dict(zip(names, inputs, strict=True))
        refusal: OctetError | None = None
        only_a_shape = {node.op_type for node in self.model.graph.node} <= TAKE_ONLY_SHAPES
        for bound in ([], names if only_a_shape else names[1:]):
            try:
                outputs = self._run_with(feeds, bound)
            except OctetError as error:
                refusal = error
                continue
            return [outputs[value.name] for value in self.model.graph.output]
        assert refusal is not None
        raise refusal

    def _run_with(self, feeds: dict[str, np.ndarray], bound: list[str]) -> dict[str, np.ndarray]:
        constants = {name: np.asarray(feeds[name]) for name in bound}
        shapes = {name: np.shape(feed) for name, feed in feeds.items() if name not in constants}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            path.write_bytes(self.model.SerializeToString())
            program = compiler.compile(path, shapes=shapes, constants=constants)
        return program.run({name: np.asarray(feeds[name]) for name in shapes})


class OctetBackend(Backend):
    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **_: Any) -> bool:
        return device == "CPU"

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **_: Any) -> OctetRep:
        return OctetRep(model)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        return device == "CPU"

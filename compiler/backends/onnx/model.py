"""The exported model as bytes and as files."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorAnnotation, TensorProto, ValueInfoProto, helper

from compiler.errors import InternalCompilerError
from compiler.frontends.onnx.loader import MAX_FILE_BYTES
from compiler.frontends.onnx.tensors import code_of_dtype
from compiler.pipeline import first_line
from compiler.version import __version__
from dialects.errors import OctetError
from runtime.artifact import replacing

OPSET = 19
"""The first that pads in every mode and resizes with antialiasing, and one that today's runtimes
know in full. What is newer (Gelu, Swish) is written out."""

IR_VERSION = 9
"""The one of opset 19."""

ALIGNMENT = 4096
"""External data starts at pages, so that runtimes may map it."""

HEADROOM = 1 << 24
"""Bytes of a model file left to what is not weights."""

LEAST_EXTERNAL = 1024
"""Weights of fewer bytes stay in the model file: shapes and scales, which tools want to see."""


@dataclass
class ExportedModel:
    """An ONNX model whose weights are arrays still, so that no size limit applies to them.

    `arrays` are the initializers in order, `metadata` goes into the model's properties.
    """

    nodes: Sequence[NodeProto]
    inputs: Sequence[ValueInfoProto]
    outputs: Sequence[ValueInfoProto]
    arrays: Mapping[str, np.ndarray]
    annotations: Sequence[TensorAnnotation]
    metadata: Mapping[str, str]

    @property
    def weight_bytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())

    def proto(self) -> ModelProto:
        """The model in one message, checked. Raises OctetError where it would exceed the size
        that a message may have."""
        if self.weight_bytes > MAX_FILE_BYTES - HEADROOM:
            raise OctetError(
                f"the model has {self.weight_bytes} bytes of weights, more than one ONNX file "
                "holds; write it to a path, with its weights beside it"
            )
        model = self._model([_embedded(name, array) for name, array in self.arrays.items()])
        _check(model)
        return model

    def write(
        self,
        path: Path,
        *,
        most_bytes: int = MAX_FILE_BYTES - HEADROOM,
        least_external: int = LEAST_EXTERNAL,
    ) -> None:
        """Writes `path`. Where weights exceed `most_bytes` together, those of at least
        `least_external` bytes go to `path` + ".data".

        A failure leaves nothing half-written; the same program gives the same bytes.
        """
        with contextlib.ExitStack() as stack:
            if self.weight_bytes <= most_bytes:
                model = self.proto()
            else:
                beside = path.with_name(f"{path.name}.data")
                data = stack.enter_context(replacing(beside))
                model = self._model(self._external(data, beside.name, least_external))
            temporary = stack.enter_context(replacing(path))
            temporary.write_bytes(model.SerializeToString(deterministic=True))

    def _external(self, data: Path, location: str, least: int) -> list[TensorProto]:
        """Writes the large arrays to `data`; gives all initializers."""
        tensors: list[TensorProto] = []
        with data.open("wb") as file:
            for name, array in self.arrays.items():
                if array.nbytes < least:
                    tensors.append(_embedded(name, array))
                    continue
                file.write(b"\0" * (-file.tell() % ALIGNMENT))
                tensor = _header(name, array)
                tensor.data_location = TensorProto.EXTERNAL
                place = {"location": location, "offset": file.tell(), "length": array.nbytes}
                for key, value in place.items():
                    tensor.external_data.add(key=key, value=str(value))
                file.write(_little_endian(array))
                tensors.append(tensor)
        return tensors

    def _model(self, initializers: Sequence[TensorProto]) -> ModelProto:
        graph = helper.make_graph(
            list(self.nodes), "main", list(self.inputs), list(self.outputs), list(initializers)
        )
        graph.quantization_annotation.extend(self.annotations)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="octet",
            producer_version=__version__,
        )
        helper.set_model_props(model, dict(self.metadata))
        return model


def _header(name: str, array: np.ndarray) -> TensorProto:
    return TensorProto(name=name, data_type=code_of_dtype(array.dtype), dims=array.shape)


def _embedded(name: str, array: np.ndarray) -> TensorProto:
    tensor = _header(name, array)
    tensor.raw_data = _little_endian(array)
    return tensor


def _little_endian(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def _check(model: ModelProto) -> None:
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise InternalCompilerError(
            f"the exported model is not valid ONNX: {first_line(error)}"
        ) from error

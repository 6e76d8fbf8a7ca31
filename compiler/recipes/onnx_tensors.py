"""Where the tensors of an ONNX model come from, by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compiler.frontends.onnx.graph import layer_name
from dialects.errors import OctetError

WEIGHT_OPERATORS = ("Conv", "ConvTranspose", "MatMul", "Gemm")
"""Operators whose second operand is a weight."""


@dataclass(frozen=True)
class Use:
    """One use of an initializer."""

    layer: str
    operator: str
    position: int
    channel_axis: int | None
    """The axis of the output channels, if this use is as a weight."""


@dataclass(frozen=True)
class OnnxTensors:
    inputs: frozenset[str]
    producers: Mapping[str, tuple[str, int]]
    """Layer, and which of its results."""
    uses: Mapping[str, Sequence[Use]]
    """Of initializers."""
    shapes: Mapping[str, tuple[int, ...]]
    """Of initializers."""

    @property
    def names(self) -> list[str]:
        return [*sorted(self.inputs), *self.producers, *self.shapes]


def tensors_of(model: Path) -> OnnxTensors:
    """The tensors of a .onnx file. Raises OctetError for another file."""
    if model.suffix != ".onnx":
        raise OctetError(
            f"{model}: TensorQuantOverrides name tensors of an ONNX model, and this is none; give "
            "them when the .onnx file is compiled"
        )
    import onnx
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load(str(model), load_external_data=False).graph
    except (OSError, DecodeError) as error:
        raise OctetError(f"{model}: not a valid ONNX file: {error}") from None
    shapes = {entry.name: tuple(entry.dims) for entry in graph.initializer}
    producers: dict[str, tuple[str, int]] = {}
    uses: dict[str, list[Use]] = {name: [] for name in shapes}
    for index, node in enumerate(graph.node):
        layer = layer_name(node, index)
        for position, output in enumerate(node.output):
            producers[output] = layer, position
        for position, operand in enumerate(node.input):
            if operand in uses:
                axis = _channel_axis(node, position, len(shapes[operand]))
                uses[operand].append(Use(layer, node.op_type, position, axis))
    inputs = frozenset(entry.name for entry in graph.input if entry.name not in shapes)
    return OnnxTensors(inputs, producers, uses, shapes)


def _channel_axis(node: object, position: int, rank: int) -> int | None:
    import onnx

    assert isinstance(node, onnx.NodeProto)
    if position != 1 or node.op_type not in WEIGHT_OPERATORS:
        return None
    match node.op_type:
        case "Conv":
            return 0
        case "ConvTranspose":
            return 1
        case "MatMul":
            return rank - 1
        case _:
            transposed = any(item.name == "transB" and item.i for item in node.attribute)
            return 0 if transposed else 1

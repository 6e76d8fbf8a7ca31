"""Annotated integer inputs are quantized; bad annotations leave them plain. Ranges of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, StringStringEntryProto, TensorAnnotation
from xdsl.dialects.builtin import f32

from compiler.frontends.onnx import import_onnx
from compiler.frontends.onnx.node import symmetric_range
from dialects.context import OctetContext
from dialects.elements import i8, ui8
from dialects.quant import UniformQuantizedType


def annotated(build: Callable[..., ModelProto], node: Callable[..., Any], **parameters: Any) -> str:
    """A dequantize of an annotated u8 input as a program's text."""
    model = build(
        [node("DequantizeLinear", ["x", "s", "z"], ["y"])],
        {"x": (np.uint8, [1, 4])},
        ["y"],
        {"s": np.float32(0.5), "z": np.uint8(3), **parameters},
    )
    entries = [("SCALE_TENSOR", "scale"), ("ZERO_POINT_TENSOR", "zero")]
    annotation = TensorAnnotation(
        tensor_name="x",
        quant_parameter_tensor_names=[
            StringStringEntryProto(key=key, value=value) for key, value in entries
        ],
    )
    model.graph.quantization_annotation.append(annotation)
    return str(import_onnx(model, OctetContext()))


def test_an_annotated_input_is_of_its_quantized_type(
    build: Callable[..., ModelProto], node: Callable[..., Any], context: OctetContext
) -> None:
    text = annotated(build, node, scale=np.float32(0.5), zero=np.uint8(3))
    assert 'tensor<1x4x!quant.uniform<u8:f32, 0.5:3>> {nn.name = "x"' in text
    assert "nn.quantized = !quant.uniform<u8:f32, 0.5:3>" in text
    assert "quant.scast" not in text


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"scale": np.float32(0.5)},
        {"scale": np.float32(-1), "zero": np.uint8(3)},
        {"scale": np.float32(np.inf), "zero": np.uint8(3)},
        {"scale": np.ones(4, np.float32), "zero": np.zeros(4, np.uint8)},
        {"scale": np.float32(0.5), "zero": np.int32(300)},
    ],
)
def test_a_bad_annotation_leaves_plain_integers(
    build: Callable[..., ModelProto], node: Callable[..., Any], parameters: dict[str, Any]
) -> None:
    text = annotated(build, node, **parameters)
    assert 'tensor<1x4xui8> {nn.name = "x"' in text
    assert "quant.scast" in text


@pytest.mark.parametrize(
    ("storage", "zero_point", "stored", "limits"),
    [
        (i8, 0, [-127, 5], (-127, 127)),
        (i8, 0, [-128, 5], (-128, 127)),
        (i8, 1, [-127, 5], (-128, 127)),
        (ui8, 128, [1, 255], (1, 255)),
        (ui8, 128, [0, 255], (0, 255)),
        (ui8, 0, [1, 255], (0, 255)),
        (i8, 0, [], (-128, 127)),
    ],
)
def test_weights_without_the_value_that_has_no_counterpart_are_of_a_symmetric_range(
    storage: Any, zero_point: int, stored: list[int], limits: tuple[int, int]
) -> None:
    element = UniformQuantizedType(storage, f32, [0.1], [zero_point])
    assert symmetric_range(element, np.array(stored)).limits == limits

"""The nine `light_*` models of the onnx package: real architectures, in float and in int8.

Their weights are constant fills, which would hide mistakes, so they are replaced by seeded
random ones of the size a trained network has.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import compiler

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
MODELS = sorted(path.stem for path in FOLDER.glob("light_*.onnx"))


def with_random_weights(path: Path) -> onnx.ModelProto:
    """The model with each ConstantOfShape node replaced by an initializer."""
    model = onnx.load(path)
    random = np.random.default_rng(0)
    shapes = {
        tensor.name: tuple(numpy_helper.to_array(tensor).tolist())
        for tensor in model.graph.initializer
    }
    variances = {node.input[4] for node in model.graph.node if node.op_type == "BatchNormalization"}
    for node in [node for node in model.graph.node if node.op_type == "ConstantOfShape"]:
        shape = shapes[node.input[0]]
        if len(shape) > 1:  # weights: variance kept through ReLU (He et al., 2015)
            fan_in = np.prod(shape[1:])
            array = random.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / fan_in))
        elif node.output[0] in variances:
            array = random.uniform(0.5, 1.5, shape)
        else:
            array = random.standard_normal(shape) * 0.1 + (0.8 if "bn_s" in node.output[0] else 0)
        model.graph.node.remove(node)
        model.graph.initializer.append(
            numpy_helper.from_array(np.asarray(array, np.float32), node.output[0])
        )
    return model


def tame_logits(model: onnx.ModelProto, feed: dict[str, np.ndarray]) -> None:
    """Scales the last fully connected layer so that its softmax does not saturate."""
    last, softmax = model.graph.node[-2:]
    if (last.op_type, softmax.op_type) != ("Gemm", "Softmax"):
        return
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    whole.graph.output[0].name = last.output[0]
    del whole.graph.output[0].type.tensor_type.shape.dim[:]
    factor = np.float32(4 / np.abs(session_of(whole).run(None, feed)[0]).max())
    for tensor in model.graph.initializer:
        if tensor.name in last.input[1:]:
            tensor.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(tensor) * factor, tensor.name)
            )


def session_of(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"]
    )


def sqnr(reference: np.ndarray, actual: np.ndarray) -> float:
    return 10 * float(np.log10(np.sum(reference**2) / np.sum((reference - actual) ** 2)))


def test_there_are_nine() -> None:
    assert len(MODELS) == 9


@pytest.mark.parametrize("name", MODELS)
def test_light_model(name: str, tmp_path: Path) -> None:
    model = with_random_weights(FOLDER / f"{name}.onnx")
    initialized = {tensor.name for tensor in model.graph.initializer}
    (image,) = [value.name for value in model.graph.input if value.name not in initialized]
    (output,) = [value.name for value in model.graph.output]
    x = np.random.default_rng(1).standard_normal((2, 3, 224, 224)).astype(np.float32)
    tame_logits(model, {image: x[:1]})
    path = tmp_path / "model.onnx"
    onnx.save(model, path)

    session = session_of(model)
    expected = np.concatenate([session.run(None, {image: one[None]})[0] for one in x])
    expected = expected.reshape(2, -1)

    result = compiler.compile(path).run({image: x[:1]})[output].reshape(1, -1)
    np.testing.assert_allclose(result, expected[:1], rtol=1e-4, atol=1e-4 * np.abs(expected).max())

    program = compiler.compile(path, calibration_data={image: x})
    integer = program.run({image: x})[output].reshape(2, -1)
    assert np.isfinite(integer).all()
    assert sqnr(expected, integer) > 10

"""An exported program, read again, is the same one: ops, types, scales, zero points, weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from models.inputs import VOCABULARY
from models.transformers import SEQUENCE, TransformerShape, transformer
from onnx import TensorProto, helper, numpy_helper

from compiler.backends.onnx import export_onnx
from compiler.bare_text import bare_text
from compiler.driver import Compilation, CompileRequest
from dialects.nn.base import NnOp
from dialects.program import placeable_ops
from passes.dataflow import moves_data
from passes.placement.capabilities import quantized_in_source
from tests.compiler.small_model import images, small_model

DIGITS = Path(__file__).parents[4] / "examples" / "digits"


def compiled(
    model: Path, data: Any = None, stop_after: str = "integer", **options: Any
) -> Compilation:
    request = CompileRequest(model, calibration_data=data, stop_after=stop_after, options=options)
    compilation = Compilation(request, instruments=[])
    compilation.run()
    return compilation


def is_kept_from_int8(op: NnOp) -> bool:
    """Placed in float, though dequantizes and quantizes stand around it. In an ONNX model that is
    how ops are marked as quantized, so a reader takes it for one."""
    return not op.is_int8 and not moves_data(op) and quantized_in_source(op)


def both(
    model: Path,
    data: Any,
    folder: Path,
    only_if: Callable[[bool], object] = bool,
    **options: Any,
) -> tuple[str, str]:
    """The program at stage `integer`, and the one that its exported form gives; `only_if` is told
    whether the two can be the same."""
    placed = compiled(model, data, "quantize", **options)
    only_if(not any(map(is_kept_from_int8, placeable_ops(placed.module))))
    path = folder / "exported.onnx"
    export_onnx(placed.module, placed.ctx.weights).write(path)
    return bare_text(compiled(model, data, **options).module), bare_text(compiled(path).module)


class Nets:
    """Draws small convolutional networks as ONNX."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.random = np.random.default_rng(draw(st.integers(0, 2**16)))
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.value, self.channels, self.size = "x", 3, 8
        self.earlier: list[tuple[str, int, int]] = []

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        name = f"{op_type}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, inputs, [f"{name}:0"], name, **attributes))
        return f"{name}:0"

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        array = self.random.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))
        self.weights.append(numpy_helper.from_array(array.astype(np.float32), name))
        return name

    def conv(self) -> None:
        kernel, stride = self.draw(st.sampled_from([1, 3])), self.draw(st.sampled_from([1, 1, 2]))
        depthwise = self.draw(st.booleans())
        out = self.channels if depthwise else self.draw(st.sampled_from([4, 6]))
        groups = self.channels if depthwise else 1
        inputs = [self.value, self.weight(out, self.channels // groups, kernel, kernel)]
        inputs += [self.weight(out)] if self.draw(st.booleans()) else []
        padding = kernel // 2
        self.value = self.node(
            "Conv", *inputs, group=groups, strides=[stride] * 2, pads=[padding] * 4
        )
        self.channels, self.size = out, (self.size + 2 * padding - kernel) // stride + 1

    def activation(self) -> None:
        kind = self.draw(st.sampled_from(["Relu", "Clip", "Sigmoid", "LeakyRelu", "HardSwish"]))
        if kind == "Clip":
            low = numpy_helper.from_array(np.float32(0), f"low{len(self.nodes)}")
            high = numpy_helper.from_array(np.float32(2), f"high{len(self.nodes)}")
            self.weights += [low, high]
            self.value = self.node(kind, self.value, low.name, high.name)
        else:
            self.value = self.node(kind, self.value)

    def residual(self) -> None:
        fitting = [v for v, *shape in self.earlier if shape == [self.channels, self.size]]
        if fitting:
            self.value = self.node("Add", self.value, self.draw(st.sampled_from(fitting)))

    def pool(self) -> None:
        if self.size >= 2:
            kind = self.draw(st.sampled_from(["MaxPool", "AveragePool"]))
            self.value = self.node(kind, self.value, kernel_shape=[2, 2], strides=[2, 2])
            self.size //= 2

    def concat(self) -> None:
        fitting = [(v, c) for v, c, size in self.earlier if size == self.size]
        if fitting:
            other, channels = self.draw(st.sampled_from(fitting))
            self.value = self.node("Concat", self.value, other, axis=1)
            self.channels += channels

    def model(self) -> onnx.ModelProto:
        self.conv()
        for _ in range(self.draw(st.integers(1, 6))):
            self.earlier.append((self.value, self.channels, self.size))
            step = st.sampled_from(["conv", "conv", "activation", "residual", "pool", "concat"])
            getattr(self, self.draw(step))()
        if self.draw(st.booleans()):
            pooled = self.node("GlobalAveragePool", self.value)
            flat = self.node("Flatten", pooled)
            self.value = self.node("Gemm", flat, self.weight(self.channels, 5), self.weight(5))
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 8, 8])
        y = helper.make_empty_tensor_value_info(self.value)
        graph = helper.make_graph(self.nodes, "net", [x], [y], initializer=self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@st.composite
def networks(draw: st.DrawFn) -> onnx.ModelProto:
    return Nets(draw).model()


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "activation_type": st.just("s8"),
        "per_channel": st.just(False),
        "weight_symmetric": st.just(False),
        "io": st.just("int8"),
    },
)


# Without shrinking: every example compiles three times, and the networks are small as they are.
@settings(max_examples=40, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(networks(), OPTIONS)
def test_random_networks(
    tmp_path_factory: pytest.TempPathFactory, model: onnx.ModelProto, options: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("net")
    path = folder / "net.onnx"
    onnx.save(model, path)
    x = np.random.default_rng(1).normal(size=(4, 3, 8, 8)).astype(np.float32)
    first, again = both(path, {"x": x}, folder, assume, **options)
    assert first == again


def test_the_digits_network(tmp_path: Path) -> None:
    first, again = both(DIGITS / "digits.onnx", str(DIGITS / "calibration.npz"), tmp_path)
    assert "nn.conv" in first
    assert first == again


@pytest.mark.parametrize("io", ["float", "int8"])
def test_fused_residuals_and_activations(tmp_path: Path, io: str) -> None:
    onnx.save(small_model(), tmp_path / "small.onnx")
    first, again = both(tmp_path / "small.onnx", {"image": images(20)}, tmp_path, io=io)
    assert "residual = " in first
    assert "activation = #nn.activation<relu>" in first
    assert first == again


def test_a_transformer_layer(tmp_path: Path) -> None:
    """Attention, layer norm and GELU are written out and recognized again; a float residual behind
    an int8 product stays behind it."""
    path = tmp_path / "encoder.onnx"
    onnx.save(transformer(TransformerShape("tiny", 1, 32, 4, 64, "mean")), path)
    random = np.random.default_rng(0)
    ids = {"input_ids": random.integers(0, VOCABULARY, (4, SEQUENCE))}
    data = {**ids, "attention_mask": np.ones((4, SEQUENCE), np.int64)}
    first, again = both(path, data, tmp_path)
    for op in ("nn.attention", "nn.layer_norm", "nn.lookup", "nn.add"):
        assert op in first
    assert first == again

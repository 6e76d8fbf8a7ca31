"""Exported models as files: checked, the same bytes each time, large weights beside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from compiler.backends.onnx import ExportedModel, export_onnx
from compiler.driver import Compilation, CompileRequest
from compiler.frontends.onnx import import_onnx
from compiler.version import __version__
from dialects.context import OctetContext, make_context
from dialects.errors import OctetError
from dialects.nn import NN_OPS
from dialects.nn.constant import ConstantOp
from runtime.reference.evaluate import evaluate
from tests.compiler.small_model import images


def placed(model: Path, data: Path, **options: object) -> Compilation:
    request = CompileRequest(
        model, calibration_data=str(data), stop_after="quantize", options=options
    )
    compilation = Compilation(request, instruments=[])
    compilation.run()
    return compilation


@pytest.fixture
def exported(model: Path, data: Path) -> ExportedModel:
    compilation = placed(model, data)
    return export_onnx(compilation.module, compilation.ctx.weights)


def in_onnxruntime(path: Path, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def test_the_model_is_valid_and_says_where_it_comes_from(exported: ExportedModel) -> None:
    proto = exported.proto()
    onnx.checker.check_model(proto, full_check=True)
    assert (proto.producer_name, proto.producer_version) == ("octet", __version__)
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    assert metadata["octet.version"] == __version__
    assert "insert-qdq" in metadata["octet.pipeline"]


def test_nodes_have_the_names_of_layers(exported: ExportedModel) -> None:
    names = {node.name: node.op_type for node in exported.nodes}
    assert names["stem"] == "Conv"
    assert names["body"] == "Conv"
    assert names["body/Add"] == "Add"
    assert names["head"] == "Gemm"


def test_relu_stands_between_the_convolution_and_its_quantize(exported: ExportedModel) -> None:
    after = {name: node for node in exported.nodes for name in node.input}
    chain = [next(node for node in exported.nodes if node.name == "stem")]
    for _ in range(3):
        chain.append(after[chain[-1].output[0]])
    kinds = [node.op_type for node in chain]
    assert kinds == ["Conv", "Relu", "QuantizeLinear", "DequantizeLinear"]


def test_biases_are_int32_at_the_scale_of_the_sums(exported: ExportedModel) -> None:
    stem = next(node for node in exported.nodes if node.name == "stem")
    made = {node.output[0]: node for node in exported.nodes}
    scales = [exported.arrays[made[name].input[1]] for name in stem.input]
    np.testing.assert_array_equal(scales[2], scales[0] * scales[1])
    assert exported.arrays[made[stem.input[2]].input[0]].dtype == np.int32


def test_symbolic_batch(exported: ExportedModel) -> None:
    sizes = [
        [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*exported.inputs, *exported.outputs)
    ]
    assert sizes == [["batch", 3, 8, 8], ["batch", 5]]


def test_the_same_program_gives_the_same_bytes(model: Path, data: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        compilation = placed(model, data)
        export_onnx(compilation.module, compilation.ctx.weights).write(tmp_path / f"{name}.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_large_weights_lie_beside_the_model(exported: ExportedModel, tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside.onnx", tmp_path / "outside.onnx"
    exported.write(inside)
    exported.write(outside, most_bytes=64, least_external=100)
    onnx.checker.check_model(str(outside), full_check=True)
    external = [
        tensor.name
        for tensor in onnx.load(outside, load_external_data=False).graph.initializer
        if tensor.external_data
    ]
    large = [name for name, array in exported.arrays.items() if array.nbytes >= 100]
    assert large
    assert external == large
    beside = tmp_path / "outside.onnx.data"
    assert beside.stat().st_size >= sum(exported.arrays[name].nbytes for name in large)
    feeds = {"image": images(3)}
    for a, b in zip(in_onnxruntime(inside, feeds), in_onnxruntime(outside, feeds), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_too_large_for_one_message_is_refused(exported: ExportedModel) -> None:
    huge = np.broadcast_to(np.float32(0), (2**29 + 1,))  # 2 GiB, none of it in memory
    arrays = {**exported.arrays, "huge": huge}
    large = ExportedModel(
        exported.nodes, exported.inputs, exported.outputs, arrays, [], exported.metadata
    )
    with pytest.raises(OctetError, match="more than one ONNX file holds"):
        large.proto()


def test_a_failure_leaves_no_file(exported: ExportedModel, tmp_path: Path) -> None:
    broken = ExportedModel(
        [onnx.helper.make_node("Nonsense", ["image"], ["scores"])],
        exported.inputs,
        exported.outputs,
        {},
        [],
        {},
    )
    with pytest.raises(Exception, match="not valid ONNX"):
        broken.write(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_int8_inputs_and_outputs_say_their_scales(model: Path, data: Path, tmp_path: Path) -> None:
    compilation = placed(model, data, io="int8")
    path = tmp_path / "m.onnx"
    export_onnx(compilation.module, compilation.ctx.weights).write(path)
    context = make_context()
    module = import_onnx(path, context)
    assert "nn.quantized = !quant.uniform<u8:f32" in str(module)
    feed = {"image": np.random.default_rng(3).integers(0, 256, (2, 3, 8, 8), np.uint8)}
    (scores,) = in_onnxruntime(path, feed)
    assert scores.dtype == np.uint8
    expected = evaluate(module, feed, context.weights)["scores"]
    assert np.abs(scores.astype(int) - expected).max() <= 1


def test_every_op_but_tables_and_formats_without_ranges_has_an_emitter() -> None:
    from compiler.backends.onnx import ops  # noqa: F401
    from compiler.backends.onnx.registry import exportable_ops

    known = {op.name for op in NN_OPS if op is not ConstantOp}
    assert known - set(exportable_ops()) == {"nn.lookup", "nn.matmul_nbits", "nn.matmul_dynamic"}


def parsed(text: str) -> tuple[ModuleOp, OctetContext]:
    context = make_context()
    return Parser(context, text).parse_module(), context


def test_what_cannot_be_exported_is_listed_with_its_layer() -> None:
    module, context = parsed(
        """
        func.func @main(%x : tensor<4x!quant.uniform<u8:f32, 0.1>>,
                        %w : tensor<4x!quant.uniform<i16:f32, 0.1>>)
            -> (tensor<4xf32>, tensor<4xf32>) {
          %0 = nn.lookup %x <table = #nn.weight<"%s">> {layer = "table_7"}
            : (tensor<4x!quant.uniform<u8:f32, 0.1>>) -> tensor<4xf32>
          %1 = quant.dcast %w : tensor<4x!quant.uniform<i16:f32, 0.1>> -> tensor<4xf32>
          func.return %0, %1 : tensor<4xf32>, tensor<4xf32>
        }
        """.replace("%s", "0" * 64)
    )
    with pytest.raises(OctetError) as caught:
        export_onnx(module, context.weights)
    message = str(caught.value)
    assert "2 thing(s) cannot be exported to ONNX" in message
    assert (
        "lookup 'table_7': standard ONNX has no such operator; export the stage 'quantize'"
        in message
    )
    assert "quant.dcast: values stored as int16" in message


def test_a_narrow_range_of_an_activation_becomes_a_clip() -> None:
    module, context = parsed(
        """
        func.func @main(%x : tensor<1x5xf32> {nn.name = "x"}) -> (tensor<1x5xf32> {nn.name = "y"}) {
          %0 = quant.qcast %x : tensor<1x5xf32> -> tensor<1x5x!quant.uniform<i8<-127:127>:f32, 0.5>>
          %1 = quant.dcast %0 : tensor<1x5x!quant.uniform<i8<-127:127>:f32, 0.5>> -> tensor<1x5xf32>
          func.return %1 : tensor<1x5xf32>
        }
        """
    )
    proto = export_onnx(module, context.weights).proto()
    feed = {"x": np.array([[-100.0, -63.9, -63.5, 63.6, 100.0]], np.float32)}
    (found,) = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, feed)
    np.testing.assert_array_equal(found, evaluate(module, feed, context.weights)["y"])
    assert found.min() == -63.5


@pytest.mark.parametrize("codes", ["[-3, -2]", "[-4, -3, -2]", "[-3, -1, -2]", "[-1, 2, -4]"])
def test_reshapes_that_move_sizes_follow_the_input(codes: str) -> None:
    from dialects.shapes import resolve_reshape

    sizes = tuple(int(code) for code in codes.strip("[]").split(","))
    default = (2, 4, 6) if len(sizes) == 3 else (2, 4)
    result = "x".join(map(str, resolve_reshape(default, sizes)))
    shape = "x".join(map(str, default))
    dims = ", ".join(f'"{name}"' for name in ("batch", "s", "t")[: len(default)])
    module, context = parsed(
        f"""
        func.func @main(%x : tensor<{shape}xf32> {{nn.name = "x", nn.dims = [{dims}]}})
            -> (tensor<{result}xf32> {{nn.name = "y"}}) {{
          %0 = nn.reshape %x <shape = {codes}> : (tensor<{shape}xf32>) -> tensor<{result}xf32>
          func.return %0 : tensor<{result}xf32>
        }}
        """
    )
    proto = export_onnx(module, context.weights).proto()
    other = tuple(3 * size for size in default)
    x = np.arange(np.prod(other), dtype=np.float32).reshape(other)
    (found,) = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": x})
    np.testing.assert_array_equal(found, x.reshape(resolve_reshape(other, sizes)))

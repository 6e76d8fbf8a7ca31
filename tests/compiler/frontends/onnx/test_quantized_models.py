"""QDQ and QOperator models: types hold scales and zero points, and results equal ONNX Runtime's."""

from __future__ import annotations

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType

from compiler.frontends.onnx import import_onnx
from dialects.errors import OctetError
from dialects.nn.base import element_of_value
from dialects.nn.constant import ConstantOp
from dialects.program import main_function
from dialects.quant import DequantizeCastOp, QuantizeCastOp, StorageCastOp, UniformQuantizedType
from runtime.reference.evaluate import evaluate

FLOAT = np.float32
_random = np.random.default_rng(2)

X = _random.standard_normal((2, 3, 6, 6)).astype(FLOAT)
PER_CHANNEL = {
    "xs": np.array(0.02, FLOAT),
    "xz": np.array(120, np.uint8),
    "w": _random.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
    "ws": np.array([0.01, 0.02, 0.005, 0.03], FLOAT),
    "wz": np.zeros(4, np.int8),
    "b": _random.integers(-500, 500, 4).astype(np.int32),
    "bs": np.array([0.01, 0.02, 0.005, 0.03], FLOAT) * FLOAT(0.02),
    "ys": np.array(0.1, FLOAT),
    "yz": np.array(100, np.uint8),
}


def operations(module, kind: type) -> list:
    return [op for op in main_function(module).body.block.ops if isinstance(op, kind)]


def storage_of(value) -> str:
    return str(element_of_value(value))


@pytest.fixture
def qdq_convolution(node, build):
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        node("DequantizeLinear", ["b", "bs"], ["bd"], axis=0),
        node("Conv", ["xd", "wd", "bd"], ["c"], pads=[1, 1, 1, 1]),
        node("Relu", ["c"], ["r"]),
        node("QuantizeLinear", ["r", "ys", "yz"], ["yq"]),
        node("DequantizeLinear", ["yq", "ys", "yz"], ["y"]),
    ]
    return build(nodes, {"x": (FLOAT, ["N", 3, 6, 6])}, ["y", "yq"], PER_CHANNEL)


def test_a_qdq_convolution(qdq_convolution, compare):
    module = compare(qdq_convolution, {"x": X[:1]}, others=[{"x": X}])
    weight, bias = operations(module, ConstantOp)
    element = element_of_value(weight.result)
    assert isinstance(element, UniformQuantizedType)
    assert element.channel_axis == 0
    assert element.scales.get_values() == tuple(map(float, PER_CHANNEL["ws"]))
    assert storage_of(bias.result).startswith("!quant.uniform<i32:f32:0, {")
    assert len(operations(module, QuantizeCastOp)) == 2
    assert len(operations(module, DequantizeCastOp)) == 4
    # Only the output that is wanted as bytes needs them.
    assert len(operations(module, StorageCastOp)) == 1


def test_raw_bytes_from_an_input(node, build, compare):
    nodes = [node("DequantizeLinear", ["x", "s", "z"], ["d"]), node("Exp", ["d"], ["y"])]
    constants = {"s": np.array(0.02, FLOAT), "z": np.array(-3, np.int8)}
    model = build(nodes, {"x": (np.int8, ["N", 5])}, ["y"], constants)
    module = compare(model, {"x": _random.integers(-128, 128, (1, 5)).astype(np.int8)})
    assert [op.name for op in main_function(module).body.block.ops][:2] == [
        "quant.scast", "quant.dcast",
    ]  # fmt: skip


def test_reading_values_with_another_scale(node, build, compare):
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "t", "z"], ["y"]),
    ]
    constants = {
        "s": np.array(0.1, FLOAT), "t": np.array(0.3, FLOAT), "z": np.array(7, np.uint8),
    }  # fmt: skip
    module = compare(build(nodes, {"x": (FLOAT, [2, 3, 6, 6])}, ["y"], constants), {"x": X})
    assert len(operations(module, StorageCastOp)) == 2


def test_a_zero_point_of_another_type_than_the_values(node, build, context):
    nodes = [node("DequantizeLinear", ["x", "s", "z"], ["y"])]
    constants = {"s": np.array(0.1, FLOAT), "z": np.array(7, np.uint8)}
    with pytest.raises(OctetError, match="'x' holds i8, but its zero point ui8"):
        import_onnx(build(nodes, {"x": (np.int8, [2])}, ["y"], constants), context)


def test_quantize_without_zero_point_is_unsigned(node, build, compare):
    nodes = [node("QuantizeLinear", ["x", "s"], ["y"])]
    model = build(nodes, {"x": (FLOAT, [2, 3, 6, 6])}, ["y"], {"s": np.array(0.01, FLOAT)})
    compare(model, {"x": X})


def test_quantize_per_channel(node, build, compare):
    nodes = [
        node("QuantizeLinear", ["x", "s", "z"], ["q"], axis=-3),
        node("DequantizeLinear", ["q", "s", "z"], ["y"], axis=1),
    ]
    constants = {"s": np.array([0.1, 0.2, 0.05], FLOAT), "z": np.array([0, 5, -5], np.int8)}
    compare(build(nodes, {"x": (FLOAT, [2, 3, 6, 6])}, ["y", "q"], constants), {"x": X})


@pytest.mark.parametrize(
    ("op_type", "operands", "attributes"),
    [
        ("MaxPool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
        ("Transpose", [], {"perm": [0, 2, 3, 1]}),
        ("Reshape", ["target"], {}),
        ("Slice", ["one", "two"], {}),
        ("Concat", ["q"], {"axis": 1}),
        ("Gather", ["one"], {"axis": 2}),
        ("Pad", ["pads", "fill"], {}),
        ("DepthToSpace", [], {"blocksize": 1}),
        ("Flatten", [], {}),
    ],
)
def test_ops_that_move_bytes_keep_them_quantized(
    node, build, compare, op_type, operands, attributes
):
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], ["q"]),
        node(op_type, ["q", *operands], ["m"], **attributes),
        node("DequantizeLinear", ["m", "xs", "xz"], ["y"]),
    ]
    constants = {
        "xs": PER_CHANNEL["xs"], "xz": PER_CHANNEL["xz"], "target": np.array([0, -1]),
        "one": np.array([1]), "two": np.array([2]),
        "pads": np.array([0, 0, 1, 1, 0, 0, 0, 0]), "fill": np.array(17, np.uint8),
    }  # fmt: skip
    model = build(nodes, {"x": (FLOAT, [2, 3, 6, 6])}, ["y"], constants)
    module = compare(model, {"x": X})
    assert operations(module, StorageCastOp) == []


def test_other_ops_compute_with_the_bytes(node, build, compare):
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], ["q"]),
        node("Cast", ["q"], ["wide"], to=6),
        node("Add", ["wide", "wide"], ["y"]),
    ]
    constants = {"xs": PER_CHANNEL["xs"], "xz": PER_CHANNEL["xz"]}
    compare(build(nodes, {"x": (FLOAT, [2, 3, 6, 6])}, ["y"], constants), {"x": X})


def test_concat_of_differently_quantized_values_joins_bytes(node, build, compare):
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], ["a"]),
        node("QuantizeLinear", ["x", "ys", "yz"], ["b"]),
        node("Concat", ["a", "b"], ["y"], axis=0),
    ]
    constants = {name: PER_CHANNEL[name] for name in ("xs", "xz", "ys", "yz")}
    compare(build(nodes, {"x": (FLOAT, [2, 3, 6, 6])}, ["y"], constants), {"x": X})


def test_qlinear_conv_is_its_qdq_form(node, build, context):
    operands = ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"]
    model = build(
        [node("QLinearConv", operands, ["y"], pads=[1, 1, 1, 1])],
        {"x": (np.uint8, ["N", 3, 6, 6])},
        ["y"],
        PER_CHANNEL,
    )
    module = import_onnx(model, context)
    names = [op.name for op in main_function(module).body.block.ops if op.name != "nn.constant"]
    assert names == [
        "quant.scast", "quant.dcast", "quant.dcast", "quant.dcast", "nn.conv", "quant.qcast",
        "quant.scast", "func.return",
    ]  # fmt: skip


def assert_within_one(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal up to one step: between casts ONNX Runtime's fused integer kernels round otherwise."""
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    difference = np.abs(found.astype(int) - expected.astype(int))
    assert difference.max() <= 1
    assert difference.mean() < 0.05


U8 = _random.integers(0, 256, (2, 3, 6, 6)).astype(np.uint8)
SCALES = {
    "as": np.array(0.02, FLOAT), "az": np.array(120, np.uint8),
    "bs": np.array(0.03, FLOAT), "bz": np.array(100, np.uint8),
    "cs": np.array(0.05, FLOAT), "cz": np.array(90, np.uint8),
    "m": _random.integers(-127, 128, (6, 4)).astype(np.int8),
    "ms": np.array([0.01, 0.02, 0.005, 0.03], FLOAT), "mz": np.zeros(4, np.int8),
    "t": _random.integers(-127, 128, (4, 6)).astype(np.int8),
    "bias": _random.integers(-500, 500, 4).astype(np.int32),
    "one": np.array(0.01, FLOAT), "none": np.array(0, np.int8),
}  # fmt: skip
A, B, C = ["a", "as", "az"], ["b", "bs", "bz"], ["cs", "cz"]


@pytest.mark.parametrize(
    ("op_type", "operands", "attributes", "rank"),
    [
        ("QLinearConv", ["a", "as", "az", "k", "one", "none", *C], {}, 4),
        ("QLinearMatMul", [*A, "m", "ms", "mz", *C], {}, 4),
        ("QGemm", [*A, "t", "one", "none", "bias", *C], {"transB": 1}, 2),
        ("QGemm", [*A, "m", "ms", "mz", "bias"], {}, 2),
        ("QLinearAdd", [*A, *B, *C], {}, 4),
        ("QLinearMul", [*A, *B, *C], {}, 4),
        ("QLinearSigmoid", [*A, *C], {}, 4),
        ("QLinearLeakyRelu", [*A, *C], {"alpha": 0.2}, 4),
        ("QLinearSoftmax", [*A, *C], {"axis": -1, "opset": 13}, 4),
        ("QLinearGlobalAveragePool", [*A, *C], {}, 4),
        ("QLinearAveragePool", [*A, *C], {"kernel_shape": [2, 2]}, 4),
        ("QLinearConcat", [*C, *A, *B], {"axis": 1}, 4),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_ops_on_quantized_operands(
    node, build, run_onnxruntime, context, op_type, operands, attributes, rank
):
    domain = "" if op_type in ("QLinearConv", "QLinearMatMul") else "com.microsoft"
    a, b = (U8, U8[::-1].copy()) if rank == 4 else (U8[0, 0], U8[0, 1])
    inputs = {"a": (np.uint8, a.shape)}
    if "b" in operands:
        inputs["b"] = (np.uint8, b.shape)
    kernel = {"k": _random.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)}
    model = build(
        [node(op_type, operands, ["y"], domain=domain, **attributes)], inputs, ["y"],
        SCALES | kernel, domains={"com.microsoft": 1},
    )  # fmt: skip
    feeds = {name: {"a": a, "b": b}[name] for name in inputs}
    found = evaluate(import_onnx(model, context), feeds, context.weights)["y"]
    expected = run_onnxruntime(model, feeds)["y"]
    if expected.dtype == FLOAT:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    else:
        assert_within_one(found, expected)


def test_types_of_results_are_tensors_of_quantized_elements(qdq_convolution, context):
    cast = operations(import_onnx(qdq_convolution, context), QuantizeCastOp)[0]
    assert isinstance(cast.result.type, TensorType)
    # The scale is the float32 value, exactly.
    assert storage_of(cast.result) == "!quant.uniform<u8:f32, 0.019999999552965164:120>"

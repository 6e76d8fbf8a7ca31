"""Every op family against ONNX Runtime: attributes and operand forms of several opsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

_random = np.random.default_rng(0)


def f32(*shape: int) -> np.ndarray:
    return _random.standard_normal(shape).astype(np.float32)


def positive(*shape: int) -> np.ndarray:
    return _random.uniform(0.25, 2.0, shape).astype(np.float32)


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def scalar(value: float) -> np.ndarray:
    return np.array(value, np.float32)


X = f32(2, 4, 6, 5)


@dataclass
class Case:
    """One node: `run` operands are fed, `fixed` ones are initializers; None is left out."""

    op_type: str
    run: Sequence[np.ndarray]
    fixed: Sequence[np.ndarray | None] = ()
    outputs: int = 1
    opset: int = 17
    domain: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        options = "-".join(f"{name}{value}" for name, value in self.attributes.items())
        return f"{self.op_type}-{self.opset}-{options}".replace(" ", "")


def case(op_type: str, *run: np.ndarray, fixed: Any = (), **options: Any) -> Case:
    names = ("outputs", "opset", "domain")
    own = {name: options.pop(name) for name in names if name in options}
    return Case(op_type, run, fixed, attributes=options, **own)


UNARY = [
    case(op, X)
    for op in [
        "Abs",
        "Ceil",
        "Erf",
        "Exp",
        "Floor",
        "Neg",
        "Relu",
        "Round",
        "Sigmoid",
        "Sign",
        "Tanh",
        "HardSwish",
        "Identity",
    ]
] + [
    case("Log", positive(2, 3)),
    case("Sqrt", positive(2, 3)),
    case("Reciprocal", positive(2, 3)),
    case("Not", X > 0),
    case("LeakyRelu", X, alpha=0.2),
    case("LeakyRelu", X),
    case("Elu", X, alpha=0.5),
    case("HardSigmoid", X, alpha=0.3, beta=0.4),
    case("Gelu", X, opset=20),
    case("Gelu", X, opset=20, approximate="tanh"),
    case("Gelu", X, domain="com.microsoft"),
    case("PRelu", X, fixed=[f32(4, 1, 1)]),
    case("Clip", X, opset=7, min=-0.5, max=0.5),
    case("Clip", X, opset=7),
    case("Clip", X, fixed=[scalar(-0.5), scalar(0.5)]),
    case("Clip", X, fixed=[None, scalar(0.5)]),
    case("Clip", X, scalar(-0.5), scalar(0.5)),
    case("Clip", np.arange(-5, 5), fixed=[i64(-2).reshape(()), None]),
    case("Cast", X, to=7),
    case("Cast", X, to=10),
    case("Cast", X, to=9),
    case("CastLike", X, i64(1)),
    case("Dropout", X),
    case("Dropout", X, opset=10, ratio=0.3),
    case("Dropout", X, outputs=2),
]

BINARY = (
    [case(op, X, f32(5)) for op in ["Add", "Sub", "Mul", "Div"]]
    + [case(op, X, f32(4, 1, 1)) for op in ["Greater", "Less", "GreaterOrEqual", "LessOrEqual"]]
    + [case(op, X > 0, X > 0.5) for op in ["And", "Or", "Xor"]]
    + [case(op, X, f32(5), f32(6, 1)) for op in ["Sum", "Mean", "Max", "Min"]]
    + [
        case("Sum", X),
        case("Equal", np.arange(6), i64(3)),
        case("Pow", positive(3), fixed=[scalar(1.5)]),
        case("Pow", f32(3), fixed=[i64(2)]),
        case("Div", np.array([7, -7, 8], np.int32), np.array([2, 2, -3], np.int32)),
        case("Mod", np.array([7, -7, 8]), np.array([3, 3, -3])),
        case("Mod", np.array([7, -7, 8]), np.array([3, 3, -3]), fmod=1),
        case("Mod", f32(3), positive(3), fmod=1),
        case("Where", f32(2, 1) > 0, f32(2, 3), f32(3)),
    ]
)

LINEAR = [
    case("Conv", X, fixed=[f32(6, 4, 3, 3)]),
    case("Conv", X, fixed=[f32(6, 4, 3, 3), f32(6)], strides=[2, 1], pads=[1, 0, 2, 1]),
    case("Conv", X, fixed=[f32(6, 2, 3, 2)], group=2, dilations=[2, 1]),
    case("Conv", X, fixed=[f32(4, 1, 3, 3)], group=4, kernel_shape=[3, 3]),
    case("Conv", X, fixed=[f32(3, 4, 3, 2)], auto_pad="SAME_UPPER", strides=[2, 2]),
    case("Conv", X, fixed=[f32(3, 4, 4, 2)], auto_pad="SAME_LOWER", strides=[1, 2]),
    case("Conv", X, fixed=[f32(3, 4, 3, 2)], auto_pad="VALID"),
    case("Conv", f32(2, 4, 9), fixed=[f32(5, 4, 3), f32(5)], pads=[1, 1]),
    case("Conv", X, f32(6, 4, 3, 3)),
    case("ConvTranspose", X, fixed=[f32(4, 3, 3, 3), f32(3)], strides=[2, 2]),
    case("ConvTranspose", X, fixed=[f32(4, 2, 3, 3)], group=2, pads=[1, 0, 1, 0]),
    case("ConvTranspose", X, fixed=[f32(4, 3, 3, 3)], strides=[3, 2], output_shape=[20, 11]),
    case(
        "ConvTranspose", X, fixed=[f32(4, 3, 3, 3)], strides=[2, 2], output_padding=[1, 1],
        pads=[1, 1, 1, 1], dilations=[1, 2],
    ),
    case("ConvTranspose", X, fixed=[f32(4, 3, 3, 3)], strides=[2, 2], auto_pad="SAME_UPPER"),
    case("ConvTranspose", X, fixed=[f32(4, 3, 3, 3)], strides=[2, 2], auto_pad="SAME_LOWER"),
    case("ConvTranspose", f32(1, 4, 7), fixed=[f32(4, 3, 3)], strides=[2]),
    case("MatMul", X, fixed=[f32(5, 7)]),
    case("MatMul", f32(2, 3, 4), f32(4)),
    case("Gemm", f32(3, 4), fixed=[f32(4, 5), f32(5)]),
    case("Gemm", f32(4, 3), fixed=[f32(5, 4), f32(3, 1)], transA=1, transB=1),
    case("Gemm", f32(3, 4), fixed=[f32(4, 5), f32(1, 5)], alpha=0.5, beta=2.0),
    case("Gemm", f32(3, 4), fixed=[f32(4, 5), f32(5)], beta=0.5),
    case("Gemm", f32(3, 4), fixed=[f32(4, 5)], alpha=2.0),
    case("Gemm", f32(3, 4), fixed=[f32(4, 5), scalar(0.5)]),
]  # fmt: skip

POOLING = [
    case("MaxPool", X, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
    case("MaxPool", X, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    case("MaxPool", X, kernel_shape=[2, 2], dilations=[2, 2]),
    case("MaxPool", X, kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2]),
    case("MaxPool", f32(1, 2, 9), kernel_shape=[3]),
    case("AveragePool", X, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    case("AveragePool", X, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    case("AveragePool", X, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
    case("AveragePool", X, kernel_shape=[3, 3], auto_pad="SAME_LOWER"),
    case("GlobalAveragePool", X),
    case("GlobalMaxPool", X),
]

NORMALIZATION = [
    case("BatchNormalization", X, fixed=[f32(4), f32(4), f32(4), positive(4)], epsilon=1e-3),
    case("BatchNormalization", X, fixed=[f32(4), f32(4), f32(4), positive(4)], opset=8, spatial=1),
    case("LayerNormalization", X, fixed=[f32(5), f32(5)]),
    case("LayerNormalization", X, fixed=[f32(6, 5)], axis=2, epsilon=1e-3),
    case("LayerNormalization", X, fixed=[f32(5), f32(5)], outputs=3),
    case("InstanceNormalization", X, fixed=[f32(4), f32(4)]),
    case("LRN", X, size=3, alpha=0.1, beta=0.5, bias=2.0),
    case("Softmax", X),
    case("Softmax", X, axis=1),
    case("Softmax", X, opset=11),
    case("Softmax", X, opset=11, axis=2),
    case("Softmax", X, opset=11, axis=0),
    case("LogSoftmax", X, axis=1),
    case("LogSoftmax", X, opset=11, axis=2),
]

MOVEMENT = [
    case("Reshape", X, fixed=[i64(0, -1, 5)]),
    case("Reshape", X, fixed=[i64(8, 30)]),
    case("Reshape", f32(0, 4), fixed=[i64(4, 0)], allowzero=1),
    *(case("Flatten", X, axis=axis) for axis in (0, 1, 2, 4, -1)),
    case("Squeeze", f32(1, 3, 1, 2), fixed=[i64(0, 2)]),
    case("Squeeze", f32(1, 3, 1, 2), opset=11, axes=[0]),
    case("Squeeze", f32(1, 3, 1, 2)),
    case("Unsqueeze", f32(2, 3), fixed=[i64(0, -1)]),
    case("Unsqueeze", f32(2, 3), opset=11, axes=[1, 3]),
    case("Transpose", X, perm=[0, 2, 3, 1]),
    case("Transpose", X),
    case("Expand", f32(3, 1), fixed=[i64(2, 1, 4)]),
    case("Tile", f32(2, 3), fixed=[i64(2, 2)]),
    case("Concat", X, f32(2, 3, 6, 5), axis=1),
    case("Concat", X, f32(2, 4, 6, 1), axis=-1),
    case("Split", X, outputs=2, axis=1),
    case("Split", X, fixed=[i64(1, 3)], outputs=2, axis=1),
    case("Split", X, opset=11, outputs=2, axis=2, split=[2, 4]),
    case("Split", X, opset=18, outputs=3, axis=3, num_outputs=3),
    case("Slice", X, fixed=[i64(1, -3), i64(3, 2**62), i64(1, 2)]),
    case("Slice", X, fixed=[i64(-1), i64(-(2**62)), i64(3), i64(-2)]),
    case("Slice", X, fixed=[i64(-100), i64(-(2**62)), i64(3), i64(-1)]),
    case("Slice", X, opset=9, starts=[1, 0], ends=[3, -1], axes=[1, 3]),
    case("Gather", X, fixed=[np.array([[0, 2], [-1, 1]])], axis=1),
    case("Gather", X, fixed=[np.array(1)], axis=2),
    case("Gather", f32(7, 3), np.array([[1, 6]])),
    case("Pad", X, fixed=[i64(0, 0, 1, 2, 0, 0, 3, 0), scalar(1.5)]),
    case("Pad", X, fixed=[i64(0, 0, 1, 2, 0, 0, 3, 0)], mode="reflect"),
    case("Pad", X, fixed=[i64(0, 0, 1, 2, 0, 0, 3, 0)], mode="edge"),
    case("Pad", X, fixed=[i64(0, 0, 1, 2, 0, 0, 3, 0)], mode="wrap", opset=19),
    case("Pad", X, fixed=[i64(1, 2, -1, 1), None, i64(2, -1)], opset=18),
    case("Pad", X, opset=10, pads=[0, 0, 1, 1, 0, 0, 1, 1], value=2.0),
    case("DepthToSpace", X, blocksize=2),
    case("DepthToSpace", X, blocksize=2, mode="CRD"),
    case("SpaceToDepth", f32(2, 3, 4, 6), blocksize=2),
]

REDUCTION = (
    [case(f"Reduce{kind}", X, axes=[1, -1]) for kind in ["Mean", "Max", "Min", "Prod", "L1", "L2"]]
    + [case(f"Reduce{kind}", X, keepdims=0) for kind in ["Mean", "Max", "Min", "SumSquare"]]
    + [
        case("ReduceSum", X, fixed=[i64(2)], keepdims=0),
        case("ReduceSum", X, noop_with_empty_axes=1),
        case("ReduceSum", X, opset=11, axes=[0]),
        case("ReduceMean", X, fixed=[i64(1)], opset=18),
        case("ReduceLogSum", positive(3, 4), axes=[1]),
        case("ArgMax", X, axis=2),
        case("ArgMin", np.array([[2, 1, 1]], np.int32), axis=1, keepdims=0),
        case("ArgMax", np.array([[2, 1, 2]], np.int32), axis=1, select_last_index=1),
        case("TopK", X, fixed=[i64(3)], outputs=2),
        case("TopK", X, fixed=[i64(2)], outputs=2, axis=1, largest=0),
    ]
)

_SCALES = np.array([1, 1, 2, 1.5], np.float32)
RESIZE = [
    case("Upsample", X, opset=7, scales=[1.0, 1.0, 2.0, 3.0], mode="nearest"),
    case("Upsample", X, fixed=[_SCALES], opset=9, mode="linear"),
    case("Resize", X, fixed=[_SCALES], opset=10, mode="linear"),
    case("Resize", X, fixed=[None, _SCALES], mode="linear"),
    case("Resize", X, fixed=[None, _SCALES], coordinate_transformation_mode="asymmetric",
         nearest_mode="floor"),
    case("Resize", X, fixed=[None, None, i64(2, 4, 9, 8)], mode="linear",
         coordinate_transformation_mode="align_corners"),
    case("Resize", X, fixed=[None, None, i64(2, 4, 9, 8)], mode="cubic", cubic_coeff_a=-0.5),
    case("Resize", X, fixed=[None, None, i64(12, 15)], opset=18, mode="linear", axes=[2, 3]),
    case("Resize", X, fixed=[None, None, i64(12, 11)], opset=18, axes=[2, 3],
         keep_aspect_ratio_policy="not_larger"),
    case("Resize", X, fixed=[None, np.array([1, 1, 0.7, 0.6], np.float32)], mode="linear",
         coordinate_transformation_mode="pytorch_half_pixel"),
    case("Resize", X, fixed=[np.array([0, 0, 0.2, 0.1, 1, 1, 0.8, 0.9], np.float32), None,
                             i64(2, 4, 3, 3)], mode="linear", extrapolation_value=7.0,
         coordinate_transformation_mode="tf_crop_and_resize"),
]  # fmt: skip

_BYTES = _random.integers(0, 255, (1, 2, 5, 5)).astype(np.uint8)
INTEGER = [
    case("DynamicQuantizeLinear", X, outputs=3),
    case("ConvInteger", _BYTES, fixed=[_BYTES[:, :, :2, :2], np.array(3, np.uint8)]),
    case("MatMulInteger", _BYTES[0, 0], _BYTES[0, 1], np.array(3, np.uint8)),
]


@pytest.mark.parametrize(
    "case",
    UNARY + BINARY + LINEAR + POOLING + NORMALIZATION + MOVEMENT + REDUCTION + RESIZE + INTEGER,
    ids=lambda case: case.label,
)
def test_an_op_computes_what_onnx_runtime_computes(case, node, build, compare):
    feeds = {f"x{index}": array for index, array in enumerate(case.run)}
    fixed = {f"c{index}": array for index, array in enumerate(case.fixed) if array is not None}
    names = [f"c{i}" if array is not None else "" for i, array in enumerate(case.fixed)]
    outputs = [f"y{index}" for index in range(case.outputs)]
    model = build(
        [node(case.op_type, [*feeds, *names], outputs, domain=case.domain, **case.attributes)],
        {name: (array.dtype, array.shape) for name, array in feeds.items()},
        outputs,
        fixed,
        opset=case.opset,
        domains={case.domain: 1} if case.domain else None,
    )
    compare(model, feeds)


def test_swish_with_a_factor(node, build, context):
    # ONNX Runtime has no kernel for this op of opset 24 yet, so numpy is the opinion here.
    from compiler.frontends.onnx import import_onnx
    from runtime.reference.evaluate import evaluate

    model = build([node("Swish", ["x"], ["y"], alpha=2.0)], {"x": (np.float32, [3])}, ["y"],
                  opset=24)  # fmt: skip
    x = f32(3)
    y = evaluate(import_onnx(model, context), {"x": x}, context.weights)["y"]
    np.testing.assert_allclose(y, x / (1 + np.exp(-2 * x)), rtol=1e-6)


CONSTANTS = [
    {"value_float": 1.5},
    {"value_floats": [1.5, 2.5]},
    {"value_int": 3},
    {"value_ints": [3, 4]},
]


@pytest.mark.parametrize("attributes", CONSTANTS, ids=str)
def test_every_form_of_constant(attributes, node, build, compare):
    dtype = np.float32 if "float" in next(iter(attributes)) else np.int64
    nodes = [node("Constant", [], ["c"], **attributes), node("Add", ["x", "c"], ["y"])]
    compare(build(nodes, {"x": (dtype, [2])}, ["y", "c"]), {"x": np.ones(2, dtype)})


def test_outputs_that_are_inputs_and_initializers(node, build, compare):
    model = build(
        [node("Relu", ["x"], ["y"])], {"x": (np.float32, [2])}, ["y", "x", "w"], {"w": f32(3)}
    )
    compare(model, {"x": f32(2)})


def test_initializers_that_are_also_inputs_are_constants(node, build, context):
    from compiler.frontends.onnx import import_onnx
    from dialects.program import input_names, main_function

    model = build(
        [node("Add", ["x", "w"], ["y"])],
        {"x": (np.float32, [3]), "w": (np.float32, [3])},
        ["y"],
        {"w": f32(3)},
    )
    assert input_names(main_function(import_onnx(model, context))) == ["x"]


def test_nodes_out_of_order_are_sorted(node, build, context):
    from compiler.frontends.onnx import import_onnx
    from dialects.program import main_function

    nodes = [node("Exp", ["h"], ["y"], name="second"), node("Relu", ["x"], ["h"], name="first")]
    module = import_onnx(build(nodes, {"x": (np.float32, [3])}, ["y"]), context)
    ops = [op.name for op in main_function(module).body.block.ops]
    assert ops == ["nn.relu", "nn.exp", "func.return"]


def test_layers_are_node_names_or_type_and_index(node, build, context):
    from compiler.frontends.onnx import import_onnx
    from dialects.program import nn_ops

    nodes = [node("Relu", ["x"], ["h"], name="stem"), node("Exp", ["h"], ["y"])]
    module = import_onnx(build(nodes, {"x": (np.float32, [3])}, ["y"]), context)
    assert [op.source_name for op in nn_ops(module)] == ["stem", "Exp_1"]


def test_local_functions_are_inlined(node, build, compare):
    from onnx import helper

    model = build([node("Twice", ["x"], ["y"], domain="own")], {"x": (np.float32, [3])}, ["y"],
                  domains={"own": 1})  # fmt: skip
    body = [node("Add", ["a", "a"], ["b"])]
    model.functions.append(
        helper.make_function("own", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    )
    compare(model, {"x": f32(3)})

"""Models that cannot be imported: one error that names everything, and says what to do."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from compiler.frontends.onnx import import_onnx
from dialects.errors import OctetError

FLOAT = np.float32


def test_everything_that_is_not_supported_is_listed(node, build, context):
    nodes = [
        node("Relu", ["x"], ["a"], name="fine"),
        node("NonZero", ["a"], ["b"], name="where"),
        node("Det", ["a"], ["c"], name="det"),
        node("Relu", ["c"], ["d"], name="after_det"),
        node("AveragePool", ["x"], ["e"], name="pool", kernel_shape=[2, 2], surprise=3),
        node("Resize", ["e", "", "s"], ["f"], name="small", antialias=1),
        node("LongformerAttention", ["f"], ["g"], name="fused", domain="com.microsoft"),
    ]
    model = build(
        nodes,
        {"x": (FLOAT, [1, 2, 4, 4])},
        ["b", "d", "f", "g"],
        {"s": np.ones(4, FLOAT)},
        opset=18,
        domains={"com.microsoft": 1},
    )
    with pytest.raises(OctetError) as error:
        import_onnx(model, context)
    message = str(error.value)
    for expected in (
        "NonZero 'where': this operator is not supported",
        "Det 'det': this operator is not supported",
        "AveragePool 'pool': attribute(s) surprise are not supported",
        "Resize 'small': attribute antialias = 1 needs mode linear or cubic",
        "com.microsoft.LongformerAttention 'fused': this operator is not supported",
    ):
        assert expected in message
    assert "'fine'" not in message
    assert "after_det" not in message


def test_a_problem_does_not_hide_one_behind_it(node, build, context):
    nodes = [
        node("Softplus", ["x"], ["a"], name="first"),
        node("MaxPool", ["a"], ["b"], name="second", kernel_shape=[2]),
    ]
    model = build(nodes, {"x": (FLOAT, [1, 2, 4, 4])}, ["b"])
    # Exporters note the shapes of values; these stand in for what could not be imported.
    noted = helper.make_tensor_value_info("a", TensorProto.FLOAT, [1, 2, 4, 4])
    model.graph.value_info.append(noted)
    with pytest.raises(OctetError, match=r"(?s)Softplus 'first'.*MaxPool 'second': a window"):
        import_onnx(model, context)


def test_a_domain_without_opset(node, build, context):
    model = build([node("Relu", ["x"], ["y"], domain="nowhere")], {"x": (FLOAT, [2])}, ["y"])
    with pytest.raises(OctetError, match="no opset of domain 'nowhere'"):
        import_onnx(model, context)


def test_a_run_time_shape_names_the_input_to_bind(node, build, context):
    model = build(
        [node("Reshape", ["x", "target"], ["y"])],
        {"x": (FLOAT, [2, 3]), "target": (np.int64, [1])},
        ["y"],
    )
    with pytest.raises(OctetError, match=r"run-time values of 'target'.*'constants'"):
        import_onnx(model, context)
    module = import_onnx(model, context, constants={"target": np.array([6])})
    assert "tensor<6xf32>" in str(module)


def test_a_run_time_scale_is_refused(node, build, context):
    model = build(
        [node("QuantizeLinear", ["x", "s", "z"], ["y"], name="q")],
        {"x": (FLOAT, [2]), "s": (FLOAT, [])},
        ["y"],
        {"z": np.array(0, np.uint8)},
    )
    with pytest.raises(OctetError, match=r"'q': its scale .* run-time values of 's'"):
        import_onnx(model, context)


@pytest.mark.parametrize(
    ("scale", "reason"),
    [(0.0, "positive"), (-1.0, "positive"), (float("inf"), "positive and finite")],
)
def test_scales_that_are_none(node, build, context, scale, reason):
    constants = {"s": np.array(scale, FLOAT), "z": np.array(0, np.uint8)}
    nodes = [node("QuantizeLinear", ["x", "s", "z"], ["y"])]
    with pytest.raises(OctetError, match=reason):
        import_onnx(build(nodes, {"x": (FLOAT, [2])}, ["y"], constants), context)


def test_infinite_weights_are_refused_but_infinite_masks_are_not(node, build, context):
    infinite = {"w": np.full((2, 2), -np.inf, FLOAT)}
    add = build([node("Add", ["x", "w"], ["y"])], {"x": (FLOAT, [2, 2])}, ["y"], infinite)
    import_onnx(add, context)
    product = build([node("MatMul", ["x", "w"], ["y"])], {"x": (FLOAT, [2, 2])}, ["y"], infinite)
    with pytest.raises(OctetError, match="weight 'w' contains infinite values"):
        import_onnx(product, context)


def test_operands_of_two_types(node, build, context):
    model = build([node("Add", ["x", "w"], ["y"])], {"x": (FLOAT, [2])}, ["y"], {"w": np.ones(2)})
    with pytest.raises(OctetError, match="one element type, got f32, f64"):
        import_onnx(model, context)


def test_results_that_are_not_supported_matter_only_if_used(node, build, context):
    pool = node("MaxPool", ["x"], ["y", "indices"], kernel_shape=[2])
    import_onnx(build([pool], {"x": (FLOAT, [1, 1, 4])}, ["y"]), context)
    with pytest.raises(OctetError, match=r"result 1 .'indices'. is not supported"):
        import_onnx(build([pool], {"x": (FLOAT, [1, 1, 4])}, ["y", "indices"]), context)


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        ({"z": [1]}, r"given for 'z', but the inputs are \['x'\]"),
        ({"x": [1, 2]}, "has 3 dimensions, but the given shape"),
        ({"x": [1, 5, 2]}, "contradicts the model"),
        ({"x": [-1, 4, 2]}, "negative"),
        ({"x": [2**20, 4, 2**20]}, "elements"),
    ],
)
def test_given_shapes_that_do_not_fit(node, build, context, shapes, reason):
    model = build([node("Relu", ["x"], ["y"])], {"x": (FLOAT, ["N", 4, "T"])}, ["y"])
    with pytest.raises(OctetError, match=reason):
        import_onnx(model, context, shapes=shapes)


def test_one_symbol_given_two_values(node, build, context):
    inputs = {"a": (FLOAT, ["N", "T"]), "b": (FLOAT, ["N", "T"])}
    model = build([node("Add", ["a", "b"], ["y"])], inputs, ["y"])
    with pytest.raises(OctetError, match="'T' is given as 3 and, for input 'b', as 4"):
        import_onnx(model, context, shapes={"a": [1, 3], "b": [1, 4]})


def test_constants_for_no_input(node, build, context):
    model = build([node("Relu", ["x"], ["y"])], {"x": (FLOAT, [2])}, ["y"])
    with pytest.raises(OctetError, match="a constant is given for 'z'"):
        import_onnx(model, context, constants={"z": np.ones(1)})


def test_inputs_that_are_no_tensors_or_have_no_shape(node, build, context):
    model = build([node("Relu", ["x"], ["y"])], {"x": (FLOAT, [2])}, ["y"])
    model.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(OctetError, match="has no shape in the model; give one"):
        import_onnx(model, context)
    assert "tensor<4x2xf32>" in str(import_onnx(model, context, shapes={"x": [4, 2]}))
    sequence = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [2])
    model.graph.input[0].CopyFrom(sequence)
    with pytest.raises(OctetError, match="input 'x' is not a tensor"):
        import_onnx(model, context)

"""Files that are damaged or made to do harm: refused with an OctetError, without allocating."""

from __future__ import annotations

import contextlib
import os

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from xdsl.ir import Block

from compiler.frontends.onnx import import_onnx
from compiler.frontends.onnx.builder import MAX_GENERATED, GraphBuilder
from dialects.context import make_context
from dialects.errors import OctetError
from runtime.reference.evaluate import evaluate

FLOAT = np.float32


@pytest.fixture
def model(node, build):
    """y = x + w with an initializer of four floats."""
    return build(
        [node("Add", ["x", "w"], ["y"], name="add")],
        {"x": (FLOAT, [4])},
        ["y"],
        {"w": np.arange(4, dtype=FLOAT)},
    )


def external(model, **entries):
    """The model with its weight said to lie in another file."""
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        weight.external_data.add(key=key, value=str(value))
    return model


@pytest.fixture
def saved(tmp_path):
    """saved(model) -> its path in a folder beside which a secret lies."""
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    (folder / "w.bin").write_bytes(np.arange(4, dtype=FLOAT).tobytes() + bytes(4))

    def save(model):
        path = folder / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return save


def refuse(source, match):
    with pytest.raises(OctetError, match=match):
        import_onnx(source, make_context())


def test_external_data_inside_the_folder_is_read(model, saved):
    context = make_context()
    module = import_onnx(saved(external(model, location="w.bin", offset=4, length=16)), context)
    y = evaluate(module, {"x": np.zeros(4, FLOAT)}, context.weights)["y"]
    np.testing.assert_array_equal(y, [1, 2, 3, 0])


def test_external_data_outside_the_folder(model, saved, tmp_path):
    refuse(saved(external(model, location="../secret.bin")), "outside the model's folder")


def test_external_data_at_an_absolute_path(model, saved, tmp_path):
    refuse(saved(external(model, location=str(tmp_path / "secret.bin"))), "not a path relative")


def test_external_data_behind_a_link(model, saved, tmp_path):
    path = saved(external(model, location="link.bin"))
    (path.parent / "link.bin").symlink_to(tmp_path / "secret.bin")
    refuse(path, "outside the model's folder")


def test_external_data_in_a_linked_folder(model, saved, tmp_path):
    path = saved(external(model, location="sub/secret.bin"))
    (path.parent / "sub").symlink_to(tmp_path, target_is_directory=True)
    refuse(path, "outside the model's folder")


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"location": "missing.bin"}, "cannot read external data"),
        ({"location": ""}, "not a path relative"),
        ({"location": "w\0.bin"}, "not a path relative"),
        ({"location": "."}, "cannot read|not a regular file"),
        ({"location": "w.bin", "offset": 8}, "truncated"),
        ({"location": "w.bin", "offset": -4}, "offset '-4'"),
        ({"location": "w.bin", "offset": 2**70}, "truncated"),
        ({"location": "w.bin", "length": 12}, "should be 16 bytes but has 12"),
        ({"location": "w.bin", "length": "many"}, "length 'many'"),
    ],
)
def test_external_data_that_is_not_there(model, saved, entries, reason):
    refuse(saved(external(model, **entries)), reason)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a POSIX thing")
def test_external_data_in_a_pipe_does_not_block(model, saved):
    path = saved(external(model, location="pipe"))
    os.mkfifo(path.parent / "pipe")
    refuse(path, "not a regular file")


def test_external_data_of_a_model_without_folder(model):
    refuse(external(model, location="w.bin"), "import it by its path")


def test_a_truncated_file(model):
    data = model.SerializeToString()
    for size in range(0, len(data), 7):
        with pytest.raises(OctetError):
            import_onnx(data[:size], make_context())


@pytest.mark.parametrize("data", [b"", b"not a model", b"\xff" * 64])
def test_bytes_that_are_no_model(data):
    refuse(data, "not an ONNX model")


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_changed_byte_never_crashes(position, value):
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["x", "s"], ["r"]),
            helper.make_node("Conv", ["r", "w"], ["y"], pads=[1, 1, 1, 1]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 18])],
        [helper.make_empty_tensor_value_info("y")],
        [
            onnx.numpy_helper.from_array(np.array([1, 2, 3, 3]), "s"),
            onnx.numpy_helper.from_array(np.ones((1, 2, 2, 2), FLOAT), "w"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    data = bytearray(model.SerializeToString())
    data[position % len(data)] = value
    with contextlib.suppress(OctetError):
        import_onnx(bytes(data), make_context())


def test_files_that_are_not_there(tmp_path):
    refuse(tmp_path / "none.onnx", "cannot read")
    refuse(tmp_path, "is not a file")


@pytest.mark.parametrize(("opset", "reason"), [(6, "supported are 7 to"), (999, "uses opset 999")])
def test_opsets_from_another_time(model, opset, reason):
    model.opset_import[0].version = opset
    refuse(model, reason)


def test_no_opset_at_all(model):
    del model.opset_import[:]
    refuse(model, "names no opset")


def test_a_cycle(node, build):
    nodes = [node("Add", ["x", "b"], ["a"], name="one"), node("Relu", ["a"], ["b"], name="two")]
    refuse(build(nodes, {"x": (FLOAT, [4])}, ["b"]), "cycle .*'one', 'two'")


def test_values_defined_twice_or_never(node, build, model):
    twice = [node("Relu", ["x"], ["y"], name="a"), node("Exp", ["x"], ["y"], name="b")]
    refuse(build(twice, {"x": (FLOAT, [4])}, ["y"]), "'y', a result of node 'b', is defined twice")
    over_input = [node("Relu", ["x"], ["x"], name="a")]
    refuse(build(over_input, {"x": (FLOAT, [4])}, ["x"]), "is defined twice")
    undefined = [node("Relu", ["nothing"], ["y"], name="a")]
    refuse(build(undefined, {"x": (FLOAT, [4])}, ["y"]), "'nothing', which nothing defines")
    refuse(build([], {"x": (FLOAT, [4])}, ["y"]), "output 'y' is not defined")
    model.graph.initializer.append(model.graph.initializer[0])
    refuse(model, "initializer 'w' is defined twice")


def test_giant_sizes(model, node, build):
    model.graph.initializer[0].dims[:] = [2**40]
    refuse(model, "initializer 'w' has 1099511627776 elements")
    model.graph.initializer[0].dims[:] = [-4]
    refuse(model, "negative size")
    model.graph.initializer[0].dims[:] = [5]
    refuse(model, "should be 20 bytes but has 16")
    refuse(build([node("Relu", ["x"], ["y"])], {"x": (FLOAT, [2**20, 2**20])}, ["y"]), "elements")


@pytest.mark.parametrize("op_type", ["ConstantOfShape", "Expand", "Range", "Tile"])
def test_a_small_file_that_asks_for_much_memory(node, build, op_type):
    inputs = {
        "ConstantOfShape": ["s"], "Expand": ["one", "s"], "Range": ["zero", "limit", "step"],
        "Tile": ["x", "s"],
    }[op_type]  # fmt: skip
    constants = {
        "s": np.array([2**40]), "one": np.ones(1, FLOAT), "zero": np.array(0),
        "limit": np.array(2**40), "step": np.array(1),
    }  # fmt: skip
    model = build([node(op_type, inputs, ["y"])], {"x": (FLOAT, [4])}, ["y"], constants)
    refuse(model, "elements")


def test_generated_constants_are_limited_in_sum():
    builder = GraphBuilder(Block(), [], make_context().weights, 1, False)
    builder.claim(MAX_GENERATED)
    with pytest.raises(OctetError, match="generated constants"):
        builder.claim(1)


def test_nan_weights(model):
    model.graph.initializer[0].raw_data = np.array([1, 2, np.nan, 4], FLOAT).tobytes()
    refuse(model, "initializer 'w' contains NaN")


@pytest.mark.parametrize("kind", [TensorProto.STRING, TensorProto.COMPLEX64, 77])
def test_element_types_that_octet_lacks(model, kind):
    model.graph.initializer[0].data_type = kind
    refuse(model, "initializer 'w' has element type .*not supported")


def test_typed_data_that_does_not_fit_its_type(model):
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_type = TensorProto.INT8
    weight.int32_data[:] = [1, 2, 3, 300]
    refuse(model, "holds 1 to 300, outside its type int8")
    weight.int32_data[:] = [1]
    refuse(model, "but holds 1; the file is damaged")


def functions(model, bodies):
    """The model calling F0; each body is the list of functions it calls in a row."""
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.graph.node[0].CopyFrom(helper.make_node("F0", ["x"], ["y"], domain="own"))
    for index, calls in enumerate(bodies):
        names = ["a", *(f"t{step}" for step in range(len(calls) - 1)), "b"]
        nodes = [
            helper.make_node(call, [names[step]], [names[step + 1]], domain="own")
            for step, call in enumerate(calls)
        ]
        model.functions.append(
            helper.make_function("own", f"F{index}", ["a"], ["b"], nodes,
                                 [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)])
        )  # fmt: skip
    return model


def test_functions_that_call_themselves(model):
    refuse(functions(model, [["F1"], ["F0"]]), "call themselves: F0 -> F1 -> F0")


def test_functions_that_grow_exponentially(model):
    doubling = [[f"F{index + 1}"] * 2 for index in range(40)] + [["Relu"]]
    refuse(functions(model, doubling), "local functions expand to")

"""ONNX Runtime's TensorQuantOverrides become rules about single tensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compiler.recipes.onnx_tensors import OnnxTensors, tensors_of
from compiler.recipes.overrides import tensor_overrides_recipe
from compiler.recipes.sources import effective_recipe
from dialects.errors import OctetError

STORAGES = {"activation": "u8", "weight": "s8"}


@pytest.fixture(scope="module")
def tensors(model: Path) -> OnnxTensors:
    return tensors_of(model)


def tables(overrides: dict[str, Any], tensors: OnnxTensors) -> list[dict[str, Any]]:
    rules = tensor_overrides_recipe(overrides, tensors, "t.json", STORAGES).rules
    return [
        {key: value for key, value in rule.table().items() if key != "origin"} for rule in rules
    ]


def test_activations_inputs_and_weights(tensors: OnnxTensors) -> None:
    overrides = {
        "image": [{"quant_type": "QInt8", "symmetric": True}],
        "r0": [{"scale": 0.5, "zero_point": 3}],
        "p": [{"rmin": 0.5, "rmax": 6}],
        "w0": [{"axis": 0, "quant_type": "QuantType.QUInt8", "reduce_range": True}],
        "w1": [{"symmetric": False}],
    }
    assert tables(overrides, tensors) == [
        {"input": "image", "storage": "s8", "symmetric": True},
        {
            "select": "name:relu0",
            "tensor": "result",
            "storage": "u8",
            "scale": (0.5,),
            "zero_point": (3,),
        },
        # Zero is always expressed.
        {"select": "name:pool", "tensor": "result", "range": (0.0, 6.0)},
        {
            "select": "name:stem",
            "tensor": "weight",
            "storage": "u8",
            "reduce_range": True,
            "per_channel": True,
        },
        {"select": "name:body", "tensor": "weight", "symmetric": False, "per_channel": False},
    ]


def test_scales_per_channel(tensors: OnnxTensors) -> None:
    scales = [0.1 * (index + 1) for index in range(8)]
    entries = [{"axis": -4, "scale": scale, "zero_point": 0} for scale in scales]
    (table,) = tables({"w1": entries}, tensors)
    assert table["scale"] == tuple(scales)
    assert table["zero_point"] == (0,) * 8
    assert table["storage"] == "s8"


def test_nothing_is_said_by_nothing(tensors: OnnxTensors) -> None:
    assert tables({"r0": [], "image": [{}]}, tensors) == []


@pytest.mark.parametrize(
    ("name", "entries", "message"),
    [
        ("r9", [{"symmetric": True}], "the model has no such tensor; nearest: r1, r0"),
        ("r0", {"symmetric": True}, "expected a list of objects"),
        ("r0", [3], "expected an object, got 3"),
        ("r0", [{"scales": 1}], "unknown key 'scales'; did you mean scale"),
        ("r0", [{"scale": 0.1}], "'scale' and 'zero_point' are given together or not at all"),
        ("r0", [{"rmax": 0.1}], "'rmin' and 'rmax' are given together or not at all"),
        ("r0", [{"rmin": 2, "rmax": 1}], "'rmin' and 'rmax' should be numbers in order"),
        ("r0", [{"scale": 0.1, "zero_point": 0, "symmetric": True}], "'symmetric' is invalid besi"),
        ("r0", [{"scale": -1, "zero_point": 0}], "'scale' should be a number from 2^-60"),
        ("r0", [{"quant_type": "QInt16"}], "'quant_type' QInt16 is not supported; kernels take 8"),
        ("r0", [{"quant_type": "int8"}], "'quant_type' should be QInt8 or QUInt8, got 'int8'"),
        ("r0", [{"convert": {"quant_type": "QInt8"}}], "'convert' has no meaning here"),
        ("r0", [{"axis": 1}], "it is no weight, and only weights have scales per channel"),
        ("r0", [{}, {"symmetric": True}], "it is no weight, and only weights have"),
        ("b2", [{"symmetric": True}], "it is the bias of Gemm 'head', no weight; a bias has 32"),
        ("v", [{"symmetric": True}], "it is the operand 4 of BatchNormalization 'norm', no weight"),
        ("w0", [{"axis": 1}], "'axis' is 1, but kernels have a scale per output channel, axis 0"),
        ("w0", [{"axis": 7}], "'axis' should be a dimension of [8, 3, 3, 3], got 7"),
        ("w0", [{"axis": 0}] * 3, "it has 8 channels, but 3 dictionaries"),
        ("w0", [{}, {"symmetric": True}], "it has several dictionaries: the first needs an 'axis'"),
        ("w0", [{"axis": 0, "symmetric": True}, *[{"symmetric": False}] * 7],
         "'symmetric' differs between channels"),
        ("w0", [{"axis": 0, "scale": 0.1, "zero_point": 0}], "it has 8 channels, but one 'scale'"),
        ("w0", [{"axis": 0, "scale": 0.1, "zero_point": 0}, *[{}] * 7],
         "every channel needs 'scale' and 'zero_point' if one has them"),
        ("w0", [{"axis": 0, "rmin": 0, "rmax": 1}], "'rmin' and 'rmax' per channel are not"),
    ],
)  # fmt: skip
def test_what_has_no_counterpart(
    name: str, entries: Any, message: str, tensors: OnnxTensors
) -> None:
    with pytest.raises(OctetError) as error:
        tensor_overrides_recipe({name: entries}, tensors, "t.json", STORAGES)
    assert message in str(error.value)
    assert "t.json" in str(error.value)
    assert name in str(error.value)


def test_a_weight_of_several_layers_and_a_transposed_one(tmp_path: Path) -> None:
    weight = numpy_helper.from_array(np.ones((4, 3), np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["a"], transB=1),
        helper.make_node("Gemm", ["x", "w"], ["b"], "second", transB=1),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y], initializer=[weight])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    found = tables({"w": [{"axis": 0}]}, tensors_of(tmp_path / "m.onnx"))
    assert [table["select"] for table in found] == ["name:Gemm_0", "name:second"]


@pytest.mark.parametrize("option", ["tensor_quant_overrides", "recipe"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_files(option: str, wrapped: bool, model: Path, tmp_path: Path) -> None:
    overrides = {"r0": [{"scale": 0.5, "zero_point": 3}]}
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"TensorQuantOverrides": overrides} if wrapped else overrides))
    (rule,) = effective_recipe({option: path}, model).rules
    assert (rule.select, rule.origin) == ("name:relu0", "t.json r0")
    assert rule.scheme.storage == "u8"
    (signed,) = effective_recipe({option: path, "activation_type": "s8"}, model).rules
    assert signed.scheme.storage == "s8"


def test_tensors_have_names_only_in_onnx(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text('{"r0": [{"symmetric": true}]}')
    with pytest.raises(OctetError, match="TensorQuantOverrides name tensors of an ONNX model"):
        effective_recipe({"tensor_quant_overrides": path}, Path("m.mlir"))

"""Recipes from end to end: in the program, in its file, and against ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from xdsl.parser import Parser

import compiler
from compiler.cli import run as run_tool
from compiler.cli.compile import main
from compiler.module_files import load_weights_beside
from compiler.stages import STAGE_NAMES
from dialects.context import make_context
from dialects.errors import OctetError
from runtime.reference.evaluate import evaluate
from tests.compiler.small_model import images

RECIPE = """\
# Everything a recipe may say.
[default]
calibration_method = "moving-average"
weight_type = "s8"

[pass_options]
"calibrate.momentum" = 0.5

[[rule]]
select = "type:conv"
precision = "int8"
reason = "most of the work"
calibration_method = "percentile"
percentile = 99.0

[[rule]]
select = "name:relu0"
tensor = "result"
storage = "u8"
scale = 0.05
zero_point = 2

[[rule]]
select = "name:body"
tensor = "weight"
per_channel = false
reduce_range = true

[[rule]]
input = "image"
storage = "s8"
range = [-4.0, 4.0]

[[rule]]
select = "name:head"
precision = "bf16"
reason = "it's \\"small\\""
"""
FLAGS = ["--no-activation-symmetric", "--keep-float", "name:pool"]


def compiled(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def decisions(text: str) -> dict[str, str]:
    """By layer who decided and why, of what `--explain=json` prints."""
    rows = json.loads(text)["ops"]
    return {name: f"{row['decider']}: {row['reason']}" for row in rows for name in row["names"]}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "r.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def straight(
    model: Path, data: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("straight") / "a.octet"
    compiled(model, "--calibration-data", data, "--recipe", recipe, *FLAGS, "-o", path)
    return path


@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_resuming_gives_the_same_bytes(
    stage: str, straight: Path, model: Path, data: Path, recipe: Path, tmp_path: Path
) -> None:
    text = tmp_path / "s.mlir"
    given = ["--calibration-data", data]
    compiled(model, *given, "--recipe", recipe, *FLAGS, f"--stop-after={stage}", "-o", text)
    again = given if stage in ("import", "simplify") else []
    compiled(text, *again, "-o", tmp_path / "s.octet")
    assert (tmp_path / "s.octet").read_bytes() == straight.read_bytes()


def test_the_effective_recipe_gives_the_same_bytes(
    straight: Path, model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Printed from the artifact, and given back without the flags that are part of it."""
    assert run_tool.main([str(straight), "--print-recipe"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "other-name.toml").write_text(text)
    compiled(
        *(model, "--calibration-data", data),
        *("--recipe", tmp_path / "other-name.toml", "-o", tmp_path / "b.octet"),
    )
    assert (tmp_path / "b.octet").read_bytes() == straight.read_bytes()


def test_print_recipe_of_compile(
    straight: Path,
    model: Path,
    data: Path,
    recipe: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Alone, of a model and of IR; on stderr where the IR itself goes to stdout."""
    assert run_tool.main([str(straight), "--print-recipe"]) == 0
    expected = capsys.readouterr().out
    compiled(model, "--recipe", recipe, *FLAGS, "--print-recipe")
    assert capsys.readouterr().out == expected
    compiled(model, "--recipe", recipe, *FLAGS, "--stop-after=import", "-o", tmp_path / "m.mlir")
    compiled(tmp_path / "m.mlir", "--print-recipe")
    assert capsys.readouterr().out == expected
    compiled(
        *(model, "--recipe", recipe, *FLAGS, "--print-recipe", "--stop-after=import", "-o", "-")
    )
    captured = capsys.readouterr()
    assert captured.err == expected
    assert captured.out.startswith("builtin.module")


def test_rules_given_later_come_after_the_recorded_ones(
    model: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled(model, "--recipe", recipe, "--stop-after=simplify", "-o", tmp_path / "m.mlir")
    compiled(tmp_path / "m.mlir", "--place", "name:head=f16", "--print-recipe")
    rules = capsys.readouterr().out.split("[[rule]]\n")
    assert rules[-2].startswith('select = "name:head"\nprecision = "bf16"')
    assert rules[-1] == 'select = "name:head"\nprecision = "f16"\norigin = "--place"\n'
    compiled(tmp_path / "m.mlir", "--place", "name:head=f16", "--explain=json")
    assert decisions(capsys.readouterr().out)["head"] == "name:head=f16 (--place): user"


def test_a_scheme_after_its_stage_is_an_error(
    model: Path, data: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled(
        *(model, "--calibration-data", data, "--stop-after=calibrate", "-o", tmp_path / "m.mlir")
    )
    assert main([str(tmp_path / "m.mlir"), "--recipe", str(recipe), "-o", "x.octet"]) == 1
    assert "that pass is not among those still to run" in capsys.readouterr().err


def test_placed_by_names_the_rule_where_it_stands_and_its_reason(
    model: Path, data: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled(model, "--calibration-data", data, "--recipe", recipe, "--explain=json")
    rows = decisions(capsys.readouterr().out)
    assert rows["stem"] == "type:conv=int8 (r.toml:9): most of the work"
    line = RECIPE[: RECIPE.index('select = "name:head"')].count("\n")
    assert rows["head"] == f'name:head=bf16 (r.toml:{line}): it\'s "small"'


def test_a_selector_that_names_nothing_says_where_it_stands(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "r.toml"
    path.write_text('\n\n[[rule]]\nselect = "name:haed"\nprecision = "f32"\n')
    assert main([str(model), "--recipe", str(path), "--explain"]) == 1
    assert "r.toml:3: rule 1: selector 'name:haed' matches no op" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.toml", "gone.toml: No such file or directory"),
        ("folder.toml", "folder.toml: Is a directory"),
        ("r.yaml", "r.yaml: a recipe is a .toml file, or another tool's .json file"),
        ("binary.toml", "binary.toml: not UTF-8 text"),
    ],
)
def test_wrong_files(
    name: str, message: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    assert main([str(model), "--recipe", str(tmp_path / name), "--print-recipe"]) == 1
    assert message in capsys.readouterr().err


# --- numbers ----------------------------------------------------------------------------------


def two_layers() -> onnx.ModelProto:
    """conv, ReLU, conv: what other tools see is what there is here too."""
    rng = np.random.default_rng(3)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32) / 4, name)

    nodes = [
        helper.make_node("Conv", ["image", "w0", "b0"], ["c0"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c0"], ["r0"], "act"),
        helper.make_node("Conv", ["r0", "w1"], ["y"], "second", pads=[0, 0, 0, 0]),
    ]
    weights = [weight("w0", 8, 3, 3, 3), weight("b0", 8), weight("w1", 4, 8, 1, 1)]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4, 8, 8])
    graph = helper.make_graph(nodes, "two", [image], [y], initializer=weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


FIXED: Mapping[str, list[dict[str, Any]]] = {
    "image": [{"quant_type": "QUInt8", "scale": 0.03, "zero_point": 131}],
    "r0": [{"quant_type": "QUInt8", "scale": 0.02, "zero_point": 0}],
    "y": [{"quant_type": "QUInt8", "scale": 0.025, "zero_point": 120}],
    "w0": [{"quant_type": "QInt8", "scale": 0.008, "zero_point": 0}],
    "w1": [
        {"axis": 0, "quant_type": "QInt8", "scale": 0.004 + 0.001 * channel, "zero_point": 0}
        for channel in range(4)
    ],
}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("two") / "two.onnx"
    onnx.save(two_layers(), path)
    return path


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("overrides") / "t.json"
    path.write_text(json.dumps(FIXED))
    return path


def test_fixed_numbers_are_in_the_program(two: Path, overrides: Path, tmp_path: Path) -> None:
    """All of them, and so no calibration data are needed."""
    compiled(two, "--recipe", overrides, "--stop-after=integer", "-o", tmp_path / "m.mlir")
    text = (tmp_path / "m.mlir").read_text()
    for expected in (
        "u8:f32, 0.029999999329447746:131>",
        "u8:f32, 0.019999999552965164>",
        "u8:f32, 0.02500000037252903:120>",
        "i8:f32, 0.00800000037997961>",
        "i8:f32:0, {0.004000000189989805, 0.004999999888241291,",
    ):
        assert expected in text


def test_the_program_computes_what_the_reference_does(
    two: Path, overrides: Path, tmp_path: Path
) -> None:
    compiled(two, "--recipe", overrides, "--stop-after=integer", "-o", tmp_path / "m.mlir")
    ctx = make_context()
    load_weights_beside(tmp_path / "m.mlir", ctx.weights)
    module = Parser(ctx, (tmp_path / "m.mlir").read_text()).parse_module()
    feed = {"image": images(5, seed=9)}
    expected = evaluate(module, feed, ctx.weights)["y"]
    program = compiler.compile(two, recipe=overrides)
    assert np.array_equal(program.run(feed)["y"], expected)


class Feeds(CalibrationDataReader):
    def __init__(self) -> None:
        self.feeds: Iterator[dict[str, np.ndarray]] = iter([{"image": images(4)}])

    def get_next(self) -> Any:
        return next(self.feeds, None)


def _typed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """As its Python interface takes it: enumerators and arrays."""
    kind = entry["quant_type"]
    return {
        **entry,
        "quant_type": QuantType[kind],
        "scale": np.array(entry["scale"], np.float32),
        "zero_point": np.array(entry["zero_point"], np.int8 if kind == "QInt8" else np.uint8),
    }


def test_onnxruntime_computes_the_same(two: Path, overrides: Path, tmp_path: Path) -> None:
    """Its own quantizer, given the same overrides: at most one step of the result apart."""
    typed = {name: [_typed(entry) for entry in entries] for name, entries in FIXED.items()}
    quantize_static(
        str(two),
        str(tmp_path / "q.onnx"),
        Feeds(),
        quant_format=QuantFormat.QDQ,
        extra_options={"TensorQuantOverrides": typed},
    )
    session = onnxruntime.InferenceSession(
        str(tmp_path / "q.onnx"), providers=["CPUExecutionProvider"]
    )
    feed = {"image": images(16, seed=9)}
    (expected,) = session.run(None, feed)
    actual = compiler.compile(two, recipe=overrides).run(feed)["y"]
    steps = np.rint((np.asarray(actual) - np.asarray(expected)) / np.float32(0.025))
    assert np.abs(steps).max() <= 1
    assert np.mean(steps != 0) < 0.01


def test_a_fixed_scale_for_a_layer_in_float_is_an_error(two: Path, overrides: Path) -> None:
    with pytest.raises(OctetError, match=r"t.json y fixes the scale of the result of second"):
        compiler.compile(two, recipe=overrides, keep_float="name:second")

"""Every layer beside float: what is measured, which layer is named, and the commands."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx import TensorProto, helper, numpy_helper
from xdsl.dialects.builtin import f32

import compiler
from compiler.accuracy.debug_info import load_debug_info
from compiler.accuracy.document import Comparison, LayerError
from compiler.accuracy.measure import Error, Storage
from compiler.cli.compile import main as compile_main
from compiler.cli.run import main as run_main
from dialects.elements import ui8
from dialects.errors import OctetError
from dialects.quant import UniformQuantizedType
from tests.compiler.small_model import images


def comparison_of(model: Path, data: Path, folder: Path, **options: object) -> Comparison:
    path = folder / "model.octet"
    compiler.compile(model, data, debug_info=True, **options).save(path)
    with np.load(data) as inputs:
        return load_debug_info(path).compare([dict(inputs)])


def layer_named(comparison: Comparison, name: str) -> LayerError:
    return next(layer for layer in comparison.layers if name in layer.name.split(", "))


def fixed(name: str, scale: float) -> str:
    return (
        f'[[rule]]\nselect = "name:{name}"\ntensor = "result"\nstorage = "u8"\n'
        f"scale = {scale}\nzero_point = 0\n"
    )


def scale_of(model: Path, data: Path, name: str) -> float:
    """The scale that a layer's result gets by default."""
    row = next(o for o in compiler.explanation(model, data).ops if name in o.names)
    assert row.precision == "int8"
    program = compiler.compile(model, data)
    text = str(program.module)
    line = next(line for line in text.splitlines() if f'"{row.names[0]}"' in line)
    return float(line.rsplit("!quant.uniform<u8:f32, ", 1)[1].split(":")[0].split(">")[0])


@pytest.mark.parametrize("layer", ["relu0", "relu1"])
def test_a_sabotaged_layer_is_named_first(
    model: Path, data: Path, tmp_path: Path, layer: str
) -> None:
    recipe = tmp_path / "sabotage.toml"
    recipe.write_text(fixed(layer, 4 * scale_of(model, data, layer)))
    comparison = comparison_of(model, data, tmp_path, recipe=recipe)
    worst = comparison.layers[0]
    assert layer in worst.name.split(", ")
    assert worst.cause is not None
    assert worst.cause.kind == "coarse scale"


def test_the_rule_given_mends_the_layer(model: Path, data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "sabotage.toml"
    recipe.write_text(fixed("relu0", 4 * scale_of(model, data, "relu0")))
    sabotaged = comparison_of(model, data, tmp_path, recipe=recipe)
    rule = sabotaged.layers[0].rule
    assert rule is not None
    recipe.write_text(recipe.read_text() + "\n" + rule + "\n")
    mended = comparison_of(model, data, tmp_path, recipe=recipe)
    before, after = layer_named(sabotaged, "relu0"), layer_named(mended, "relu0")
    assert isinstance(before.alone_db, float)
    assert isinstance(after.alone_db, float)
    assert after.alone_db > before.alone_db + 6
    default = layer_named(comparison_of(model, data, tmp_path), "relu0")
    assert after.alone_db == pytest.approx(default.alone_db, abs=0.5)


def test_a_scale_that_is_too_fine_is_saturation(model: Path, data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "sabotage.toml"
    recipe.write_text(fixed("relu0", scale_of(model, data, "relu0") / 4))
    worst = comparison_of(model, data, tmp_path, recipe=recipe).layers[0]
    assert "relu0" in worst.name
    assert worst.cause is not None
    assert worst.cause.kind == "saturation"
    assert worst.saturated is not None
    assert worst.saturated > 0


def test_a_range_cut_for_a_function_is_no_fault(tmp_path: Path) -> None:
    """HardSwish gives 0 below -3: what lies there saturates, and no rule against it is printed."""
    random = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(random.standard_normal((16, 16)).astype(np.float32), name)
        for name in ("w0", "w1")
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["a"], "up"),
        helper.make_node("HardSwish", ["a"], ["b"], "swish"),
        helper.make_node("MatMul", ["b", "w1"], ["y"], "down"),
    ]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 16]) for n in "xy")
    graph = helper.make_graph(nodes, "cut", [x], [y], initializer=weights)
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "cut.onnx")
    np.savez(tmp_path / "x.npz", x=random.standard_normal((64, 16)).astype(np.float32))
    comparison = comparison_of(tmp_path / "cut.onnx", tmp_path / "x.npz", tmp_path)
    up = layer_named(comparison, "up")
    assert up.cause is not None
    assert up.cause.kind == "saturation"
    assert "hard_swish behind it is flat" in up.cause.why
    assert up.rule is None
    swish = layer_named(comparison, "swish").deployed_db
    assert isinstance(swish, float)
    assert swish > 30


def test_errors_before_a_layer_do_not_count_as_its_own(
    model: Path, data: Path, tmp_path: Path
) -> None:
    default = comparison_of(model, data, tmp_path)
    recipe = tmp_path / "sabotage.toml"
    recipe.write_text(fixed("relu0", 16 * scale_of(model, data, "relu0")))
    sabotaged = comparison_of(model, data, tmp_path, recipe=recipe)
    before, after = layer_named(default, "head"), layer_named(sabotaged, "head")
    assert isinstance(before.deployed_db, float)
    assert isinstance(after.deployed_db, float)
    assert after.deployed_db < before.deployed_db - 10
    assert after.alone_db == pytest.approx(before.alone_db, abs=1.5)


def test_float_layers_have_no_error_of_their_own(model: Path, data: Path, tmp_path: Path) -> None:
    comparison = comparison_of(model, data, tmp_path, keep_float=("name:head",))
    head = layer_named(comparison, "head")
    assert head.precision == "f32"
    assert head.alone_db == "exact"
    assert isinstance(head.deployed_db, float)
    assert head.cause is None


def test_debug_info_changes_nothing_else(model: Path, data: Path, tmp_path: Path) -> None:
    plain, debug = tmp_path / "plain.octet", tmp_path / "debug.octet"
    compiler.compile(model, data).save(plain)
    compiler.compile(model, data, debug_info=True).save(debug)
    with zipfile.ZipFile(plain) as a, zipfile.ZipFile(debug) as b:
        for name in ("program.mlir", "weights.safetensors"):
            assert a.read(name) == b.read(name)
        assert len(b.namelist()) > len(a.namelist())
    feed = {"image": images(2)}
    expected, actual = compiler.load(plain).run(feed), compiler.load(debug).run(feed)
    assert all(np.array_equal(expected[name], actual[name]) for name in expected)
    again = tmp_path / "again.octet"
    compiler.compile(model, data, debug_info=True).save(again)
    assert again.read_bytes() == debug.read_bytes()


def test_a_damaged_section_is_an_error(model: Path, data: Path, tmp_path: Path) -> None:
    path, damaged = tmp_path / "a.octet", tmp_path / "b.octet"
    compiler.compile(model, data, debug_info=True).save(path)
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(damaged, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content.replace(b"conv", b"cinv") if "place" in name else content)
    with pytest.raises(OctetError, match=r"debug/place\.mlir is damaged"):
        load_debug_info(damaged)


def test_the_command(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "m.octet")
    arguments = [str(model), "--calibration-data", str(data), "--debug-info", "-o", path]
    assert compile_main(arguments) == 0
    capsys.readouterr()
    assert run_main([path, "--compare-float=json", "--inputs", str(data), "--samples", "3"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["samples"] == 3
    assert document["schema"] == "octet-float-comparison"
    own = [row["alone_sqnr_db"] for row in document["layers"]]
    figures = [db for db in own if db != "exact"]
    assert figures == sorted(figures)
    assert run_main([path, "--compare-float", "--inputs", str(data)]) == 0
    text = capsys.readouterr().out
    assert "stem" in text
    assert "[[rule]]" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--compare-float"], "--compare-float needs --inputs"),
        (["--compare-float", "--inputs", "DATA"], "compile the model again with --debug-info"),
        (["--compare-float", "--inputs", "DATA", "--samples", "-1"], "--samples -1"),
    ],
)
def test_bad_uses_are_named(
    model: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    path = tmp_path / "m.octet"
    compiler.compile(model, data).save(path)
    given = [str(data) if argument == "DATA" else argument for argument in arguments]
    assert run_main([str(path), *given]) == 1
    assert message in capsys.readouterr().err


def test_debug_info_needs_the_stages(model: Path, data: Path, tmp_path: Path) -> None:
    stopped = tmp_path / "m.mlir"
    assert compile_main([str(model), "--stop-after=integer", "-o", str(stopped)]) == 0
    with pytest.raises(OctetError, match="stage 'place', which did not run"):
        compiler.compile(stopped, debug_info=True)


@given(arrays(np.float32, st.integers(1, 40), elements=st.floats(-100, 100, width=32)))
@settings(deadline=None)
def test_storage_counts_every_value(values: np.ndarray) -> None:
    storage = Storage.of(UniformQuantizedType(ui8, f32, [0.5], [128]))
    storage.add(values)
    assert storage.levels.sum() == values.size
    low, high = -64.0, 63.5
    beyond = np.count_nonzero((values < low - 0.255) | (values > high + 0.255))
    assert storage.beyond == beyond
    clipped = np.clip(values.astype(np.float64), low, high)
    step = np.round(clipped / 0.5) * 0.5
    assert storage.noise == pytest.approx(float(np.square(values - step).sum()), rel=1e-5, abs=1e-9)
    assert storage.clipped <= storage.noise + 1e-12
    assert 0 < storage.span(0.5) <= storage.span(1.0) <= 1


@given(
    arrays(np.float32, 8, elements=st.floats(-10, 10, width=32)),
    arrays(np.float32, 8, elements=st.floats(-10, 10, width=32)),
)
@settings(deadline=None)
def test_sums_are_the_figures(a: np.ndarray, b: np.ndarray) -> None:
    error = Error()
    error.add(a[:3], b[:3])
    error.add(a[3:], b[3:])
    x, y = a.astype(np.float64), b.astype(np.float64)
    assert error.noise == pytest.approx(float(np.square(x - y).sum()))
    if x.any() and y.any():
        cosine = float(np.dot(x, y) / np.linalg.norm(x) / np.linalg.norm(y))
        assert error.cosine == pytest.approx(cosine, abs=1e-9)

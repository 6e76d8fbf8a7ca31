"""Calibration tables: saved, edited, merged, used again; disagreements name both sides."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import compiler
from compiler.calibration.keys import LAYER
from compiler.calibration.table import SCHEMA_FILE, Entry, Table, read_tables
from compiler.cli.compile import main
from compiler.module_files import read_module
from dialects.context import make_context
from dialects.errors import OctetError
from dialects.program import nn_ops, range_of
from tests.compiler.explain.json_schema import violations
from tests.compiler.small_model import images, small_model

SCHEMA = json.loads(SCHEMA_FILE.read_text())
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def saved(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of the small model on its data."""
    path = tmp_path_factory.mktemp("table") / "t.json"
    compiler.compile(model, data, save_calibration_table=path)
    return path


def edited(saved: Path, to: Path, layers: dict[str, Any], **top: Any) -> Path:
    """A copy with other entries of layers, None deleting one, and other keys."""
    document = json.loads(saved.read_text())
    for name, entry in layers.items():
        if entry is None:
            del document["layers"][name]
        else:
            document["layers"][name] = entry
    document |= top
    to.write_text(json.dumps(document))
    return to


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr().err


def range_of_stem(path: Path) -> tuple[float, float] | None:
    module = read_module(path, make_context())
    (stem,) = (op for op in nn_ops(module) if "stem" in op.names)
    return range_of(stem.results[0])


def test_a_table_fits_its_schema(saved: Path) -> None:
    document = json.loads(saved.read_text())
    assert violations(document, SCHEMA) == []
    assert [*document["inputs"], *document["layers"]] == [
        "image", "stem", "body", "pool", "flatten", "head"
    ]  # fmt: skip
    assert violations({**document, "version": 2}, SCHEMA)
    assert violations({**document, "layers": {"stem": {"range": [0.0]}}}, SCHEMA)


def test_the_page_describes_every_field() -> None:
    page = (ROOT / "docs" / "calibration.md").read_text()
    assert [name for name in SCHEMA["properties"] if f"`{name}`" not in page] == []


def test_a_table_in_place_of_data_gives_the_same_program(
    model: Path, data: Path, saved: Path, tmp_path: Path
) -> None:
    for name, arguments in (
        ("data", ["--calibration-data", data]),
        ("table", ["--calibration-table", saved]),
        ("both", ["--calibration-table", saved, "--calibration-data", data]),
    ):
        assert main([*map(str, [model, *arguments, "-o", tmp_path / f"{name}.octet"])]) == 0
    first, *others = ((tmp_path / f"{n}.octet").read_bytes() for n in ("data", "table", "both"))
    assert all(other == first for other in others)


def test_a_table_written_from_a_table_is_the_same(model: Path, saved: Path, tmp_path: Path) -> None:
    compiler.compile(model, calibration_table=saved, save_calibration_table=tmp_path / "u.json")
    assert (tmp_path / "u.json").read_bytes() == saved.read_bytes()


def test_edited_ranges_are_used(model: Path, saved: Path, tmp_path: Path) -> None:
    table = edited(saved, tmp_path / "u.json", {"stem": {"range": [0, 7.5]}})
    code = main(
        [str(model), "--calibration-table", str(table), "--stop-after=calibrate",
         "-o", str(tmp_path / "m.mlir")]
    )  # fmt: skip
    assert code == 0
    assert range_of_stem(tmp_path / "m.mlir") == (0.0, 7.5)


def test_what_a_table_lacks_is_measured_or_stays_float(
    model: Path, data: Path, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = edited(saved, tmp_path / "u.json", {"head": None})
    again = tmp_path / "again.json"
    code, err = run(
        capsys, model, "--calibration-table", table, "--calibration-data", data,
        "--save-calibration-table", again, "-o", tmp_path / "a.octet",
    )  # fmt: skip
    assert code == 0
    assert "has no range for 1 of 6 values" in err
    assert again.read_bytes() == saved.read_bytes()
    program = compiler.compile(model, calibration_table=table, stop_after=None)
    rows = {row.names[0]: row for row in compiler.explanation(program).ops}
    assert rows["stem"].precision == "int8"


def test_several_tables_merge(model: Path, saved: Path, tmp_path: Path) -> None:
    one = edited(saved, tmp_path / "a.json", {"head": None, "body": None})
    two = edited(saved, tmp_path / "b.json", {"stem": None})
    compiler.compile(
        model, calibration_table=[one, two], save_calibration_table=tmp_path / "merged.json"
    )
    assert (tmp_path / "merged.json").read_bytes() == saved.read_bytes()


def test_tables_that_disagree(
    model: Path, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = edited(saved, tmp_path / "u.json", {"stem": {"range": [-1, 9.0]}})
    out = tmp_path / "a.octet"
    code, err = run(
        capsys, model, "--calibration-table", saved, "--calibration-table", other, "-o", out
    )
    assert code == 1
    stem = json.loads(saved.read_text())["layers"]["stem"]["range"]
    assert f"'stem': {stem} in {saved}, [-1.0, 9.0] in {other}" in err
    assert not out.exists()


def test_of_many_disagreements_some_are_listed() -> None:
    def table(high: float) -> Table:
        entries = {(LAYER, f"l{i}"): Entry((0.0, high), source=f"{high}.json") for i in range(11)}
        return Table("m", (), entries, f"{high}.json")

    with pytest.raises(OctetError, match=r"'l0'.*'l7'.*; and 3 more; delete one") as error:
        table(1.0).then(table(2.0))
    assert "'l8'" not in str(error.value)


def test_a_recipe_that_disagrees_is_said_and_wins(
    model: Path, data: Path, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('[[rule]]\nselect = "name:relu0"\ntensor = "result"\nrange = [0.0, 4.0]\n')
    code, err = run(
        capsys, model, "--calibration-table", saved, "--recipe", recipe,
        "--stop-after=calibrate", "-o", tmp_path / "m.mlir",
    )  # fmt: skip
    assert code == 0
    stem = json.loads(saved.read_text())["layers"]["stem"]["range"]
    assert f"'stem': {saved} says {stem}" in err
    assert "r.toml:1" in err
    assert "says [0.0, 4.0], which is used" in err
    assert range_of_stem(tmp_path / "m.mlir") == (0.0, 4.0)


def test_a_method_that_disagrees(
    model: Path, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = run(
        capsys, model, "--calibration-table", saved, "--calibration-method", "mse",
        "-o", tmp_path / "a.octet",
    )  # fmt: skip
    assert code == 1
    assert "by sqnr{bins=2048}, asked for is mse{bins=2048}" in err


def test_a_table_of_another_model(
    saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    retrained = small_model()
    weight = retrained.graph.initializer[0]
    weight.raw_data = (onnx.numpy_helper.to_array(weight) * np.float32(2)).tobytes()
    other = tmp_path / "other.onnx"
    onnx.save(retrained, other)
    code, err = run(capsys, other, "--calibration-table", saved, "-o", tmp_path / "a.octet")
    assert code == 1
    assert f"{saved}: measured on another model" in err
    (digest,) = re.findall(r'"([0-9a-f]{64})"', err)
    document = json.loads(saved.read_text())
    document["digests"]["model"] = digest  # as the message says
    (tmp_path / "u.json").write_text(json.dumps(document))
    code, _ = run(
        capsys, other, "--calibration-table", tmp_path / "u.json", "-o", tmp_path / "a.octet"
    )
    assert code == 0


def test_recipes_and_ranges_do_not_change_the_digest(
    model: Path, data: Path, saved: Path, tmp_path: Path
) -> None:
    table = tmp_path / "u.json"
    compiler.compile(
        model, data, save_calibration_table=table, keep_float="name:head",
        shapes={"image": (4, 3, 8, 8)},
    )  # fmt: skip
    assert Table.read(table).model == Table.read(saved).model


@pytest.mark.parametrize(
    ("layers", "top", "message"),
    [
        ({"stme": {"range": [0, 1]}}, {}, "no layer 'stme'; nearest: stem"),
        ({"stem": {"range": [1, 2]}}, {}, "'stem': 'range' should hold 0, got [1.0, 2.0]"),
        ({"stem": {"range": [0]}}, {}, "'range' should be two numbers, got [0]"),
        ({"stem": {"range": [0, float("inf")]}}, {}, "'range' should be two numbers"),
        ({"stem": {"range": [0, 10**400]}}, {}, "'range' should be two numbers"),
        ({"stem": {"range": [0, True]}}, {}, "'range' should be two numbers"),
        ({"stem": {"rnge": [0, 1]}}, {}, "'stem': unknown key 'rnge'"),
        ({"stem": [0, 1]}, {}, "'stem': expected an object"),
        ({"stem": {"range": [0, 1], "method": 3}}, {}, "'method' should be a text"),
        ({}, {"schema": "other"}, "no calibration table"),
        ({}, {"version": 2}, "version 2 of calibration tables is not known"),
        ({}, {"layer": {}}, "unknown key 'layer'"),
        ({}, {"digests": {}}, "'model' should be a text"),
    ],
)
def test_wrong_tables_are_named(
    layers: dict[str, Any],
    top: dict[str, Any],
    message: str,
    model: Path,
    saved: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = edited(saved, tmp_path / "wrong.json", layers, **top)
    code, err = run(capsys, model, "--calibration-table", table, "-o", tmp_path / "a.octet")
    assert code == 1
    assert message in err
    assert "wrong.json" in err
    assert not (tmp_path / "a.octet").exists()


def test_tables_of_two_models_do_not_merge(saved: Path, tmp_path: Path) -> None:
    other = edited(saved, tmp_path / "u.json", {}, digests={"model": "0" * 64})
    with pytest.raises(OctetError, match="calibration tables of different models"):
        read_tables([saved, other])


def test_the_data_is_part_of_the_table(model: Path, saved: Path, tmp_path: Path) -> None:
    table = tmp_path / "u.json"
    compiler.compile(model, {"image": images(20, seed=9)}, save_calibration_table=table)
    assert Table.read(table).data != Table.read(saved).data


def test_a_table_of_nothing_is_an_error(model: Path, tmp_path: Path) -> None:
    with pytest.raises(OctetError, match="give --calibration-data to measure them"):
        compiler.compile(model, save_calibration_table=tmp_path / "t.json")
    with pytest.raises(OctetError, match="--calibration-report is about what was measured"):
        compiler.compile(model, calibration_report=True)


def test_a_table_that_comes_too_late_is_said(
    model: Path, data: Path, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    placed = tmp_path / "m.mlir"
    code, _ = run(capsys, model, "--calibration-data", data, "--stop-after=place", "-o", placed)
    assert code == 0
    code, err = run(capsys, placed, "--calibration-table", saved, "-o", tmp_path / "a.octet")
    assert code == 0
    assert "the calibration table was not used: stage 'calibrate' did not run" in err

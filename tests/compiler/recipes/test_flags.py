"""Command-line shortcuts become rules, in a fixed order after the rules of files."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from compiler.cli.compile import main
from compiler.recipes.flags import RULE_OPTIONS, recipe_of_options
from compiler.recipes.recipe import Recipe
from dialects.errors import OctetError
from dialects.nn.attributes import Precision


@pytest.fixture
def placed(model: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """The placement, by layer, under arguments of `compile`."""

    def run(*arguments: object) -> dict[str, dict[str, str]]:
        given = [model, "--calibration-data", data, "--explain=json", *arguments]
        assert main([str(argument) for argument in given]) == 0
        rows = json.loads(capsys.readouterr().out)["ops"]
        return {name: {**row, "who": row["decider"]} for row in rows for name in row["names"]}

    return run


ASKS = {
    "include": ("type:conv", "int8"),
    "nodes_to_quantize": ("stem", "int8"),
    "bf16": ("type:conv", "bf16"),
    "f16": ("type:conv", "f16"),
    "place": ("type:conv=bf16", "bf16"),
    "nodes_to_exclude": ("stem", "f32"),
    "exclude": ("type:conv", "f32"),
    "keep_float": ("type:conv", "f32"),
}
"""For each shortcut, a value that is about the layer `stem`, and what it asks for."""

FORMATS = {
    "dynamic_quantization": ("type:matmul", "dynamic"),
    "weight_only": ("type:matmul=int4:64", "int4:64"),
}
"""For each shortcut about formats of matrix products, a value and what it asks for."""

PAIRS = list(itertools.combinations([option.name for option in RULE_OPTIONS], 2))


def test_every_shortcut_is_tried() -> None:
    assert {*ASKS, *FORMATS} == {option.name for option in RULE_OPTIONS}


@pytest.mark.parametrize(("earlier", "later"), PAIRS)
def test_the_later_flag_of_the_table_wins(earlier: str, later: str) -> None:
    """In whatever order they are given."""
    values = ASKS | FORMATS
    given = {later: values[later][0], earlier: values[earlier][0]}
    rules = recipe_of_options(given, Recipe()).rules
    assert [rule.origin for rule in rules] == [_flag(earlier), _flag(later)]
    assert str(rules[-1].precision or rules[-1].format) == values[later][1]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


@pytest.mark.parametrize("name", ASKS)
def test_a_shortcut_places_and_is_named(name: str, placed: Any) -> None:
    value, wanted = ASKS[name]
    row = placed(_flag(name), value)["stem"]
    assert row["precision"] == wanted
    selector = value.split("=")[0] if ":" in value else f"name:{value}"
    assert row["who"] == f"{selector}={wanted} ({_flag(name)})"


@pytest.mark.parametrize(
    ("arguments", "precision", "who"),
    [
        (["--dynamic-quantization"], "int8", "type:matmul=dynamic (--dynamic-quantization)"),
        (
            ["--dynamic-quantization=name:head"],
            "int8",
            "name:head=dynamic (--dynamic-quantization)",
        ),
        (["--weight-only", "int4:64"], "f32", "type:matmul=int4:64 (--weight-only)"),
        (["--weight-only", "name:head=int8"], "f32", "name:head=int8 (--weight-only)"),
        (
            ["--weight-only", "int8", "--place", "name:head=bf16"],
            "bf16",
            "name:head=bf16 (--place)",
        ),
    ],
)
def test_formats_of_matrix_products(
    arguments: list[str], precision: str, who: str, placed: Any
) -> None:
    row = placed(*arguments)["head"]
    assert (row["precision"], row["who"]) == (precision, who)


@pytest.mark.parametrize("name", ASKS)
def test_flags_come_after_files(name: str, placed: Any, tmp_path: Path) -> None:
    value, wanted = ASKS[name]
    other = "bf16" if wanted != "bf16" else "f16"
    recipe = tmp_path / "r.toml"
    recipe.write_text(f'[[rule]]\nselect = "name:stem"\nprecision = "{other}"\n')
    assert placed("--recipe", recipe)["stem"]["precision"] == other
    assert placed("--recipe", recipe, _flag(name), value)["stem"]["precision"] == wanted


def test_a_setting_of_the_file_gives_way_to_the_flag(placed: Any, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text('[default]\nprecision = "f16"\n')
    assert placed("--recipe", recipe)["head"]["precision"] == "f16"
    assert placed("--recipe", recipe, "--precision", "bf16")["head"]["precision"] == "bf16"


def test_values_of_one_flag_keep_their_order(placed: Any) -> None:
    assert placed("--place", "type:conv=f16", "--place", "name:stem=bf16")["stem"]["precision"] == (
        "bf16"
    )
    assert placed("--place", "name:stem=bf16", "--place", "type:conv=f16")["stem"]["precision"] == (
        "f16"
    )


def test_only_these_layers(placed: Any, tmp_path: Path) -> None:
    """`--nodes-to-quantize` changes the default; rules of files still hold."""
    rows = placed("--nodes-to-quantize", "stem")
    # The batch norm and the ReLU are part of it.
    int8 = {layer for layer, row in rows.items() if row["precision"] == "int8"}
    assert int8 == {"stem", "norm", "relu0"}
    recipe = tmp_path / "r.toml"
    recipe.write_text('[[rule]]\nselect = "name:body"\nprecision = "int8"\n')
    rows = placed("--recipe", recipe, "--nodes-to-quantize", "stem")
    assert rows["stem"]["precision"] == "int8"
    assert rows["pool"]["precision"] == "f32"


@pytest.mark.parametrize("spelled", ["conv", "Conv", "Convolution"])
def test_only_these_types(spelled: str, placed: Any) -> None:
    rows = placed("--op-types-to-quantize", spelled)
    assert rows["stem"]["precision"] == "int8"
    assert rows["head"]["reason"] == "matmul is not listed"
    assert placed("--op-types-to-quantize", spelled, "--place", "name:head=int8")["head"][
        "precision"
    ] == ("int8")


def test_include_asks_for_the_precision_of_the_program(placed: Any) -> None:
    row = placed("--precision", "bf16", "--exclude", "type:matmul", "--include", "name:stem")
    assert row["stem"]["who"] == "name:stem=bf16 (--include)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"place": "type:conv"}, "--place 'type:conv': expected 'SELECTOR=PRECISION'"),
        ({"place": "=int8"}, "--place '=int8': expected 'SELECTOR=PRECISION'"),
        ({"place": "type:conv=int4"}, "--place 'type:conv=int4': expected 'SELECTOR=PRECISION', "
         "the precision one of f32, bf16, f16, int8"),
        ({"exclude": ("",)}, "--exclude: expected text, got ''"),
        ({"keep_floats": "x"}, "there is no compile option 'keep_floats'; did you mean keep_float"),
        ({"nodes_to_quantize": "a", "precision": "bf16"}, "--nodes-to-quantize and --precision bo"),
    ],
)  # fmt: skip
def test_wrong_values(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OctetError) as error:
        recipe_of_options(options, Recipe())
    assert str(error.value).startswith(message)


def test_a_flag_that_names_nothing_says_so(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(model), "--keep-float", "name:haed", "--explain"]) == 1
    error = capsys.readouterr().err
    assert "--keep-float: selector 'name:haed' matches no op" in error
    assert "head" in error


def test_precisions_are_those_of_the_ir() -> None:
    assert {rule.precision for rule in RULE_OPTIONS} - {None} == set(Precision)

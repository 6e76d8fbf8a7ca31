"""NNCF's IgnoredScope becomes rules that keep ops in float."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compiler.recipes.ignored import ignored_scope_recipe
from compiler.recipes.sources import effective_recipe
from dialects.errors import OctetError
from dialects.nn.attributes import Precision


def selectors(scope: dict[str, Any]) -> list[str | None]:
    return [rule.select for rule in ignored_scope_recipe(scope, "s.json").rules]


def test_every_field_becomes_rules_in_order() -> None:
    scope = {
        "types": ["Softmax", "Gemm", "Multiply"],
        "names": ["head", "/body/Conv"],
        "patterns": ["block1/"],
        "subgraphs": [{"inputs": ["a", "b"], "outputs": ["b"]}],
        "validate": True,
    }
    assert selectors(scope) == [
        "name:head",
        "name:/body/Conv",
        're:"(?:block1/).*"',
        "type:softmax",
        "type:matmul",
        "type:mul",
        "between(name:a, name:b)",
        "name:b",
    ]
    rules = ignored_scope_recipe(scope, "s.json").rules
    assert {rule.precision for rule in rules} == {Precision.F32}
    assert not any(rule.allow_unmatched for rule in rules)
    assert rules[4].label == "type:matmul=f32 (s.json types)"
    assert rules[4].reason == "ignored type Gemm"


def test_without_validation_a_part_may_match_nothing() -> None:
    rules = ignored_scope_recipe({"names": ["gone"], "validate": False}, "s.json").rules
    assert [rule.allow_unmatched for rule in rules] == [True]
    assert rules[0].ops([]) == []


def test_the_fields_are_those_of_nncf() -> None:
    """Where it is installed, as for benchmarks."""
    nncf = pytest.importorskip("nncf.scopes")
    from compiler.recipes.ignored import FIELDS

    assert tuple(nncf.IgnoredScope.__dataclass_fields__) == FIELDS


@pytest.mark.parametrize(
    ("scope", "message"),
    [
        ({"name": ["a"]}, "s.json: an IgnoredScope has no field 'name'; did you mean names"),
        ({"names": "a"}, "s.json: names: expected a list of names, got 'a'"),
        ({"types": ["Sotfmax"]}, "s.json: types: there is no op type 'Sotfmax'; did you mean"),
        ({"validate": 1}, "s.json: 'validate' should be true or false, got 1"),
        ({"subgraphs": {}}, "s.json: 'subgraphs' should be a list, got {}"),
        ({"subgraphs": [{"inputs": ["a"]}]}, "s.json: subgraphs[0]: a subgraph has at least one"),
        ({"subgraphs": [{"input": ["a"]}]}, "s.json: subgraphs[0]: a subgraph has 'inputs' and"),
        ({"subgraphs": [3]}, "s.json: subgraphs[0]: expected an object, got 3"),
    ],
)
def test_wrong_fields(scope: dict[str, Any], message: str) -> None:
    with pytest.raises(OctetError) as error:
        ignored_scope_recipe(scope, "s.json")
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("option", ["ignored_scope", "recipe"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_files(option: str, wrapped: bool, tmp_path: Path) -> None:
    scope: dict[str, Any] = {"names": ["head"]}
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"ignored_scope": scope} if wrapped else scope))
    (rule,) = effective_recipe({option: path}, Path("m.onnx")).rules
    assert rule.label == "name:head=f32 (s.json names)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "s.json:1:2: not valid JSON"),
        ("[]", "s.json: expected an object, got []"),
        ('{"names": ["a"], "names": ["b"]}', "s.json: key 'names' is given twice"),
        ('{"ignored_scope": {}, "x": 1}', "s.json: 'x' is neither 'TensorQuantOverrides' nor"),
    ],
)
def test_wrong_files(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(OctetError) as error:
        effective_recipe({"ignored_scope": path}, Path("m.onnx"))
    assert str(error.value).startswith(message)

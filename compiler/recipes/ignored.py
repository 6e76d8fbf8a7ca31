"""NNCF's IgnoredScope: what is to stay float, as the JSON of its fields.

    {"names": ["head"], "patterns": ["block1/.*"], "types": ["Softmax"],
     "subgraphs": [{"inputs": ["a"], "outputs": ["b"]}], "validate": true}

Source: `nncf.IgnoredScope` and `nncf.Subgraph`, nncf/scopes.py in NNCF 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from compiler.op_types import mnemonic_of
from compiler.pipeline import did_you_mean
from compiler.recipes.json_file import as_object, as_texts
from compiler.recipes.recipe import Recipe, name_selector
from dialects.errors import OctetError
from dialects.nn.attributes import Precision
from passes.placement.rules import Rule
from passes.placement.selectors import quoted

FIELDS = ("names", "patterns", "types", "subgraphs", "validate")


def ignored_scope_recipe(scope: dict[str, Any], source: str) -> Recipe:
    """Rules that keep an ignored scope in float; `source` is the file's name.

    - names: layers of the model.
    - patterns: regular expressions that a layer's name begins with a match of.
    - types: ONNX's or OpenVINO's names. Where one op type here stands for several (`matmul` for
      Gemm and MatMul), all of them stay float.
    - subgraphs: everything on a path from an input to an output, both included.
    - validate: false makes it no error if a part matches nothing.

    Raises OctetError for other fields and for values of another kind.
    """
    for key in scope:
        if key not in FIELDS:
            raise OctetError(
                f"{source}: an IgnoredScope has no field '{key}'{did_you_mean(key, FIELDS)}"
            )
    validate = scope.get("validate", True)
    if not isinstance(validate, bool):
        raise OctetError(f"{source}: 'validate' should be true or false, got {validate!r}")
    return Recipe(
        rules=tuple(
            Rule(
                select=selector,
                precision=Precision.F32,
                reason=reason,
                origin=f"{source} {field}",
                allow_unmatched=not validate,
            )
            for field, selector, reason in _selectors(scope, source)
        )
    )


def _selectors(scope: dict[str, Any], source: str) -> Iterator[tuple[str, str, str]]:
    """The field, the selector and the reason of every rule."""
    for name in as_texts(scope.get("names", []), f"{source}: names"):
        yield "names", name_selector(name), "ignored name"
    for pattern in as_texts(scope.get("patterns", []), f"{source}: patterns"):
        # NNCF matches at the start of a name, `re:` the whole of it.
        yield "patterns", f"re:{quoted(f'(?:{pattern}).*')}", f"ignored pattern {pattern}"
    for kind in as_texts(scope.get("types", []), f"{source}: types"):
        try:
            yield "types", f"type:{mnemonic_of(kind)}", f"ignored type {kind}"
        except OctetError as error:
            raise OctetError(f"{source}: types: {error}") from None
    subgraphs = scope.get("subgraphs", [])
    if not isinstance(subgraphs, list):
        raise OctetError(f"{source}: 'subgraphs' should be a list, got {subgraphs!r}")
    for index, subgraph in enumerate(subgraphs):
        where = f"{source}: subgraphs[{index}]"
        yield from _subgraph(as_object(subgraph, where), where)


def _subgraph(subgraph: dict[str, Any], where: str) -> Iterator[tuple[str, str, str]]:
    for key in subgraph:
        if key not in ("inputs", "outputs"):
            raise OctetError(f"{where}: a subgraph has 'inputs' and 'outputs', not '{key}'")
    inputs = as_texts(subgraph.get("inputs", []), f"{where}.inputs")
    outputs = as_texts(subgraph.get("outputs", []), f"{where}.outputs")
    if not inputs or not outputs:
        raise OctetError(f"{where}: a subgraph has at least one input and one output")
    for start in inputs:
        for end in outputs:
            reason = f"ignored subgraph from {start} to {end}"
            between = f"between({name_selector(start)}, {name_selector(end)})"
            yield "subgraphs", name_selector(start) if start == end else between, reason

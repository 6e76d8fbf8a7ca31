"""Every pass has one file, one line in the registry, and documentation."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from compiler.pipeline import make_pass, parse_pipeline, print_pipeline
from compiler.stages import STAGES
from passes import PASSES, get_all_passes
from passes.base import OctetPass

ROOT = Path(__file__).parents[1]


def pass_files() -> list[Path]:
    """Files that define a subclass of OctetPass."""
    return [
        path
        for path in sorted((ROOT / "passes").glob("*/*.py"))
        if any(is_octet_pass(node) for node in ast.parse(path.read_text()).body)
    ]


def is_octet_pass(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and any(
        isinstance(base, ast.Name) and base.id == "OctetPass" for base in node.bases
    )


def test_every_pass_file_is_registered() -> None:
    registered = {module.replace(".", "/") + ".py" for module, _ in PASSES.values()}
    assert {str(path.relative_to(ROOT)) for path in pass_files()} == registered


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_is_named_after_its_file_and_documented(name: str) -> None:
    pass_class = get_all_passes()[name]()
    assert issubclass(pass_class, OctetPass)
    assert pass_class.name == name
    module, _ = PASSES[name]
    assert module.rsplit(".", 1)[1] == name.replace("-", "_")
    assert inspect.getdoc(pass_class) not in (None, inspect.getdoc(OctetPass))


@pytest.mark.parametrize("name", PASSES)
def test_the_options_of_a_pass_print_and_parse(name: str) -> None:
    pass_class = get_all_passes()[name]()
    if pass_class.required_fields():
        pytest.skip("needs an option that has no default")
    default = make_pass(pass_class, {})
    assert parse_pipeline(print_pipeline([default])) == (default,)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_the_pipelines_of_the_stage_table_parse(stage) -> None:
    pipeline = parse_pipeline(",".join(stage.passes))
    assert len(pipeline) == len(stage.passes)


@pytest.mark.parametrize("name", PASSES)
def test_every_pass_has_a_lit_file(name: str) -> None:
    folder = ROOT / "tests" / "filecheck" / "passes"
    assert list(folder.glob(f"*/{name}*.mlir")), f"no tests/filecheck/passes/*/{name}.mlir"

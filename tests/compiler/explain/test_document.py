"""The JSON form keeps to its schema, for every kind of program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import compiler
from compiler.cli.compile import main
from compiler.driver import Compilation, CompileRequest
from compiler.explain.document import SCHEMA_FILE, Explanation
from compiler.stages import STAGE_NAMES
from dialects.nn.attributes import Precision
from passes.placement.decision import KINDS
from tests.compiler.explain.conftest import Compile
from tests.compiler.explain.json_schema import violations
from tests.compiler.explain.programs import HUGE_BIAS, INDICES, LOOP, TABLES

SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text())
ROOT = Path(__file__).parents[3]


def checked(explanation: Explanation) -> dict[str, Any]:
    """The document, once it fits the schema."""
    document = json.loads(explanation.as_json())
    assert violations(document, SCHEMA) == []
    return document


@pytest.mark.parametrize("text", [HUGE_BIAS, LOOP, INDICES, TABLES])
@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_documents_of_every_stage_fit_the_schema(
    text: str, stage: str, compile_text: Compile
) -> None:
    document = checked(compile_text(text, stop_after=stage).explanation())
    assert document["stage"] == stage
    assert bool(document["ops"]) == (STAGE_NAMES.index(stage) >= STAGE_NAMES.index("place"))


@pytest.mark.parametrize("precision", list(Precision))
def test_documents_of_every_precision_fit_the_schema(precision: str, model: Path) -> None:
    document = checked(compiler.explanation(model, precision=precision))
    summary = document["summary"]["precisions"]
    if precision != "int8":  # without calibration data nothing is
        assert summary[precision]["macs_share"] == pytest.approx(1.0)


def test_artifacts_fit_the_schema(model: Path, data: Path, tmp_path: Path) -> None:
    compiler.compile(model, data).save(tmp_path / "p.octet")
    assert checked(compiler.explanation(tmp_path / "p.octet"))["ops"]


def test_the_command_prints_the_document(
    model: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(model), "--calibration-data", str(data), "--explain=json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == json.loads(compiler.explanation(model, data).as_json())


def test_the_explanation_is_of_the_final_program(model: Path, data: Path, tmp_path: Path) -> None:
    """With and without an output file it is the same."""
    written = Compilation(CompileRequest(model, data))
    written.run()
    written.write(tmp_path / "a.octet")
    assert written.explanation() == compiler.explanation(model, data)
    assert written.explanation().stage == STAGE_NAMES[-1]


def test_shares_and_counts_add_up(model: Path, data: Path) -> None:
    document = compiler.explanation(model, data, bf16="name:body").as_dict()
    summary, ops = document["summary"], document["ops"]
    assert sum(op["macs_share"] for op in ops) == pytest.approx(1.0)
    counts = [entry["ops"] for entry in summary["precisions"].values()]
    assert sum(counts) + summary["movement"] == summary["ops"] == len(ops)
    assert summary["precisions"]["bf16"]["ops"] == 1
    assert summary["conversions"] == sum(len(op["conversions"]) for op in ops)


def test_the_schema_knows_every_kind_and_precision() -> None:
    op = SCHEMA["properties"]["ops"]["items"]["properties"]
    assert op["placed_by"]["enum"] == list(KINDS)
    assert op["precision"]["enum"] == [*(precision.value for precision in Precision), None]
    assert SCHEMA["properties"]["stage"]["enum"] == ["", *STAGE_NAMES]


def test_the_schema_can_be_violated(model: Path) -> None:
    document = compiler.explanation(model).as_dict()
    for change in (
        {"version": 2},
        {"ops": [{**document["ops"][0], "index": -1}]},
        {"ops": [{**document["ops"][0], "precision": "int4"}]},
        {"ops": [{"index": 0}]},
        {"more": 1},
    ):
        assert violations({**document, **change}, SCHEMA)


def test_the_page_describes_every_field() -> None:
    page = (ROOT / "docs" / "explain.md").read_text()
    op = SCHEMA["properties"]["ops"]["items"]["properties"]
    names = [*SCHEMA["properties"], *op, *SCHEMA["properties"]["summary"]["properties"], *KINDS]
    assert [name for name in names if f"`{name}`" not in page] == []

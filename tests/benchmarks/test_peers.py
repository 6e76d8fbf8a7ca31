"""The comparison with other runtimes, from preparing to the table, on the smallest model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import peers
import pytest
from report import comparisons, markdown, rows_of
from runtimes.variant import Workspace


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("bench")
    arguments = ["--models", "resnet8", "--precisions", "int8", "f32", "--batches", "1"]
    arguments += ["--threads", "1", "--runtimes", "onnxruntime", "--rounds", "2"]
    arguments += ["--seconds", "0.001", "--no-costs", "--markdown"]
    output = folder / "results.json"
    assert peers.main([*arguments, "--folder", str(folder), "--output", str(output)]) == 0
    return json.loads(output.read_text())


def test_every_variant_is_timed_in_every_round(result: dict[str, Any]) -> None:
    (group,) = result["groups"]
    assert group["errors"] == {}
    assert {"octet int8", "octet f32", "onnxruntime f32", "onnxruntime int8 qdq"} <= set(
        group["seconds"]
    )
    assert all(len(times) == 2 and min(times) > 0 for times in group["seconds"].values())


def test_int8_is_close_to_float_and_float_closer(result: dict[str, Any]) -> None:
    (group,) = result["groups"]
    assert 15 < group["sqnr"]["octet int8"] < 60
    assert 15 < group["sqnr"]["onnxruntime int8 qdq"] < 60
    assert group["sqnr"]["octet f32"] > 90
    assert group["sqnr"]["onnxruntime f32"] == 400


def test_octet_is_compared_with_the_fastest_peer_of_its_precision(result: dict[str, Any]) -> None:
    found = {c.octet.precision: c for c in comparisons(result)}
    assert set(found) == {"int8", "f32"}
    rows = rows_of(result["groups"][0])
    for precision, comparison in found.items():
        peers_times = [
            r.time.value for r in rows if r.precision == precision and r.runtime != "octet"
        ]
        assert comparison.peer.time.value == min(peers_times)
        ratio = comparison.peer.ratio
        assert ratio is not None
        assert ratio.low <= ratio.value <= ratio.high


def test_the_markdown_holds_every_variant(result: dict[str, Any]) -> None:
    text = markdown(result)
    assert all(f"| {name} |" in text for name in result["groups"][0]["seconds"])
    assert "| resnet8 | 1 | 1 | int8 |" in text


def test_what_fails_is_said_and_the_rest_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that cannot do its task is a remark, not an end."""

    def fail(task: str, request: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
        if task == "prepare" and "octet" in request["variant"]:
            raise peers.WorkerError("OctetError: not this one")
        if task == "prepare":
            return {"seconds": 0.0}
        times = {name: [1.0] for name in request["variants"]}
        accuracy = dict.fromkeys(times, 30.0)
        return {"seconds": times, "sqnr": accuracy, "errors": {}, "peaks": {}}

    monkeypatch.setattr(peers, "in_worker", fail)
    arguments = ["--models", "resnet8", "--precisions", "f32", "--batches", "1", "--threads", "1"]
    arguments += ["--runtimes", "onnxruntime", "--no-costs", "--folder", str(tmp_path)]
    output = tmp_path / "results.json"
    assert peers.main([*arguments, "--output", str(output)]) == 0
    found = json.loads(output.read_text())
    assert found["skipped"] == ["resnet8, octet f32: OctetError: not this one"]
    assert list(found["groups"][0]["seconds"]) == ["onnxruntime f32"]


def test_a_runtime_that_is_not_installed_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "missing_packages", lambda runtime: ["nothing-of-the-kind"])
    arguments = ["--models", "resnet8", "--batches", "1", "--threads", "1", "--no-costs"]
    output = tmp_path / "results.json"
    monkeypatch.setattr(
        peers, "in_worker", lambda *_: {"seconds": {}, "sqnr": {}, "errors": {}, "peaks": {}}
    )
    assert peers.main([*arguments, "--folder", str(tmp_path), "--output", str(output)]) == 0
    found = json.loads(output.read_text())
    assert "openvino: not installed: nothing-of-the-kind" in found["skipped"]


def test_a_prepared_file_that_was_interrupted_is_written_again(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, peers.MODELS["resnet8"])

    def interrupted(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workspace.prepared("x", "model", interrupted)
    path = workspace.prepared("x", "model", lambda path: path.write_text("whole") and None)
    assert path.read_text() == "whole"
    assert workspace.prepared("x", "model", interrupted).read_text() == "whole"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--threads", "100000"],
        ["--rounds", "0"],
        ["--models", "resnet51"],
        ["--isa", "sse9"],
        ["--output", "no/such/folder/results.json"],
    ],
)
def test_impossible_arguments_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        peers.parse_arguments(arguments)
    assert exit_info.value.code == 2

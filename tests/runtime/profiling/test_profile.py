"""Profiles and timelines: every op is there, times add up, the JSON is what viewers read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import compiler
from compiler.cli.run import main
from runtime.executor import Span
from runtime.kernels.isa import host_isas
from runtime.profiling.machine import measure_machine
from runtime.profiling.profile import Profile, op_seconds
from runtime.profiling.report import as_table
from runtime.profiling.trace import trace_events
from runtime.program import Program

MODEL = Path(__file__).parents[3] / "examples/digits/digits.onnx"


@pytest.fixture(scope="module")
def program() -> Program:
    return compiler.compile(MODEL)


def feeds(program: Program, batch: int = 1) -> Mapping[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        spec.name: rng.standard_normal((batch, *spec.shape[1:])).astype(spec.dtype)
        for spec in program.inputs
    }


@pytest.fixture(scope="module", params=[1, 3])
def profile(program: Program, request: pytest.FixtureRequest) -> Profile:
    # Large enough a batch that sharing pays.
    return program.profile(feeds(program, 256), threads=request.param, runs=5)


def test_shares_add_up_to_one(profile: Profile) -> None:
    assert sum(op.share for op in profile.ops) == pytest.approx(1)
    assert sum(op.seconds for op in profile.ops) == pytest.approx(profile.seconds)
    assert all(op.seconds >= 0 and op.bytes > 0 for op in profile.ops)
    assert any(op.macs > 0 and op.peak_share for op in profile.ops)


def test_the_json_has_every_op_and_the_machine(profile: Profile) -> None:
    read = json.loads(json.dumps(profile.to_json()))
    assert sorted(read) == ["machine", "ops", "run_seconds", "runs", "seconds", "threads"]
    assert len(read["ops"]) == len(profile.ops)
    assert sorted(read["ops"][0]) == [
        "bytes", "kernel", "layer", "macs", "peak_share", "precision", "seconds", "share",
    ]  # fmt: skip
    assert read["machine"]["hertz"] > 1e8


def test_the_timeline_has_every_row_once_per_share(profile: Profile) -> None:
    """Every row is there, all its shares, and no row begins before the shares it depends on end."""
    shares: dict[int, list[Span]] = {}
    for span in profile.timeline:
        shares.setdefault(span.row, []).append(span)
    assert sorted(shares) == list(range(len(profile.rows)))
    for spans in shares.values():
        assert sorted(span.share for span in spans) == list(range(spans[0].shares))
        assert all(span.begin <= span.end for span in spans)


def test_trace_events_are_what_viewers_read(profile: Profile) -> None:
    trace = json.loads(json.dumps(trace_events(profile)))
    events = trace["traceEvents"]
    threads = {e["tid"] for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    assert threads == set(range(profile.threads))
    complete = [event for event in events if event["ph"] == "X"]
    assert len(complete) == len(profile.timeline)
    assert len(complete) + profile.threads + 1 == len(events)
    for event in complete:
        assert event["ts"] >= 0
        assert event["dur"] >= 0
        assert event["tid"] in threads
        assert event["name"]
    # A thread does one thing at a time.
    for thread in threads:
        of_thread = sorted((e["ts"], e["dur"]) for e in complete if e["tid"] == thread)
        for (start, duration), (following, _) in pairwise(of_thread):
            assert start + duration <= following + 1e-6


def test_the_table_is_sorted_by_time(profile: Profile) -> None:
    console = Console(width=160, record=True, quiet=True)
    console.print(as_table(profile))
    table = as_table(profile)
    times = [float(str(cell)) for cell in table.columns[3].cells]
    assert times == sorted(times, reverse=True)
    assert len(times) == len(profile.ops)


def test_time_between_two_ops_belongs_to_the_second() -> None:
    spans = [Span(0, 0, 0, 2, 10, 40), Span(0, 1, 1, 2, 15, 30), Span(1, 0, 0, 1, 55, 60)]
    np.testing.assert_allclose(op_seconds(spans, [0, 1], 2), [30e-9, 20e-9])
    # An op without rows takes no time; one that ended early neither.
    np.testing.assert_allclose(op_seconds(spans, [0, 2], 3), [30e-9, 0, 20e-9])
    np.testing.assert_allclose(op_seconds([], [], 2), [0, 0])


@pytest.mark.parametrize("isa", host_isas(), ids=str)
def test_every_machine_can_be_measured(isa) -> None:
    machine = measure_machine(isa)
    assert machine.isa == isa.name
    assert 3e8 < machine.hertz < 1e10
    assert machine.bytes_per_second > 1e8
    assert all(rate > machine.hertz for rate in machine.macs_per_second.values())


def test_the_command_writes_json_and_a_trace(
    program: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program.save(tmp_path / "digits.octet")
    trace = tmp_path / "trace.json"
    arguments = ["--profile=json", "--trace", str(trace), "--threads", "0"]
    assert main([str(tmp_path / "digits.octet"), *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["ops"]
    assert json.loads(trace.read_text())["traceEvents"]

"""Results do not depend on who computes them, nor on who dies meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from compiler.cli.lab import run
from compiler.lab.engine import Rules
from compiler.lab.record import read_record, text_of, without_time
from compiler.lab.subject import Subject, SubjectRequest
from compiler.lab.workers import DIED, Bench, Processes, Reply, Task, _one_by_one, engine_for
from dialects.errors import OctetError

PASSES = "insert-qdq,correct-bias{samples=8},propagate-qdq,squash-qdq,quantize-ops"


def lines_of(path: Path) -> list[str]:
    return sorted(text_of(without_time(line)) for line in read_record(path))


def command(model: Path, data: Path, output: Path, *more: str) -> list[str]:
    return [
        *("search", str(model), "--calibration-data", str(data), "--passes", PASSES),
        *("--ignore-contracts", "--output", str(output), *more),
    ]


@pytest.fixture(scope="module")
def alone(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines of a run in one process."""
    output = tmp_path_factory.mktemp("alone") / "runs.jsonl"
    run(command(model, data, output))
    return lines_of(output)


def test_two_processes_give_the_same(
    model: Path, data: Path, tmp_path: Path, alone: list[str]
) -> None:
    run(command(model, data, tmp_path / "runs.jsonl", "--workers", "2"))
    assert lines_of(tmp_path / "runs.jsonl") == alone


@pytest.fixture
def scheduler() -> Iterator[str]:
    """The address of a Dask cluster of two worker processes on this machine."""
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address


@pytest.mark.filterwarnings("default")
def test_a_cluster_gives_the_same(
    model: Path, data: Path, tmp_path: Path, alone: list[str], scheduler: str
) -> None:
    run(command(model, data, tmp_path / "runs.jsonl", "--scheduler", scheduler))
    assert lines_of(tmp_path / "runs.jsonl") == alone


@pytest.mark.filterwarnings("default")
def test_a_worker_of_a_cluster_may_die(
    model: Path, data: Path, tmp_path: Path, alone: list[str], scheduler: str
) -> None:
    output = tmp_path / "runs.jsonl"
    with Client(scheduler) as client:
        pids = list(client.run(os.getpid).values())

    def kill_one() -> None:
        while not (output.exists() and len(output.read_bytes().splitlines()) > 5):
            time.sleep(0.005)
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one, daemon=True)
    killer.start()
    run(command(model, data, output, "--scheduler", scheduler))
    killer.join(10)
    assert not killer.is_alive()
    assert lines_of(output) == alone


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_killed_run_goes_on(
    model: Path, data: Path, tmp_path: Path, alone: list[str], workers: str
) -> None:
    output = tmp_path / "runs.jsonl"
    arguments = command(model, data, output, "--workers", workers)
    process = subprocess.Popen(
        [sys.executable, "-m", "compiler.cli.lab", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None and not (
            output.exists() and len(output.read_bytes().splitlines()) > 10
        ):
            time.sleep(0.005)
        children = children_of(process.pid)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    # No worker lives on.
    for _ in range(200):
        if not any(map(is_alive, children)):
            break
        time.sleep(0.1)
    assert not any(map(is_alive, children))
    written = output.read_bytes()
    assert 0 < len(written.splitlines()) < len(alone)
    # As if the kill had met the middle of a line.
    output.write_bytes(written[:-20])
    run(arguments)
    assert lines_of(output) == alone


def children_of(pid: int) -> list[int]:
    task = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in task.read_text().split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_finished_run_adds_nothing(model: Path, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "runs.jsonl"
    run(command(model, data, output))
    once = output.read_bytes()
    run(command(model, data, output))
    assert output.read_bytes() == once
    assert all(json.loads(line)["time"]["at"] for line in once.splitlines())


def test_a_worker_that_dies_is_replaced(request_for: Callable[..., SubjectRequest]) -> None:
    workers = Processes(1)
    bench = Bench.of(Subject.open(request_for()), Rules())
    task = Task((), ("insert-qdq", "dce"))
    try:
        (expected,) = workers.run(bench, [task])
        (process,) = workers._pools[0]._processes.values()
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        (again,) = workers.run(bench, [task])
    finally:
        workers.close()
    outs = [step.ir_out for step in expected.steps]
    assert [step.ir_out for step in again.steps] == outs
    assert None not in outs


def test_a_worker_with_other_files_refuses(request_for: Callable[..., SubjectRequest]) -> None:
    bench = Bench.of(Subject.open(request_for()), Rules())
    digests = tuple((name, "0" if name == "data" else digest) for name, digest in bench.digests)
    with pytest.raises(OctetError, match="the data of a worker is not that of the run"):
        engine_for(replace(bench, digests=digests))


def test_a_pass_that_kills_every_worker_has_crashed() -> None:
    from concurrent.futures.process import BrokenProcessPool

    def dies_of_b(task: Task) -> Reply:
        if task.texts == ("b",):
            raise BrokenProcessPool
        return Reply(tuple(_ok() for _ in task.texts))

    reply = _one_by_one(Task((), ("a", "b", "c")), dies_of_b)
    assert [step.status for step in reply.steps] == ["ok", "crash", "ok"]
    assert reply.steps[1].error == DIED


def _ok():
    from compiler.lab.engine import Step

    return Step("ok", "0")

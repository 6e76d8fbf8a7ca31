"""Several processes and clusters give the bytes of one process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compiler
from compiler.calibration import processes
from compiler.calibration.job import Job, Part, measure_part
from compiler.calibration.parallel import BATCHES, measure_divided
from compiler.calibration.processes import ATTEMPTS, WorkerDied, WorkerProcess, worker_processes
from compiler.driver import Compilation, CompileRequest
from dialects.calibrator import Method
from dialects.errors import OctetError
from tests.compiler.small_model import images

METHODS = ("min-max", "moving-average", "percentile", "mse")
SIZES = (8, 3, 1, 8, 8, 5, 8, 2, 8, 8, 1)


def ragged() -> list[dict[str, np.ndarray]]:
    return [{"image": images(size, seed=seed)} for seed, size in enumerate(SIZES)]


def table(model: Path, folder: Path, method: str, **options: Any) -> bytes:
    """What is written after calibrating."""
    path = folder / "t.json"
    compiler.compile(
        model, ragged(), calibration_method=method, save_calibration_table=path, **options
    )
    return path.read_bytes()


def job(model: Path) -> tuple[Job, Compilation]:
    compilation = Compilation(CompileRequest(model, stop_after="simplify"))
    compilation.run()
    methods = {0: Method(), 1: Method("percentile", percentile=99.0, bins=64)}
    return Job.of(compilation.module, compilation.ctx, methods), compilation


def numbered(count: int) -> Part:
    return list(enumerate(ragged()))[:count]


@pytest.mark.parametrize("method", METHODS)
def test_workers_write_the_same_bytes(method: str, model: Path, tmp_path: Path) -> None:
    assert len(SIZES) > 2 * BATCHES  # so that every worker has something to do
    alone = table(model, tmp_path, method)
    assert table(model, tmp_path, method, calibration_workers=2) == alone


def test_a_part_is_measured_here_as_there(model: Path) -> None:
    one, _ = job(model)
    here = measure_part(one, numbered(3))
    with worker_processes(one, 1) as pool:
        there = pool.submit(numbered(3)).result()
    assert there.measurement.ranges() == here.measurement.ranges()
    assert there.measurement.batches == 3


def test_the_part_of_a_worker_that_dies_is_done_again(model: Path) -> None:
    one, _ = job(model)
    with worker_processes(one, 1) as pool:
        first = pool.submit(numbered(2)).result()
        os.kill(pool.started[0].pid, signal.SIGKILL)
        again = pool.submit(numbered(2)).result()
        assert len(pool.started) == 2
    assert again.measurement.ranges() == first.measurement.ranges()


def test_a_part_that_kills_every_worker_is_given_up(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Fragile(WorkerProcess):
        def measure(self, part: Part) -> Any:
            os.kill(self.pid, signal.SIGKILL)
            return super().measure(part)

    monkeypatch.setattr(processes, "WorkerProcess", Fragile)
    one, _ = job(model)
    with worker_processes(one, 1) as pool:
        with pytest.raises(OctetError, match=r"exit code -9, on batches 0 to 2: .* out of memory"):
            pool.submit(numbered(3)).result()
        assert len(pool.started) == ATTEMPTS


def test_a_dead_worker_is_noticed(model: Path) -> None:
    one, _ = job(model)
    worker = WorkerProcess(one)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied) as died:
        worker.measure(numbered(1))
    assert died.value.args == (-signal.SIGKILL,)
    worker.end()


def test_the_error_of_the_earliest_batch_is_raised(model: Path) -> None:
    feeds = ragged()
    for index in (len(feeds) - 1, BATCHES + 1):
        feeds[index] = {"image": np.full((1, 3, 8, 8), np.nan, np.float32)}
    with pytest.raises(OctetError, match=f"batch {BATCHES + 1}: input 'image' holds NaN"):
        compiler.compile(model, feeds, calibration_workers=2)


def test_another_version_of_octet_is_an_error(model: Path) -> None:
    one, _ = job(model)
    other = Job(one.text, one.weights, one.methods, version="0.0.0")
    with pytest.raises(OctetError, match=r"this compiler is 0\.0\.0"):
        measure_part(other, numbered(1))


def test_notes_of_workers_are_said_once(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from compiler.calibration import parallel
    from compiler.calibration.options import CalibrationOptions

    class Here:
        count = 1

        def __init__(self, job: Job) -> None:
            self.job = job

        def submit(self, part: Part) -> Any:
            result = measure_part(self.job, part)
            result.notes.append("something")

            class Done:
                def result(self) -> Any:
                    return result

            return Done()

    from contextlib import nullcontext

    monkeypatch.setattr(parallel, "_workers", lambda job, _: nullcontext(Here(job)))
    one, compilation = job(model)
    measured = measure_divided(
        compilation.ctx, compilation.module, one.methods, iter(numbered(9)), CalibrationOptions()
    )
    assert measured.batches == 9
    assert capsys.readouterr().err == "calibrate: note: something\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calibration_workers": 0}, "at least 1, got 0"),
        ({"calibration_workers": "two"}, "at least 1, got 'two'"),
        ({"calibration_workers": 2, "calibration_scheduler": "tcp://x:1"}, "give one of them"),
        ({"save_calibration_table": "t.txt"}, "expected a .json file"),
        ({"save_calibration_table": "no/such/t.json"}, "there is no folder no/such"),
        ({"calibration_report": "r.txt"}, "expected a .json file"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str, model: Path) -> None:
    with pytest.raises(OctetError) as error:
        compiler.compile(model, ragged(), **options)
    assert message in str(error.value)


# --- Dask -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as cluster:
        yield cluster


def test_a_cluster_writes_the_same_bytes(model: Path, tmp_path: Path, cluster: Any) -> None:
    alone = table(model, tmp_path, "mse")
    address = cluster.scheduler_address
    assert table(model, tmp_path, "mse", calibration_scheduler=address) == alone


def test_an_error_on_a_cluster_is_the_same(model: Path, cluster: Any) -> None:
    feeds = [{"image": np.full((1, 3, 8, 8), np.inf, np.float32)}]
    with pytest.raises(OctetError, match="batch 0: input 'image' holds NaN or Inf"):
        compiler.compile(model, feeds, calibration_scheduler=cluster.scheduler_address)


def test_no_scheduler_at_the_address(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    from compiler.calibration import cluster as module

    monkeypatch.setattr(module, "PATIENCE", "1s")
    with pytest.raises(OctetError, match="there is no Dask scheduler that answers"):
        compiler.compile(model, ragged(), calibration_scheduler="tcp://127.0.0.1:9")

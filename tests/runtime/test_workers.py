"""Workers: several runs at once, forks, systems without futexes, the end of the process."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from runtime import executor
from runtime.executor import Table
from runtime.kernels.abi import Call, kernel
from runtime.kernels.atomics import clock
from runtime.kernels.intrinsics import argument, i64_pointer
from runtime.workers import Workers, workers


@kernel
def spend(row: int, thread: int, threads: int) -> None:
    """counts[thread] += 1, after some microseconds."""
    end = clock() + argument(row, 2)
    while clock() < end:
        pass
    i64_pointer(argument(row, 1))[8 * thread] += 1


def table_of(rows: int, nanoseconds: int) -> tuple[Table, np.ndarray]:
    counts = np.zeros((8, 8), np.int64)  # a cache line per thread
    return Table([Call(spend, (counts.ctypes.data, nanoseconds), (counts,))] * rows), counts


@pytest.fixture(params=[None, False], ids=["futex", "portable"])
def pool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """Workers of this system's kind, and the portable ones."""
    chosen = Workers(sleeps=request.param)
    monkeypatch.setattr(executor, "workers", lambda: chosen)
    yield chosen
    chosen.end()


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_every_share_runs_once_with_any_number_of_threads(pool: Workers, threads: int) -> None:
    table, counts = table_of(50, 2000)
    for _ in range(20):
        table.run(threads)
    # A run may get fewer threads than it asked for, never more; row by row all shares are done.
    assert counts[0, 0] == 20 * 50
    assert counts[threads:, 0].sum() == 0


def test_workers_help_again_after_they_fell_asleep(pool: Workers) -> None:
    table, counts = table_of(200, 5000)
    helped = 0
    for _ in range(10):
        counts[:] = 0
        table.run(2)
        helped += int(counts[1, 0] > 0)
        time.sleep(0.02)
    assert helped >= 5


def test_runs_from_several_python_threads_at_once(pool: Workers) -> None:
    cases = [table_of(40, 3000) for _ in range(6)]

    def work(table: Table) -> None:
        for _ in range(15):
            table.run(2)

    threads = [threading.Thread(target=work, args=(table,)) for table, _ in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    for _, counts in cases:
        assert counts[0, 0] == 15 * 40


def test_one_table_is_run_by_one_python_thread_at_a_time(pool: Workers) -> None:
    table, counts = table_of(20, 2000)
    threads = [threading.Thread(target=lambda: [table.run(3) for _ in range(10)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counts[0, 0] == 30 * 20


def test_an_idle_worker_serves_one_job_at_a_time() -> None:
    pool = Workers()
    first = pool.claim(1, None)
    assert len(first) == 1
    others = pool.claim(1, None)
    assert not set(first) & set(others)
    for worker in (*first, *others):
        worker.reserved = False
    pool.end()


def test_a_run_goes_without_workers_that_cannot_be_started(
    pool: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    table, counts = table_of(5, 100)
    table.run(4)
    np.testing.assert_array_equal(counts[:, 0], [5, 0, 0, 0, 0, 0, 0, 0])


def test_a_forked_child_has_workers_of_its_own() -> None:
    # In a process of its own: forking one that runs tests warns of its other threads.
    run_script(
        """
        table, counts = table_of(100, 3000)
        table.run(2)
        child = os.fork()
        for _ in range(20):
            table.run(2)
        if child == 0:
            os._exit(0 if counts[0, 0] == 2100 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert counts[0, 0] == 2100
        """
    )


@pytest.mark.parametrize(
    "ending",
    ["pass", "time.sleep(0.05)", "sys.exit(0)", "atexit.register(table.run, 2)"],
)
def test_a_process_ends_cleanly_after_runs(ending: str) -> None:
    run_script(f"table, counts = table_of(100, 1000)\ntable.run(2)\n{ending}")


def test_a_process_ends_cleanly_while_others_run() -> None:
    run_script(
        """
        def work():
            table, _ = table_of(100, 1000)
            while True:
                table.run(2)

        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.2)
        """
    )


def run_script(text: str) -> None:
    here = Path(__file__)
    head = "import atexit, os, sys, threading, time\nfrom test_workers import table_of\n"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(here.parents[2]), str(here.parent)]),
    }
    command = [sys.executable, "-W", "error", "-c", head + textwrap.dedent(text)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_pool_is_shared() -> None:
    assert workers() is workers()

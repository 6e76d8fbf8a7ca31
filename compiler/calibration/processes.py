"""Worker processes on this machine.

They are plain child processes (`python -m compiler.calibration.worker`) that take pickled requests
on stdin and answer on stdout: nothing of the user's program is imported or run again in them, and
one that dies is noticed at once, its part given to another.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import IO, cast

from compiler.calibration.job import Job, Part, Result
from compiler.errors import InternalCompilerError
from dialects.errors import OctetError

ATTEMPTS = 3
"""Processes that a part is given to before it is given up."""
LINGER = 10.0
"""Seconds from closing the pipes to the end of a process."""


class WorkerDied(Exception):
    """The process ended without an answer; the argument is its exit code."""


class WorkerProcess:
    """One process, which has been given a job."""

    def __init__(self, job: Job) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "compiler.calibration.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,  # an interrupt is this process's to handle
        )
        self._requests = cast(IO[bytes], self._process.stdin)
        self._answers = cast(IO[bytes], self._process.stdout)
        self._job: Job | None = job
        """Goes with the first part."""

    @property
    def pid(self) -> int:
        return self._process.pid

    def measure(self, part: Part) -> Result:
        """Raises WorkerDied, and what the worker raised."""
        try:
            pickle.dump((self._job, part), self._requests)
            self._requests.flush()
            self._job = None
            answer = pickle.load(self._answers)
        except (OSError, EOFError, pickle.UnpicklingError):
            raise WorkerDied(self._exit_code()) from None
        match answer:
            case Result():
                return answer
            case OctetError():
                raise answer
            case _:
                raise InternalCompilerError(f"a calibration worker failed: {answer}")

    def _exit_code(self) -> int:
        """Of a process that closed its pipes; one that lingers is ended."""
        try:
            return self._process.wait(LINGER)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def end(self) -> None:
        """Ends the process, in the middle of its work if need be."""
        self._process.kill()
        self._process.wait()
        with suppress(OSError):  # what it was sent last
            self._requests.close()
        self._answers.close()


class ProcessPool:
    """So many workers; each is started when it is first needed."""

    def __init__(self, job: Job, count: int) -> None:
        self.count = count
        self._job = job
        self._idle: SimpleQueue[WorkerProcess | None] = SimpleQueue()
        for _ in range(count):
            self._idle.put(None)
        self._threads = ThreadPoolExecutor(count, "calibration")
        self.started: list[WorkerProcess] = []

    def submit(self, part: Part) -> Future[Result]:
        return self._threads.submit(self._measure, part)

    def _measure(self, part: Part) -> Result:
        worker = self._idle.get()
        try:
            for attempt in range(1, ATTEMPTS + 1):
                worker = worker or self._start()
                try:
                    return worker.measure(part)
                except WorkerDied as died:
                    worker.end()
                    worker = None
                    if attempt == ATTEMPTS:
                        raise OctetError(_gave_up(part, died.args[0])) from None
            raise AssertionError
        finally:
            self._idle.put(worker)

    def _start(self) -> WorkerProcess:
        worker = WorkerProcess(self._job)
        self.started.append(worker)
        return worker

    def end(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self.started:
            worker.end()
        self._threads.shutdown()


def _gave_up(part: Part, code: int) -> str:
    numbers = f"{part[0][0]} to {part[-1][0]}" if len(part) > 1 else str(part[0][0])
    return (
        f"calibration: {ATTEMPTS} worker processes in a row ended, the last with exit code {code}, "
        f"on batches {numbers}: they may have run out of memory; use fewer --calibration-workers, "
        "or smaller batches"
    )


@contextmanager
def worker_processes(job: Job, count: int) -> Iterator[ProcessPool]:
    """A pool of workers, which end with the block."""
    pool = ProcessPool(job, count)
    try:
        yield pool
    finally:
        pool.end()

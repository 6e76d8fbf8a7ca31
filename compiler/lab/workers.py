"""Where steps run: in this process, in worker processes, or on a Dask cluster.

Each gives replies in the order of the tasks, so that results do not depend on which it is or how
many workers it has. A worker that dies is replaced and its tasks run again, one pass at a time; a
pass that kills a worker twice has crashed.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from compiler.lab.engine import Engine, Evaluation, Rules, Step
from compiler.lab.space import Order
from compiler.lab.subject import Subject, SubjectRequest
from dialects.errors import OctetError

if TYPE_CHECKING:
    from distributed import Client

DIED = "the worker process died"


@dataclass(frozen=True)
class Task:
    """Passes to try on the program at `path`, each for itself, or that program to evaluate."""

    path: Order
    texts: Order = ()
    evaluate: bool = False


@dataclass(frozen=True)
class Reply:
    steps: tuple[Step, ...] = ()
    evaluation: Evaluation | None = None


@dataclass(frozen=True)
class Bench:
    """What workers work on: a subject, how steps are judged, and the digests that model and data
    have to have, wherever a worker reads them."""

    request: SubjectRequest
    rules: Rules
    digests: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, subject: Subject, rules: Rules) -> Bench:
        return cls(subject.request, rules, tuple(sorted(subject.digests.items())))


class Workers(Protocol):
    """What runs tasks on a subject."""

    def run(self, bench: Bench, tasks: Sequence[Task]) -> Iterator[Reply]:
        """The replies, in the order of the tasks."""
        ...

    def close(self) -> None:
        """Lets go of processes and connections."""
        ...


_engines: OrderedDict[Bench, Engine] = OrderedDict()
"""The engines of this process, the latest last."""
_ENGINES_KEPT = 4
_one_at_a_time = threading.RLock()
"""A cluster may give a process several threads; an engine works for one."""


def install(bench: Bench, engine: Engine) -> None:
    """Makes `engine` this process's own for `bench`."""
    with _one_at_a_time:
        _engines[bench] = engine
        _engines.move_to_end(bench)
        while len(_engines) > _ENGINES_KEPT:
            _engines.popitem(last=False)


def engine_for(bench: Bench) -> Engine:
    """This process's engine, made when it is first asked for. Raises OctetError when model or data
    are others than the run began with."""
    with _one_at_a_time:
        if bench not in _engines:
            subject = Subject.open(bench.request)
            for name, digest in bench.digests:
                if subject.digests[name] != digest:
                    raise OctetError(
                        f"{bench.request.model}: the {name} of a worker is not that of the run; "
                        "workers have to find the same files, and the same kind of CPU for "
                        "--target host"
                    )
            install(bench, Engine(subject, bench.rules))
        return _engines[bench]


def perform(bench: Bench, task: Task) -> Reply:
    """Runs a task in this process."""
    with _one_at_a_time:
        engine = engine_for(bench)
        if task.evaluate:
            return Reply(evaluation=engine.evaluate(task.path))
        return Reply(tuple(engine.step(task.path, text) for text in task.texts))


class InProcess:
    """One after another, here."""

    def run(self, bench: Bench, tasks: Sequence[Task]) -> Iterator[Reply]:
        return (perform(bench, task) for task in tasks)

    def close(self) -> None:
        _engines.clear()


@dataclass
class Processes:
    """Worker processes on this machine. A task goes where its program was made, if it can."""

    count: int
    _pools: list[ProcessPoolExecutor] = field(default_factory=list[ProcessPoolExecutor])
    _homes: dict[tuple[Bench, Order], int] = field(default_factory=dict[tuple[Bench, Order], int])

    def __post_init__(self) -> None:
        self._pools = [_pool() for _ in range(self.count)]

    def run(self, bench: Bench, tasks: Sequence[Task]) -> Iterator[Reply]:
        placed = self._place(bench, tasks)
        futures = [
            self._submit(worker, bench, task) for worker, task in zip(placed, tasks, strict=True)
        ]
        for worker, task, future in zip(placed, tasks, futures, strict=True):
            try:
                yield future.result()
            except BrokenProcessPool:
                yield _one_by_one(task, lambda t, w=worker: self._again(w, bench, t))

    def close(self) -> None:
        for pool in self._pools:
            pool.shutdown(cancel_futures=True)

    def _place(self, bench: Bench, tasks: Sequence[Task]) -> list[int]:
        """A worker for each task: the one that has its program, unless that has its share."""
        share = -(-sum(max(1, len(task.texts)) for task in tasks) // self.count)
        load = [0] * self.count
        placed: list[int] = []
        for task in tasks:
            worker = self._homes.get((bench, task.path))
            if worker is None or load[worker] >= share:
                worker = load.index(min(load))
            load[worker] += max(1, len(task.texts))
            placed.append(worker)
            for text in task.texts:
                self._homes.setdefault((bench, (*task.path, text)), worker)
        return placed

    def _submit(self, worker: int, bench: Bench, task: Task) -> Future[Reply]:
        try:
            return self._pools[worker].submit(perform, bench, task)
        except BrokenProcessPool:
            self._renew(worker)
            return self._pools[worker].submit(perform, bench, task)

    def _again(self, worker: int, bench: Bench, task: Task) -> Reply:
        """Runs a task once more; raises BrokenProcessPool if that kills the worker, too."""
        self._renew(worker)
        return self._pools[worker].submit(perform, bench, task).result()

    def _renew(self, worker: int) -> None:
        self._pools[worker].shutdown(wait=False, cancel_futures=True)
        self._pools[worker] = _pool()


def _pool() -> ProcessPoolExecutor:
    # Not forked: compiled kernels and their threads do not survive a fork.
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent
    )


def _end_with_parent() -> None:
    """Lets this worker end when the process that began it is killed, which cannot tell it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _one_by_one(task: Task, run: Any) -> Reply:
    """A task whose worker died, in parts: what kills a worker again has crashed."""

    def attempt(part: Task, failed: Reply) -> Reply:
        try:
            return run(part)
        except Exception as error:
            if not _is_death(error):
                raise
            return failed

    if task.evaluate:
        return attempt(task, Reply(evaluation=Evaluation("crash", error=DIED)))
    died = Reply((Step("crash", error=DIED),))
    replies = [attempt(replace(task, texts=(text,)), died) for text in task.texts]
    return Reply(tuple(step for reply in replies for step in reply.steps))


def _is_death(error: Exception) -> bool:
    return isinstance(error, BrokenProcessPool) or type(error).__name__ == "KilledWorker"


@dataclass
class Cluster:
    """The workers of a Dask scheduler. They need Octet installed, and the model and data at the
    same paths."""

    client: Client
    _owned: bool = False

    @classmethod
    def at(cls, address: str) -> Cluster:
        """Connects to a scheduler. Raises OctetError when there is none, or Dask is missing."""
        try:
            from distributed import Client
        except ImportError:
            raise OctetError(
                "--scheduler needs Dask: pip install 'octet[cluster]', here and on the workers"
            ) from None
        try:
            return cls(Client(address, timeout="10s", set_as_default=False), True)
        except (OSError, ValueError, TimeoutError) as error:
            raise OctetError(f"--scheduler {address}: cannot connect: {error}") from None

    def run(self, bench: Bench, tasks: Sequence[Task]) -> Iterator[Reply]:
        futures = [self.client.submit(perform, bench, task, pure=False) for task in tasks]
        for task, future in zip(tasks, futures, strict=True):
            try:
                yield future.result()
            except Exception as error:
                if not _is_death(error):
                    raise
                yield _one_by_one(task, lambda t: self._again(bench, t))

    def _again(self, bench: Bench, task: Task) -> Reply:
        return self.client.submit(perform, bench, task, pure=False).result()

    def close(self) -> None:
        if self._owned:
            self.client.close()


def workers_of(count: int, scheduler: str | None) -> Workers:
    """Workers as the command line asks for them. Raises OctetError for what cannot be."""
    if scheduler is not None:
        return Cluster.at(scheduler)
    if count < 1:
        raise OctetError(f"--workers: at least 1, got {count}")
    return InProcess() if count == 1 else Processes(count)

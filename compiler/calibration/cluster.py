"""Workers of a Dask cluster (the optional packages of `pip install octet[cluster]`).

The cluster's machines need the same version of Octet, and for the same bits the same instructions
as each other: float kernels of different instruction sets round sums differently.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

from compiler.calibration.job import Job, Part, Result, measure_part
from dialects.errors import OctetError

if TYPE_CHECKING:
    from distributed import Client

ATTEMPTS = 3
"""Times that a part is given to the cluster before it is given up."""
PATIENCE = "15s"
"""How long to wait for the scheduler."""


@dataclass
class _Submitted:
    """A part on its way; it is kept, to be sent again if the worker that has it dies."""

    client: Client
    job: Any
    part: Part
    future: Any = field(init=False)

    def __post_init__(self) -> None:
        self._send()

    def _send(self) -> None:
        # Sent to a worker, not through the scheduler.
        part = self.client.scatter(list(self.part), hash=False)
        key = f"octet-calibration-{uuid4().hex}"
        self.future = self.client.submit(measure_part, self.job, part, key=key, pure=False)

    def result(self) -> Result:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self.future.result()
            except OctetError:
                raise
            except Exception as error:  # of many kinds: a dead worker, lost data, a broken link
                if attempt == ATTEMPTS or self.client.status != "running":
                    first, last = self.part[0][0], self.part[-1][0]
                    raise OctetError(
                        f"--calibration-scheduler: the cluster failed on batches {first} to {last}"
                        f": {type(error).__name__}: {error}"
                    ) from error
                self._send()
        raise AssertionError


@dataclass
class ClusterWorkers:
    """The cluster, with the job on every worker."""

    client: Client
    job: Any
    count: int

    def submit(self, part: Part) -> _Submitted:
        return _Submitted(self.client, self.job, part)


@contextmanager
def cluster_workers(job: Job, address: str) -> Iterator[ClusterWorkers]:
    """Raises OctetError if Dask is not installed, or there is no scheduler at `address`."""
    try:
        from distributed import Client
    except ImportError:
        raise OctetError(
            "--calibration-scheduler needs Dask: pip install 'octet[cluster]'"
        ) from None
    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise OctetError(
            f"--calibration-scheduler {address}: there is no Dask scheduler that answers: {error}"
        ) from None
    with client:
        threads = sum(cast(dict[str, int], client.nthreads()).values())
        if not threads:
            raise OctetError(f"--calibration-scheduler {address}: the cluster has no workers")
        yield ClusterWorkers(client, client.scatter(job, broadcast=True, hash=False), threads)

"""Does one task of a benchmark in a process of its own, on the cores it is given.

    python benchmarks/worker.py REQUEST.json RESULT.json

The process is fresh so that settings that runtimes read when they are imported hold, and so that
memory is that of one variant. Requests are written by peers.py.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

CHECKED_FEEDS = 4
"""Feeds that outputs are compared on; timing goes through them in turn."""

EQUAL = 400.0
"""The SQNR, in dB, that stands for equal outputs: infinity is not in JSON."""


def prepare(request: dict[str, Any]) -> dict[str, Any]:
    """Seconds to prepare a variant's file: nothing if it is there."""
    workspace, variants = _subject(request)
    start = time.perf_counter()
    variants[request["variant"]].prepare(workspace)
    return {"seconds": time.perf_counter() - start}


def cost(request: dict[str, Any]) -> dict[str, Any]:
    """Load time (imports included), first run, and memory of one variant.

    Memory is the peak of the process less what it was before the runtime was imported.
    """
    workspace, variants = _subject(request)
    variant, setting = variants[request["variant"]], _setting(request)
    (feeds,) = workspace.model.feeds(1, setting.batch, seed=2)
    path = variant.prepare(workspace)
    before, start = _memory("VmRSS"), time.perf_counter()
    pin(request["cores"], variant.runtime, setting.isa)
    run = variant.load(path, workspace, setting)
    loaded = time.perf_counter()
    run(feeds)
    ran = time.perf_counter()
    return {
        "load_seconds": loaded - start,
        "first_run_seconds": ran - loaded,
        "peak_bytes": _memory("VmHWM") - before,
    }


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Times of all variants of one model in interleaved rounds, and how accurate they are."""
    import itertools

    import numpy as np

    setting = _setting(request)
    pin(request["cores"], "onnxruntime", setting.isa)
    from peak import measure_peaks
    from rounds import time_rounds
    from runtimes.onnxruntime_ import session
    from workloads import sqnr

    workspace, variants = _subject(request)
    feeds = workspace.model.feeds(CHECKED_FEEDS, setting.batch, seed=2)
    reference = session(workspace.onnx, setting.batch, setting.threads)
    expected = np.stack([reference.run(None, feed)[0] for feed in feeds])
    del reference
    candidates, accuracy, errors = {}, {}, {}
    for name in request["variants"]:
        try:
            run = variants[name].load(variants[name].prepare(workspace), workspace, setting)
            outputs = np.stack([np.array(run(feed)) for feed in feeds])
        except Exception as error:
            errors[name] = f"{type(error).__name__}: {str(error).strip()[:300]}"
            continue
        accuracy[name] = min(sqnr(expected, outputs), EQUAL)
        turn = itertools.cycle(feeds)
        candidates[name] = lambda run=run, turn=turn: run(next(turn))
    peaks: dict[str, list[float]] = {}

    def measure_machine() -> None:
        for name, rate in measure_peaks().items():
            peaks.setdefault(name, []).append(rate)

    times = time_rounds(
        candidates, request["rounds"], request["seconds"], measure_machine, request["statistic"]
    )
    return {"seconds": times, "sqnr": accuracy, "errors": errors, "peaks": peaks}


def pin(cores: list[int], runtime: str, isa: str | None) -> None:
    """Keeps this process on `cores`, after it has imported what must see the whole machine.

    onnxruntime 1.32 that is imported on a single core does not use AMX, at less than half its
    speed. So it is imported before; but when Octet is held to an instruction set without AMX, on a
    single core, for it has no setting that would hold it back.
    """
    if runtime == "onnxruntime":
        if cores and isa not in (None, "amx"):
            os.sched_setaffinity(0, cores[:1])
        importlib.import_module(runtime)
    if cores:
        os.sched_setaffinity(0, cores)


def _subject(request: dict[str, Any]):
    from models import MODELS
    from runtimes import variants_of
    from runtimes.variant import Workspace

    model = MODELS[request["model"]]
    return Workspace(Path(request["folder"]), model), variants_of(model)


def _setting(request: dict[str, Any]):
    from runtimes.variant import Setting

    return Setting(request["batch"], request["threads"], request["isa"])


def _memory(field: str) -> int:
    """Bytes of a field of /proc/self/status; elsewhere than on Linux there is none: 0."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    (line,) = (line for line in status.read_text().splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])


TASKS = {"prepare": prepare, "cost": cost, "measure": measure}


def main() -> None:
    request = json.loads(Path(sys.argv[1]).read_text())
    warnings.filterwarnings("ignore")
    result = TASKS[request["task"]](request)
    Path(sys.argv[2]).write_text(json.dumps(result))
    # Threads of runtimes may hang at a regular exit.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()

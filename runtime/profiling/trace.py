"""Timelines for trace viewers (chrome://tracing, ui.perfetto.dev).

The format is Google's "Trace Event Format": complete events ("X") with times in microseconds, and
metadata events ("M") that name the threads.
"""

from __future__ import annotations

from typing import Any

from runtime.profiling.profile import Profile

_PROCESS = 1


def trace_events(profile: Profile) -> dict[str, Any]:
    """The median run as a JSON object: one event per thread and kernel call."""
    start = min((span.begin for span in profile.timeline), default=0)
    names = [
        _metadata("process_name", 0, "octet"),
        *(
            _metadata("thread_name", thread, f"thread {thread}" if thread else "main thread")
            for thread in range(profile.threads)
        ),
    ]
    events = []
    for span in profile.timeline:
        op = profile.ops[profile.rows[span.row]]
        events.append(
            {
                "name": op.layer or op.kernel,
                "cat": op.kernel,
                "ph": "X",
                "pid": _PROCESS,
                "tid": span.thread,
                "ts": (span.begin - start) / 1e3,
                "dur": (span.end - span.begin) / 1e3,
                "args": {
                    "kernel": op.kernel,
                    "precision": op.precision,
                    "share": f"{span.share + 1} of {span.shares}",
                },
            }
        )
    return {"traceEvents": [*names, *events], "displayTimeUnit": "ns"}


def _metadata(kind: str, thread: int, name: str) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": _PROCESS, "tid": thread, "args": {"name": name}}

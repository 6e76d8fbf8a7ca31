"""What a run depends on: everything that is needed to do it again, and a digest of it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from compiler.lab.engine import Rules
from compiler.lab.subject import Subject, SubjectRequest
from compiler.version import __version__
from dialects.errors import OctetError
from runtime.kernels.isa import best_isa

LIBRARIES = ("llvmlite", "numba", "numpy", "onnx", "xdsl")
ENVIRONMENT = ("versions", "cpu", "isa")
"""The entries that say where a run took place, not what it was asked to do."""


def provenance(subject: Subject, rules: Rules) -> dict[str, Any]:
    """The description of a run, of JSON values only."""
    request = subject.request
    return {
        "versions": {
            "octet": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in LIBRARIES},
        },
        "cpu": cpu_name(),
        "isa": best_isa().name,
        "seed": request.seed,
        "digests": subject.digests,
        "request": {
            **asdict(request),
            "model": str(request.model),
            "passes": list(request.passes),
            "anchors": list(request.anchors),
            "options": [[name, value] for name, value in request.options],
        },
        "rules": asdict(rules),
        "head": ",".join(subject.sections.head),
        "tail": ",".join(subject.sections.tail),
        "root": subject.root,
    }


def request_of(run: Mapping[str, Any]) -> tuple[SubjectRequest, Rules]:
    """What a recorded run asked for. Raises OctetError if that cannot be read."""
    try:
        given = dict(run["request"])
        return (
            SubjectRequest(
                **{
                    **given,
                    "model": Path(given["model"]),
                    "passes": tuple(given["passes"]),
                    "anchors": tuple(given["anchors"]),
                    "options": tuple((name, _tuples(value)) for name, value in given["options"]),
                }
            ),
            Rules(**run["rules"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise OctetError(
            f"the record does not say what was run ({type(error).__name__}: {error})"
        ) from None


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def digest_of(value: Any) -> str:
    """A short digest of JSON values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cpu_name() -> str:
    """The CPU as the operating system calls it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()

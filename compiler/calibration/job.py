"""What a process needs to measure parts of the data, and how it does: here, or on a cluster."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from safetensors.numpy import save
from xdsl.dialects.builtin import ModuleOp
from xdsl.parser import Parser

from compiler.calibration.compiled import FloatProgram
from compiler.version import __version__
from dialects.calibrator import Method
from dialects.context import Feed, OctetContext, make_context
from dialects.errors import OctetError
from passes.calibrate.measuring.measurement import Measurement, measure
from runtime.artifact import program_text, weight_digests, weights_from_bytes

Part = Sequence[tuple[int, Feed]]
"""Batches, with their numbers."""


@dataclass(frozen=True)
class Job:
    """A program as text and safetensors, and how its values are measured."""

    text: str
    weights: bytes
    methods: Mapping[int, Method]
    version: str = __version__

    @classmethod
    def of(cls, module: ModuleOp, ctx: OctetContext, methods: Mapping[int, Method]) -> Job:
        arrays = ctx.weights.subset(weight_digests(module))
        return cls(program_text(module), save(arrays), dict(methods))

    @cached_property
    def digest(self) -> str:
        described = "\n".join((self.text, repr(sorted(self.methods.items())), self.version))
        return hashlib.sha256(described.encode()).hexdigest()


@dataclass
class Result:
    """What a part gave, and what the user should know."""

    measurement: Measurement
    notes: list[str] = field(default_factory=list[str])


class _Loaded:
    """A job's program, ready to run. Several threads may measure with it."""

    def __init__(self, job: Job) -> None:
        ctx = make_context()
        for array in (store := weights_from_bytes(job.weights, "a calibration job")):
            ctx.weights.add(store[array])
        self.notes: list[str] = []
        self.module = Parser(ctx, job.text, "a calibration job").parse_module()
        self.program = FloatProgram(self.module, ctx, self.notes.append)


_loaded: dict[str, _Loaded] = {}
_lock = threading.Lock()


def measure_part(job: Job, part: Part) -> Result:
    """Measures a part of the data. Raises OctetError as `measure` does, and in a process of
    another version of Octet."""
    if job.version != __version__:
        raise OctetError(
            f"calibration workers run Octet {__version__}, this compiler is {job.version}: "
            "install the same version"
        )
    with _lock:
        if job.digest not in _loaded:
            _loaded.clear()
            _loaded[job.digest] = _Loaded(job)
        loaded = _loaded[job.digest]
    measurement = measure(loaded.module, job.methods, part, loaded.program)
    return Result(measurement, list(loaded.notes))

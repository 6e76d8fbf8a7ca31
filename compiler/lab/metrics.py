"""What is measured of a final program: one function per metric, in one table.

All are deterministic. To add one, write a function of `Final` and enter it in `METRICS`; the
record, the CSV export and `Outcome.metrics` then have it. Time is measured apart
(`compiler.lab.timing`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from compiler.strategy.latency import program_ns
from compiler.strategy.metrics import Outputs, Quality, quality_of
from dialects.elements import is_quantized
from dialects.kernel.loops import Launch, LoopOp
from dialects.kernel.ops import CallOp, buffer_element
from dialects.program import body_of, main_function
from dialects.rates import Rates
from runtime.work import call_bytes, call_macs, precision_of

Value = float | int | None


@dataclass(frozen=True)
class Final:
    """A program at the end of its pipeline, what it gives, and what the float program gives."""

    module: ModuleOp = field(repr=False)
    rates: Rates = field(repr=False)
    outputs: Sequence[Outputs] = field(repr=False)
    reference: Sequence[Outputs] = field(repr=False)
    labels: np.ndarray | None = field(repr=False)

    @cached_property
    def launches(self) -> list[Launch]:
        """The kernel calls and loops, in order."""
        return [op for op in body_of(main_function(self.module)).ops if isinstance(op, Launch)]

    @cached_property
    def quality(self) -> Quality:
        return quality_of(self.outputs, self.reference, self.labels)


@dataclass(frozen=True)
class Metric:
    """A figure of a final program. `better` is `less`, `more`, or empty where neither is."""

    name: str
    meaning: str
    of: Callable[[Final], Value] = field(repr=False)
    better: str = ""


def _calls(final: Final, *kernels: str) -> int:
    return sum(isinstance(op, CallOp) and op.kernel_name in kernels for op in final.launches)


def _loops(final: Final, quantized: Callable[[LoopOp], bool]) -> int:
    return sum(isinstance(op, LoopOp) and quantized(op) for op in final.launches)


def _takes_integers(op: LoopOp) -> bool:
    return any(is_quantized(buffer_element(value)) for value in op.inputs)


def _gives_integers(op: LoopOp) -> bool:
    return any(is_quantized(buffer_element(value)) for value in op.results)


def _quantizes(final: Final) -> int:
    found = _loops(final, lambda op: _gives_integers(op) and not _takes_integers(op))
    return _calls(final, "quantize") + found


def _dequantizes(final: Final) -> int:
    found = _loops(final, lambda op: _takes_integers(op) and not _gives_integers(op))
    return _calls(final, "dequantize") + found


def _requantizes(final: Final) -> int:
    return _calls(final, "lookup") + _loops(
        final, lambda op: _takes_integers(op) and _gives_integers(op)
    )


def _int8_share(final: Final) -> float:
    macs = {op: call_macs(op) for op in final.launches}
    total = sum(macs.values())
    integer = sum(count for op, count in macs.items() if precision_of(op) == "int8")
    return integer / total if total else 0.0


def _sqnr(final: Final) -> Value:
    return final.quality.sqnr if math.isfinite(final.quality.sqnr) else None


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("kernel_calls", "kernel calls and loops", lambda f: len(f.launches), "less"),
        Metric("quantizes", "calls and loops that take floats and give integers", _quantizes),
        Metric("dequantizes", "calls and loops that take integers and give floats", _dequantizes),
        Metric("requantizes", "tables, and loops from integers to integers", _requantizes),
        Metric("int8_macs", "share of multiply-accumulates in int8", _int8_share, "more"),
        Metric(
            "bytes_moved",
            "bytes of operands and results, each touched once",
            lambda f: sum(map(call_bytes, f.launches)),
            "less",
        ),
        Metric(
            "latency_ns",
            "modelled latency on one thread",
            lambda f: program_ns(f.module, f.rates),
            "less",
        ),
        Metric("sqnr_db", "signal to noise, to the float program; empty if equal", _sqnr, "more"),
        Metric(
            "agreement",
            "share of samples with the float program's top-1",
            lambda f: f.quality.agreement,
            "more",
        ),
        Metric("accuracy", "top-1 in percent, if there are labels",
               lambda f: f.quality.accuracy, "more"),
    )
}  # fmt: skip
"""Every metric by name."""


def measured(final: Final) -> dict[str, Value]:
    """All metrics of a program."""
    return {name: metric.of(final) for name, metric in METRICS.items()}

"""The modelled latency of a lowered program, by which placements are ranked. Deterministic, so that
a search gives the same result every time."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp

from dialects.kernel.loops import Launch
from dialects.program import body_of, main_function
from dialects.rates import Rates
from runtime.work import estimated_ns


def program_ns(module: ModuleOp, rates: Rates) -> float:
    """How long a program at stage `kernel` takes on one thread at its default input sizes."""
    ops = body_of(main_function(module)).ops
    return sum(estimated_ns(op, rates) for op in ops if isinstance(op, Launch))

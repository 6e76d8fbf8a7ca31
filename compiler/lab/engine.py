"""Runs passes on one subject: a step at a time, with everything that can be said about it.

An engine lives in each worker process. Programs are found by their path, the passes that led to
them; those used last are kept, any other is made again from the nearest that is there. Steps never
change the program they start from.
"""

from __future__ import annotations

import base64
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import DiagnosticException, VerifyException

from compiler.instrumentation.numeric import LEAST_SQNR, difference, run_module
from compiler.lab.contracts import contract_of
from compiler.lab.deadline import TimeoutReached, deadline
from compiler.lab.hashing import ir_hash, output_hash
from compiler.lab.metrics import Final, measured
from compiler.lab.space import Order
from compiler.lab.subject import Subject
from compiler.pipeline import first_line, parse_pipeline
from compiler.strategy.metrics import Outputs, float_outputs
from compiler.verification import verify_structure
from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.kernel.ops import CallOp

KEPT = 512
"""Programs an engine keeps."""
PROBE_VALUES = 1024
"""Output values of the probes that are recorded, so that programs can be compared later."""

Status = Literal["ok", "inapplicable", "verify_fail", "numeric_fail", "crash", "timeout"]
Contracts = Literal["check", "ignore"]


@dataclass(frozen=True)
class Rules:
    """How steps are judged: contracts, promises about numbers, and seconds a step may take."""

    contracts: Contracts = "check"
    numeric: bool = False
    timeout: float = 120.0


@dataclass(frozen=True)
class Step:
    """What one pass did to one program. `times` are seconds and differ from run to run."""

    status: Status
    ir_out: str | None = None
    error: str = ""
    rewrites: dict[str, int] = field(default_factory=dict)
    ops: dict[str, int] = field(default_factory=dict)
    """How many more ops of each kind there are."""
    times: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """What a final program is worth. `probes` are its first outputs, for comparing programs."""

    status: Status
    metrics: dict[str, Any] = field(default_factory=dict)
    semantic: str | None = None
    probes: str = ""
    error: str = ""
    times: dict[str, float] = field(default_factory=dict)


@cache
def pass_of_text(text: str) -> ModulePass:
    """The one pass of a canonical text."""
    (one,) = parse_pipeline(text)
    return one


class Engine:
    """Steps and evaluations on one subject."""

    def __init__(self, subject: Subject, rules: Rules) -> None:
        self.subject = subject
        self.rules = rules
        self._modules: OrderedDict[Order, ModuleOp] = OrderedDict()

    # --- programs -------------------------------------------------------------------------------

    def module_at(self, path: Order) -> ModuleOp:
        """The program that `path` leads to, not to be changed."""
        if not path:
            return self.subject.module
        if path in self._modules:
            self._modules.move_to_end(path)
            return self._modules[path]
        before = self.module_at(path[:-1])
        module = cast(ModuleOp, before.clone())
        pass_of_text(path[-1]).apply(self._context(), module)
        self._keep(path, module)
        return module

    def _keep(self, path: Order, module: ModuleOp) -> None:
        self._modules[path] = module
        while len(self._modules) > KEPT:
            self._modules.popitem(last=False)

    def _context(self) -> OctetContext:
        ctx = self.subject.ctx.clone()
        ctx.statistics = Counter()
        return ctx

    # --- steps ----------------------------------------------------------------------------------

    def step(self, path: Order, text: str) -> Step:
        """Runs a pass on the program at `path`. Whatever goes wrong is the result's status."""
        try:
            with deadline(self.rules.timeout):
                return self._step(path, text)
        except TimeoutReached:
            return Step("timeout", error=f"took over {self.rules.timeout:g} s")

    def _step(self, path: Order, text: str) -> Step:
        before, one = self.module_at(path), pass_of_text(text)
        contract = contract_of(one)
        if self.rules.contracts == "check":
            missing = [fact.name for fact in contract.requires if not fact.holds(before)]
            if missing:
                return Step("inapplicable", error=f"requires {', '.join(sorted(missing))}")
        module, ctx = cast(ModuleOp, before.clone()), self._context()
        start = time.perf_counter()
        try:
            one.apply(ctx, module)
        except OctetError as error:
            return Step("inapplicable", error=first_line(error))
        except TimeoutReached:
            raise
        except Exception as error:
            return Step("crash", error=f"{type(error).__name__}: {first_line(error)}")
        applied = time.perf_counter()
        try:
            verify_structure(module)
        except (VerifyException, DiagnosticException) as error:
            return Step("verify_fail", error=first_line(error))
        verified = time.perf_counter()
        if self.rules.numeric and (problem := self._broken_promise(one, before, module)):
            return Step("numeric_fail", error=problem)
        self._keep((*path, text), module)
        return Step(
            "ok",
            ir_hash(module),
            rewrites={what: n for (_, what), n in sorted(ctx.statistics.items())},
            ops=_difference(histogram(before), histogram(module)),
            times={"pass_s": applied - start, "verify_s": verified - applied},
        )

    def _broken_promise(self, one: ModulePass, before: ModuleOp, after: ModuleOp) -> str | None:
        """What the pass changes of the results beyond its `NUMERICS`, or None."""
        feed = dict(self.subject.probes[0])
        try:
            expected, actual = (run_module(self._context(), m, feed) for m in (before, after))
        except Exception as error:
            return f"the program does not run: {type(error).__name__}: {first_line(error)}"
        return difference(expected, actual, contract_of(one).numerics)

    # --- evaluation -----------------------------------------------------------------------------

    def evaluate(self, path: Order) -> Evaluation:
        """Metrics of the program at `path`, which stands at the end of the tail."""
        try:
            with deadline(self.rules.timeout):
                return self._evaluate(path)
        except TimeoutReached:
            return Evaluation("timeout", error=f"took over {self.rules.timeout:g} s")
        except Exception as error:
            return Evaluation("crash", error=f"{type(error).__name__}: {first_line(error)}")

    def _evaluate(self, path: Order) -> Evaluation:
        module, subject = self.module_at(path), self.subject
        assert subject.ctx.target is not None
        start = time.perf_counter()
        program = subject.program(cast(ModuleOp, module.clone()))
        outputs = [program.run(feed) for feed in subject.samples.feeds]
        probed = [program.run(feed) for feed in subject.probes]
        final = Final(
            module, subject.ctx.target.rates, outputs, subject.reference, subject.samples.labels
        )
        metrics = measured(final)
        quality = final.quality
        low = quality.sqnr < LEAST_SQNR
        return Evaluation(
            "numeric_fail" if low else "ok",
            metrics,
            output_hash(probed),
            encode_probes(probed),
            f"an SQNR of {quality.sqnr:.1f} dB" if low else "",
            {"evaluate_s": time.perf_counter() - start},
        )


def histogram(module: ModuleOp) -> Counter[str]:
    """How many ops of each kind there are; kernel calls by kernel."""
    counted: Counter[str] = Counter()
    for op in module.walk():
        counted[f"{op.name}:{op.kernel_name}" if isinstance(op, CallOp) else op.name] += 1
    return counted


def _difference(before: Counter[str], after: Counter[str]) -> dict[str, int]:
    return {
        name: after[name] - before[name]
        for name in sorted({*before, *after})
        if after[name] != before[name]
    }


def encode_probes(outputs: Sequence[Outputs]) -> str:
    """The first float outputs of the probes, as base64 of float32."""
    values = [batch[name].reshape(-1) for batch in outputs for name in float_outputs(batch)]
    flat = np.concatenate(values).astype("<f4")
    step = -(-flat.size // PROBE_VALUES)
    return base64.b64encode(flat[::step].tobytes()).decode()


def decode_probes(text: str) -> np.ndarray:
    """What `encode_probes` wrote, float32."""
    return np.frombuffer(base64.b64decode(text), "<f4")

"""Watches a compilation and keeps what a report needs and the final program no longer shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from compiler.pipeline import Instrument, print_pass
from compiler.report.document import PassRecord, StageRecord
from compiler.stages import INTEGER, PLACE, STAGES
from dialects.context import OctetContext
from passes.calibrate.measuring.histogram import Histogram

if TYPE_CHECKING:
    from compiler.driver import Compilation

BINS = 2048


@dataclass
class PassLog(Instrument):
    """Counts the ops before and after every pass. Put before `Timing`, whose times it takes."""

    compilation: Compilation
    passes: list[PassRecord] = field(default_factory=list[PassRecord])
    _ops: Counter[str] = field(default_factory=Counter[str], init=False)
    _statistics: Counter[tuple[str, str]] = field(
        default_factory=Counter[tuple[str, str]], init=False
    )

    def before(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        self._ops, self._statistics = op_counts(module), ctx.statistics.copy()

    def after(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        stage, _, seconds = self.compilation.timing.steps[-1]
        ops = op_counts(module)
        rewrites = ctx.statistics - self._statistics
        self.passes.append(
            PassRecord(
                stage=stage,
                name=module_pass.name,
                options=print_pass(module_pass).removeprefix(module_pass.name).strip("{}"),
                seconds=seconds,
                ops_before=self._ops.total(),
                ops_after=ops.total(),
                deltas={
                    name: change
                    for name in sorted({*ops, *self._ops})
                    if (change := ops[name] - self._ops[name])
                },
                rewrites={event: count for (_, event), count in sorted(rewrites.items())},
            )
        )


def op_counts(module: ModuleOp) -> Counter[str]:
    """How often each op stands in a module, without the module and its function."""
    return Counter(op.name for op in module.walk() if not isinstance(op, ModuleOp | FuncOp))


@dataclass
class Snapshot:
    """A copy of the program at some stage; `origin` maps values of it to those copied."""

    module: ModuleOp
    origin: dict[SSAValue, SSAValue]

    @classmethod
    def of(cls, module: ModuleOp) -> Snapshot:
        copies: dict[SSAValue, SSAValue] = {}
        copy = cast(ModuleOp, module.clone(value_mapper=copies))
        return cls(copy, {new: old for old, new in copies.items()})


class Recorder:
    """Give it the compilation before `run`."""

    def __init__(self, compilation: Compilation) -> None:
        self.compilation = compilation
        self.log = PassLog(compilation)
        instruments = list(compilation.manager.instruments)
        place = instruments.index(compilation.timing)
        instruments.insert(place, self.log)
        compilation.manager = type(compilation.manager)(instruments)
        self._after_stage = compilation.after_stage
        compilation.after_stage = self._end_stage
        compilation.ctx.watch = self._watch
        self.histograms: dict[SSAValue, Histogram] = {}
        self.stages: list[tuple[str, Counter[str]]] = []
        self.placed: Snapshot | None = None
        self.quantized: Snapshot | None = None

    def _watch(self, value: SSAValue, array: np.ndarray) -> None:
        self.histograms.setdefault(value, Histogram(BINS)).update(array)

    def _end_stage(self, stage: str, compilation: Compilation) -> None:
        self.stages.append((stage, op_counts(compilation.module)))
        if stage == PLACE:
            self.placed = Snapshot.of(compilation.module)
        elif stage == INTEGER:
            self.quantized = Snapshot.of(compilation.module)
        if self._after_stage is not None:
            self._after_stage(stage, compilation)

    def stage_records(self) -> list[StageRecord]:
        """The stages that ran."""
        seconds = self.compilation.timing.seconds_by_stage()
        afterwards = {stage.name: stage.afterwards for stage in STAGES}
        return [
            StageRecord(name, afterwards[name], seconds.get(name, 0.0), dict(sorted(ops.items())))
            for name, ops in self.stages
        ]

"""What is studied: a model with its data, brought to where passes begin to be reordered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp

from compiler.calibration.data import open_calibration_data
from compiler.driver import Compilation, CompileRequest
from compiler.instrumentation.numeric import random_inputs
from compiler.lab.contracts import Facts
from compiler.lab.hashing import data_digest, file_digest, ir_hash, normal_form
from compiler.lab.sections import START, UNTIL, Sections, sections
from compiler.module_files import weights_path
from compiler.pipeline import PassManager, parse_pipeline, print_pass
from compiler.stages import FIRST, PLACE, STAGE_NAMES, stage_index
from compiler.strategy.evaluation_data import Samples, load_evaluation_data
from compiler.strategy.metrics import Outputs
from compiler.strategy.space import everything_in
from compiler.targets import HOST
from dialects.context import Feed, OctetContext
from dialects.errors import OctetError
from dialects.nn.attributes import Precision
from passes.facts import facts_of
from runtime.program import Program

RANDOM_BATCHES = 16
"""Batches of random inputs, where no data are given."""
PROBE_SAMPLES = 8
"""Samples whose outputs make the semantic hash, beside two random batches."""


@dataclass(frozen=True)
class SubjectRequest:
    """What to study. Plain values only: workers open it themselves.

    Parameters
    - model: a `.onnx` or `.mlir` file before the stage where reordering starts.
    - calibration: a file or folder of calibration data; without it inputs are random from `seed`.
    - evaluation: a `.npz` of inputs, with `labels` or without; without it, calibration data.
    - passes, anchors, start, until: what is reordered, see `compiler.lab.sections`.
    - target, options: as for `compiler.compile`.
    """

    model: Path
    calibration: str | None = None
    evaluation: str | None = None
    seed: int = 0
    passes: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()
    start: str = START
    until: str = UNTIL
    target: str = HOST
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        return self.model.stem


@dataclass(frozen=True)
class Subject:
    """A model where the reordered passes begin. `module` is never changed."""

    request: SubjectRequest
    sections: Sections
    module: ModuleOp = field(repr=False)
    ctx: OctetContext = field(repr=False)
    samples: Samples = field(repr=False)
    imported: ModuleOp = field(repr=False)
    """The model before the head."""
    recipe: str = ""

    @classmethod
    def open(cls, request: SubjectRequest) -> Subject:
        """Reads model and data and runs the head. Raises OctetError for what does not fit."""
        compilation = Compilation(
            CompileRequest(
                request.model, target=request.target, options=dict(request.options),
                stop_after=_stage_of(request),
            ),
            instruments=[],
        )  # fmt: skip
        compilation.run()
        module, ctx = compilation.module, compilation.ctx
        stages = {
            stage: tuple(map(print_pass, parse_pipeline(text)))
            for stage, text in compilation.remaining().items()
        }
        cut = sections(request.passes, request.anchors, request.start, request.until, stages)
        feeds = calibration_feeds(request, module)
        ctx.calibration_data = lambda: feeds
        samples = (
            Samples(tuple(feeds))
            if request.evaluation is None
            else load_evaluation_data(request.evaluation, module)
        )
        imported = normal_form(module)
        PassManager().run(ctx, module, parse_pipeline(",".join(cut.head)))
        recipe = compilation.effective_recipe().text() if request.options else ""
        return cls(request, cut, normal_form(module), ctx, samples, imported, recipe)

    @property
    def facts(self) -> Facts:
        """The facts that hold where reordering begins."""
        return facts_of(self.module)

    @cached_property
    def root(self) -> str:
        """The hash of the program where reordering begins."""
        return ir_hash(self.module)

    @cached_property
    def probes(self) -> tuple[Feed, ...]:
        """Inputs for the semantic hash: some samples, and random ones."""
        chosen: list[Feed] = []
        count = 0
        for feed in self.samples.feeds:
            chosen.append(feed)
            count += len(next(iter(feed.values())))
            if count >= PROBE_SAMPLES:
                break
        drawn = [random_inputs(self.module, self.request.seed + 1 + index) for index in range(2)]
        return (*chosen, *drawn)

    @cached_property
    def reference(self) -> list[Outputs]:
        """What the float program gives for each batch of samples."""
        request = self.request
        compilation = Compilation(
            CompileRequest(
                request.model, target=request.target, options=dict(request.options),
                rules=(everything_in(Precision.F32),),
            ),
            instruments=[],
        )  # fmt: skip
        compilation.run()
        program = compilation.program()
        return [program.run(feed) for feed in self.samples.feeds]

    def program(self, module: ModuleOp) -> Program:
        """A program that runs, of a module at the end of the tail."""
        assert self.ctx.target is not None
        return Program.from_module(module, self.ctx.weights, {"isa": self.ctx.target.isa})

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of the model's file and weights, calibration and evaluation data, target and recipe."""
        assert self.ctx.calibration_data is not None
        model = self.request.model.read_bytes()
        weights = weights_path(self.request.model)
        if self.request.model.suffix == ".mlir" and weights.is_file():
            model += weights.read_bytes()
        return {
            "model": file_digest(model),
            "data": data_digest(self.ctx.calibration_data()),
            "evaluation": self.samples.digest,
            "target": _target_digest(self.ctx),
            "recipe": file_digest(self.recipe.encode()),
        }


def _stage_of(request: SubjectRequest) -> str:
    """The stage that a model is at. Raises OctetError if what is studied has happened already."""
    if request.model.suffix != ".mlir":
        return FIRST
    compilation = Compilation(CompileRequest(request.model), instruments=[])
    compilation.effective_recipe()  # reads it
    begin = min(stage_index(request.start, "--from"), stage_index(PLACE))
    if stage_index(compilation.stage) >= begin:
        raise OctetError(
            f"{request.model} is at stage '{compilation.stage}' already: give a model, or IR from "
            f"before stage '{STAGE_NAMES[begin]}'"
        )
    return compilation.stage


def calibration_feeds(request: SubjectRequest, module: ModuleOp) -> list[Feed]:
    """The batches that passes calibrate on: those given, else random ones."""
    if request.calibration is not None:
        return list(open_calibration_data(request.calibration, module)())
    return [random_inputs(module, request.seed + 1000 + i) for i in range(RANDOM_BATCHES)]


def _target_digest(ctx: OctetContext) -> str:
    described = [
        repr(
            sorted(value.items())
            if isinstance(value, Mapping)
            else sorted(value)
            if isinstance(value, frozenset)
            else value
        )
        for value in vars(ctx.target).values()
    ]
    return hashlib.sha256("\n".join(described).encode()).hexdigest()

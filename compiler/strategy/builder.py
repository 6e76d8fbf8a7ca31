"""Programs for assignments: what comes before placement is done once, the rest for each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from xdsl.dialects.builtin import ModuleOp

from compiler.driver import Compilation
from compiler.pipeline import PassManager, parse_pipeline_specs, pass_of, print_pass
from compiler.recipes.recipe import PLACE
from compiler.stages import stage_index
from compiler.strategy.latency import program_ns
from compiler.strategy.space import (
    Assignment,
    Space,
    everything_in,
    run_placement,
    searched_ops,
    space_of,
)
from compiler.targets import HOST
from compiler.version import __version__
from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp, Quantization
from dialects.nn.scheme import Scheme
from dialects.program import STAGE, body_of, main_function, set_scheme
from dialects.target import Target
from passes.placement.rules import Rule
from runtime.artifact import program_text
from runtime.kernels.isa import Isa, best_isa, isa_named
from runtime.program import Program

CALIBRATED = "calibrate"
"""The stage that all programs of a search share."""


REQUIREMENTS = ("require-precision", "check-required")
"""The passes behind `--require`."""


@dataclass(frozen=True)
class Candidate:
    """A program that can run, and its modelled latency."""

    program: Program
    latency_ns: float


@dataclass(frozen=True)
class Builder:
    """Compiles assignments of one calibrated program.

    `module` is ready for `place`, the text of `place-precision` with the user's options; `rest`
    are the passes that follow.
    """

    module: ModuleOp
    ctx: OctetContext
    place: str
    rest: tuple[str, ...]
    space: Space = field(repr=False)

    @classmethod
    def of(cls, compilation: Compilation) -> Builder:
        """A builder for a compilation that has ended with stage `calibrate`."""
        texts = compilation.remaining().values()
        specs = [spec for text in texts for spec in parse_pipeline_specs(text)]
        # What is required of the result, placements on the way need not have.
        specs = [spec for spec in specs if spec.name not in REQUIREMENTS]
        passes = [print_pass(pass_of(spec)) for spec in specs]
        (position,) = [i for i, text in enumerate(passes) if text.startswith(PLACE)]
        ctx, module = compilation.ctx, cast(ModuleOp, compilation.module.clone())
        for text in passes[:position]:
            _run(ctx, module, text)
        place = passes[position]
        return cls(module, ctx, place, tuple(passes[position + 1 :]), space_of(module, ctx, place))

    @property
    def target(self) -> Target:
        assert self.ctx.target is not None
        return self.ctx.target

    @property
    def isa(self) -> Isa:
        """The instruction set that programs of the target run with here."""
        name = self.target.isa
        return best_isa() if name == HOST else isa_named(name)

    def program_digest(self) -> str:
        """Of the calibrated program: its ops, ranges, weights, and the passes to come."""
        text = "\n".join((program_text(self.module), self.place, *self.rest))
        return hashlib.sha256(text.encode()).hexdigest()

    def target_digest(self) -> str:
        """Of the target, the instruction set that runs here, and this version."""
        described = [
            repr(sorted(value.items()) if isinstance(value, Mapping) else
                 sorted(value) if isinstance(value, frozenset) else value)
            for value in vars(self.target).values()
        ]  # fmt: skip
        text = "\n".join((*described, self.isa.name, __version__))
        return hashlib.sha256(text.encode()).hexdigest()

    def ops_in(self, precision: Precision) -> list[tuple[str, str]]:
        """The ops that the user's own placement puts there: a selector and the name of each."""
        module, ctx = cast(ModuleOp, self.module.clone()), self.ctx.clone()
        run_placement(module, ctx, self.place, ())
        return [
            (f"index:[{index}:{index + 1}]", op.source_name)
            for index, op in enumerate(searched_ops(module))
            if op.precision is not None
            and op.precision.data is precision
            and op.QUANTIZATION is not Quantization.MOVES
        ]

    def with_rules(self, rules: Sequence[Rule]) -> Program:
        """The user's program with further rules."""
        return self._program(self._finish(self.place, rules))

    def reference(self) -> Program:
        """The program in float32, whatever the user's rules."""
        return self._program(self._finish(PLACE, (everything_in(Precision.F32),)))

    def build(self, assignment: Assignment) -> Candidate:
        """The program of an assignment, lowered. Raises OctetError if this machine cannot run
        programs of the target."""
        module = self.lowered(assignment)
        program = self._program(module)
        return Candidate(program, program_ns(module, self.target.rates))

    def lowered(self, assignment: Assignment) -> ModuleOp:
        """The IR of an assignment at stage `kernel`."""
        return self._finish(self.place, self.space.rules(assignment))

    def _finish(self, place: str, rules: Sequence[Rule]) -> ModuleOp:
        ctx, module = self.ctx.clone(), cast(ModuleOp, self.module.clone())
        run_placement(module, ctx, place, rules)
        drop_unused_schemes(module)
        for text in self.rest:
            _run(ctx, module, text)
        return module

    def _program(self, module: ModuleOp) -> Program:
        return Program.from_module(module, self.ctx.weights, {"isa": self.isa.name})


def drop_unused_schemes(module: ModuleOp) -> None:
    """Forgets how values are to be quantized that no int8 op computes or takes: numbers that were
    fixed and are not used would be an error."""
    for op in searched_ops(module):
        if op.precision is None or op.precision.data is not Precision.INT8:
            op.scheme = op.weight_scheme = None
    for argument in body_of(main_function(module)).args:
        users = (use.operation for use in argument.uses)
        if not any(isinstance(user, NnOp) and user.is_int8 for user in users):
            set_scheme(argument, Scheme())


def _run(ctx: OctetContext, module: ModuleOp, text: str) -> None:
    PassManager().run(ctx, module, tuple(map(pass_of, parse_pipeline_specs(text))))


def check_stage(compilation: Compilation) -> None:
    """Raises OctetError if the model is IR that has passed the stage where precisions are
    chosen."""
    if not hasattr(compilation, "module") or STAGE not in compilation.module.attributes:
        return
    if stage_index(compilation.stage) > stage_index(CALIBRATED):
        raise OctetError(
            f"{compilation.request.model} is at stage '{compilation.stage}': precisions are chosen "
            "already; --strategy auto starts from a model, or from IR of stage 'calibrate' or "
            "before"
        )

"""Compilation: a model, or IR at any stage, taken through the stages to IR or a program.

    request = CompileRequest(Path("model.onnx"), calibration_data=..., options={...})
    compilation = Compilation(request)
    compilation.run()
    compilation.write(Path("model.octet"))

What a later command needs to go on stands in the module: the stage reached, the pipeline that
ran, the pipeline that is left (with the options it was asked for), and the target. So stopping
after any stage and resuming from the text gives the same bytes as going through in one run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from xdsl.dialects.builtin import DictionaryAttr, ModuleOp, StringAttr
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import VerifyException

from compiler.calibration.data import CalibrationData, open_calibration_data
from compiler.calibration.options import CalibrationOptions
from compiler.calibration.session import Session
from compiler.errors import InternalCompilerError
from compiler.explain import Explanation, Placement, explanation_of, followed, placements_of
from compiler.explain.gains import ModelledTimes, rates_of
from compiler.instrumentation.reproducer import CrashReproducer
from compiler.instrumentation.timing import Timing
from compiler.module_files import read_module, strip_name_hints, write_module
from compiler.options import apply_overrides
from compiler.pipeline import (
    Instrument,
    PassManager,
    first_line,
    parse_pipeline,
    parse_pipeline_specs,
    pass_of,
    print_pipeline,
)
from compiler.recipes.recipe import Recipe
from compiler.recipes.sources import effective_recipe
from compiler.recipes.toml_file import recipe_of_text
from compiler.stages import (
    FIRST,
    KEPT,
    LAST,
    PLACE,
    REMAINING,
    REQUIRE,
    STAGE_NAMES,
    STAGES,
    TARGET,
    Stage,
    stage_index,
    stage_of_pass,
)
from compiler.targets import HOST, load_target
from compiler.verification import verify_structure
from compiler.version import __version__
from dialects.context import OctetContext, make_context
from dialects.errors import OctetError
from dialects.program import HISTORY, RECIPE, STAGE
from passes.base import OctetPass
from passes.placement.rules import Rule

if TYPE_CHECKING:
    from runtime.program import Program


@dataclass(frozen=True)
class CompileRequest:
    """What to compile, and how.

    Parameters
    - model: a `.onnx` file, or a `.mlir` file at any stage.
    - calibration_data: see `compiler.calibration.data`; without it the program stays float.
    - stop_after: the last stage to run.
    - pass_pipeline: passes to run in place of the stage table.
    - target: a target's name or file; by default what the module says, else `host`.
    - shapes: sizes of ONNX inputs by name.
    - constants: ONNX inputs that become constants, by name.
    - options: compile options: settings of passes (`compiler.options`), and the recipe, as files
      (`compiler.recipes.sources`) and as rules (`compiler.recipes.flags`).
    - calibration: tables, workers and reports of calibration.
    - rules: rules of the recipe that come after all those of `options`.
    - debug_info: the artifact keeps the program at earlier stages (`compiler.accuracy`).
    """

    model: Path
    calibration_data: CalibrationData | None = None
    stop_after: str = LAST
    pass_pipeline: str | None = None
    target: str | None = None
    shapes: Mapping[str, Sequence[int]] = field(default_factory=dict[str, Sequence[int]])
    constants: Mapping[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    rules: tuple[Rule, ...] = ()
    calibration: CalibrationOptions = field(default_factory=CalibrationOptions)
    debug_info: bool = False


class Compilation:
    """One compilation: the module, its context, and the stages."""

    def __init__(
        self,
        request: CompileRequest,
        instruments: Sequence[Instrument] | None = None,
        timing: Timing | None = None,
        after_stage: Callable[[str, Compilation], None] | None = None,
    ) -> None:
        """`after_stage` is called with each stage's name when the stage has ended."""
        self.request = request
        self.timing = timing or Timing(report=False)
        self.manager = PassManager(
            [CrashReproducer(), self.timing] if instruments is None else instruments
        )
        self.after_stage = after_stage
        self.ctx: OctetContext = make_context()
        self.placed: list[Placement] = []
        """The ops as stage `place` left them, if it ran or was where the compilation began."""
        self.kept: dict[str, ModuleOp] = {}
        """The program at earlier stages, if debug info was asked for."""
        self.calibrated = False
        """A stage has used the calibration data."""
        self.module: ModuleOp
        self.asked: Recipe
        """What this compilation asks for, beside what the module says already."""

    def run(self) -> None:
        """Imports the model and runs the stages. Raises OctetError for what the user can mend."""
        stage_index(self.request.stop_after, "--stop-after")
        self.asked = self._asked_for()
        try:
            self.timing.stage = FIRST
            with self.timing.step("read the model"):
                self.module = self._read()
            self._choose_target()
            self._open_calibration_data()
            if self.request.pass_pipeline is not None:
                self._run_custom_pipeline(self.request.pass_pipeline)
            else:
                self._run_stages()
        finally:
            self.manager.finish()

    def _asked_for(self) -> Recipe:
        options = effective_recipe(self.request.options, self.request.model)
        return options.then(Recipe(rules=self.request.rules))

    def effective_recipe(self) -> Recipe:
        """What was asked for when the program was begun, and now. Runs nothing that has not run."""
        if not hasattr(self, "module"):
            self.asked = self._asked_for()
            self.module = self._read()
            self._record_recipe()
        return self._recorded_recipe()

    # --- reading ----------------------------------------------------------------------------

    def _read(self) -> ModuleOp:
        path, request = self.request.model, self.request
        match path.suffix:
            case ".onnx":
                from compiler.frontends.onnx import import_onnx

                module = import_onnx(
                    path, self.ctx, shapes=request.shapes, constants=request.constants
                )
            case ".mlir":
                if request.shapes or request.constants:
                    raise OctetError(
                        f"{path}: shapes and constants are chosen when an ONNX model is imported; "
                        "this is IR already"
                    )
                module = read_module(path, self.ctx)
            case ".octet":
                raise OctetError(f"{path} is a compiled program already: run it with octet-run")
            case _:
                raise OctetError(f"{path}: expected a .onnx model or .mlir text")
        strip_name_hints(module)
        self._verify(module, "the model as read" if path.suffix == ".mlir" else "import")
        self._check_stage(module)
        return module

    def _check_stage(self, module: ModuleOp) -> None:
        stage = module.attributes.get(STAGE)
        if stage is None:
            self._set(module, STAGE, FIRST)
            self._set(module, HISTORY, "")
            return
        if not isinstance(stage, StringAttr):
            raise OctetError(f"{self.request.model}: {STAGE} should be a string, got {stage}")
        stage_index(stage.data, f"{self.request.model}: {STAGE}")

    def _choose_target(self) -> None:
        recorded = self.module.attributes.get(TARGET)
        name = self.request.target
        if name is None:
            name = recorded.data if isinstance(recorded, StringAttr) else HOST
        self.ctx.target = load_target(name)
        # A file is recorded by its path: a resumed compilation has to find it again.
        self._set(self.module, TARGET, name)

    def _open_calibration_data(self) -> None:
        self.request.calibration.check_sources(self.request.calibration_data is not None)
        self.ctx.calibrator = Session(self.request.calibration)
        if self.request.calibration_data is not None:
            self.ctx.calibration_data = open_calibration_data(
                self.request.calibration_data, self.module
            )

    # --- stages -----------------------------------------------------------------------------

    @property
    def stage(self) -> str:
        """The last stage that was completed."""
        return cast(StringAttr, self.module.attributes[STAGE]).data

    def _run_stages(self) -> None:
        reached = stage_index(self.stage)
        stop = stage_index(self.request.stop_after)
        if stop < reached:
            raise OctetError(
                f"{self.request.model} is at stage '{self.stage}' already, past "
                f"--stop-after={self.request.stop_after}"
            )
        self._note_placement(self.stage)
        plan = self._plan(STAGES[reached + 1 :])
        self._record_recipe()
        if reached == 0:
            self._end_stage(FIRST, (), plan)
        for stage in STAGES[reached + 1 : stop + 1]:
            self.timing.stage = stage.name
            text = plan.pop(stage.name)
            pipeline = parse_pipeline(text)
            pipeline = tuple(one for one in pipeline if self._can_run(one))
            self.calibrated |= any(map(needs_data, pipeline))
            self.manager.run(self.ctx, self.module, pipeline)
            with self.timing.step("verify"):
                self._verify(self.module, f"stage {stage.name}")
            self._end_stage(stage.name, pipeline, plan)

    def _can_run(self, module_pass: ModulePass) -> bool:
        """Without data and without tables of ranges in its place, passes that read it are left out.

        With a table, one that is asked for and needs more than ranges says so itself.
        """
        has_source = self.ctx.calibration_data is not None or self.request.calibration.tables
        return bool(has_source) or not needs_data(module_pass)

    def remaining(self) -> dict[str, str]:
        """Canonical pipelines of the stages still to come, with the options asked for: what the
        module says since the last stage ended."""
        recorded = self.module.attributes.get(REMAINING)
        assert isinstance(recorded, DictionaryAttr)
        return {name: cast(StringAttr, text).data for name, text in recorded.data.items()}

    def _plan(self, stages: Sequence[Stage]) -> dict[str, str]:
        """Canonical pipelines of `stages`: the module's own, else the table's, with the options
        that were asked for. Raises OctetError for an option of a pass that is not among them."""
        overrides = self.asked.overrides()
        recorded = self.module.attributes.get(REMAINING)
        texts = {
            stage.name: text.data
            if isinstance(recorded, DictionaryAttr)
            and isinstance(text := recorded.data.get(stage.name), StringAttr)
            else ",".join(stage.passes)
            for stage in stages
        }
        specs = {
            name: apply_overrides(parse_pipeline_specs(text), overrides)
            for name, text in texts.items()
        }
        present = {spec.name for specs_of_stage in specs.values() for spec in specs_of_stage}
        for name in overrides:
            if name == REQUIRE and name not in present:
                raise OctetError(
                    f"{self.request.model}: requirements are resolved while ops are as they were "
                    f"placed, which this program at stage '{self.stage}' is past; give --require "
                    f"when compiling from stage '{PLACE}' or before (those given then still hold)"
                )
            if name not in present:
                raise OctetError(
                    f"an option sets {name}{{{', '.join(overrides[name])}}}, but that pass is not "
                    f"among those still to run ({', '.join(sorted(present)) or 'none'})"
                )
        return {
            name: print_pipeline(map(pass_of, specs_of_stage))
            for name, specs_of_stage in specs.items()
        }

    def _end_stage(
        self, stage: str, pipeline: Sequence[ModulePass], plan: Mapping[str, str]
    ) -> None:
        self._record(stage, pipeline, plan)
        self._note_placement(stage)
        if self.request.debug_info and stage in KEPT:
            self.kept[stage] = cast(ModuleOp, self.module.clone())
        if self.after_stage is not None:
            self.after_stage(stage, self)

    def _note_placement(self, stage: str) -> None:
        if stage == PLACE:
            times = ModelledTimes(self.ctx.target, self.ctx.weights)
            self.placed = placements_of(self.module, times)

    def _run_custom_pipeline(self, text: str) -> None:
        if self.request.stop_after != LAST:
            raise OctetError("--pass-pipeline replaces the stages: --stop-after has no meaning")
        if self.request.options:
            raise OctetError(
                "--pass-pipeline says everything about the passes: write options into it, as "
                f"pass{{option=value}}, in place of {', '.join(sorted(self.request.options))}"
            )
        pipeline = parse_pipeline(text)
        self.timing.stage = "pipeline"
        self.manager.run(self.ctx, self.module, pipeline)
        self._verify(self.module, "the pipeline")
        stages = [stage_of_pass(module_pass.name) or FIRST for module_pass in pipeline]
        reached = max((self.stage, *stages), key=STAGE_NAMES.index)
        self._record(reached, pipeline, {})

    # --- module attributes ------------------------------------------------------------------

    def _recorded_recipe(self) -> Recipe:
        """What the module says it was asked for."""
        text = self.module.attributes.get(RECIPE)
        return recipe_of_text(text.data, RECIPE) if isinstance(text, StringAttr) else Recipe()

    def _record_recipe(self) -> None:
        if not self.asked.is_empty:
            self._set(self.module, RECIPE, self._recorded_recipe().then(self.asked).text())

    def _record(self, stage: str, pipeline: Sequence[ModulePass], plan: Mapping[str, str]) -> None:
        """Writes what was done and what is left into the module, in a fixed order."""
        strip_name_hints(self.module)
        past = self.module.attributes.get(HISTORY)
        history = [past.data] if isinstance(past, StringAttr) and past.data else []
        self._set(self.module, STAGE, stage)
        self._set(self.module, HISTORY, ",".join([*history, *map(_printed, pipeline)]))
        attributes = {**self.module.attributes}
        attributes.pop(REMAINING, None)
        if plan:
            attributes[REMAINING] = DictionaryAttr(
                {name: StringAttr(text) for name, text in plan.items()}
            )
        self.module.attributes = dict(sorted(attributes.items()))

    @staticmethod
    def _set(module: ModuleOp, name: str, value: str) -> None:
        module.attributes[name] = StringAttr(value)

    @staticmethod
    def _verify(module: ModuleOp, where: str) -> None:
        try:
            verify_structure(module)
        except VerifyException as error:
            message = f"{where} is not valid IR: {first_line(error)}"
            if where == "the model as read":
                raise OctetError(message) from error
            raise InternalCompilerError(message) from error

    # --- results ----------------------------------------------------------------------------

    @property
    def placements(self) -> list[Placement]:
        """Every op with its precision and why, as far as the program was compiled."""
        if not self.placed:
            return placements_of(self.module)
        return followed(self.placed, self.module, rates_of(self.ctx.target))

    def explanation(self) -> Explanation:
        """`placements` with the stage reached, the target and the passes that ran."""
        return explanation_of(self.module, self.placements)

    def program(self) -> Program:
        """The compiled program. Raises OctetError when the module is not at the last stage."""
        if self.stage != LAST:
            raise OctetError(
                f"a program can run once stage '{LAST}' is done; this one is at '{self.stage}': "
                "write it as .mlir"
            )
        missing = [stage for stage in KEPT if stage not in self.kept]
        if self.request.debug_info and missing:
            raise OctetError(
                f"--debug-info keeps the program at stage '{missing[0]}', which did not run in "
                "this compilation: compile from a stage before it, without --pass-pipeline"
            )
        from runtime.program import Program

        program = Program.from_module(self.module, self.ctx.weights, self._manifest())
        program.sections = self.kept
        return program

    def _manifest(self) -> dict[str, Any]:
        from importlib.metadata import version

        assert self.ctx.target is not None
        recipe = self.module.attributes.get(RECIPE)
        return {
            "recipe": recipe.data if isinstance(recipe, StringAttr) else "",
            "octet": __version__,
            "versions": {name: version(name) for name in ("numba", "numpy", "xdsl")},
            "pipeline": cast(StringAttr, self.module.attributes[HISTORY]).data,
            "target": self.ctx.target.name,
            "isa": self.ctx.target.isa,
        }

    def write(self, path: Path) -> None:
        """Writes a `.octet` artifact, or `.mlir` text with a `.safetensors` beside."""
        with self.timing.step("write"):
            if path.suffix == ".octet":
                self.program().save(path)
            elif path.suffix == ".mlir":
                write_module(self.module, self.ctx.weights, path)
            else:
                raise OctetError(f"{path}: an output ends in .octet or .mlir, or is -")


def needs_data(module_pass: ModulePass) -> bool:
    """The pass reads calibration data."""
    return isinstance(module_pass, OctetPass) and module_pass.NEEDS_DATA


def _printed(module_pass: ModulePass) -> str:
    return print_pipeline((module_pass,))

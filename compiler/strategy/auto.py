"""Strategy `auto`: the fastest placement within a budget, found by measuring.

import, simplify, calibrate    once
sensitivity                    what each op adds in each precision      (sensitivity.py)
search                         placements proposed, then measured       (surrogate.py,
                                                                           search.py)
confirmation                   with the ranges and samples of the final program
results                        rules, log, Pareto file                  (recipe.py, pareto.py)
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from compiler.driver import Compilation, CompileRequest
from compiler.recipes.flags import ONLY
from compiler.recipes.sources import effective_recipe
from compiler.strategy.builder import CALIBRATED, Builder, check_stage
from compiler.strategy.evaluation_data import (
    Samples,
    hold_out,
    load_evaluation_data,
)
from compiler.strategy.evaluator import Evaluator
from compiler.strategy.metrics import Budget, Quality, drop
from compiler.strategy.pareto import CSV, PLOT, points_of, write_csv, write_plot
from compiler.strategy.progress import Watcher
from compiler.strategy.recipe import RECIPE, chosen_rules, recipe_text, write_recipe
from compiler.strategy.request import AutoRequest
from compiler.strategy.search import Search
from compiler.strategy.sensitivity import measure_sensitivities
from compiler.strategy.space import Assignment
from compiler.strategy.state import Measured, opened
from compiler.strategy.surrogate import Surrogate, surrogate_of
from compiler.strategy.timing import measure_latencies
from dialects.errors import OctetError
from dialects.nn.attributes import Precision
from dialects.program import RANGE, argument_attributes, main_function
from passes.placement.cost_model import CostModel
from passes.placement.rules import Rule

SENSITIVITY_SAMPLES = 64
"""Noise is an average over samples and all their outputs: a few samples are enough to rank ops."""


@dataclass(frozen=True)
class Found:
    """The result of a search.

    - met: the placement is within the budget; otherwise it is the closest that was found.
    - latencies: measured seconds of the chosen program, all-int8 and all-float, for information.
    """

    rules: tuple[Rule, ...]
    met: bool
    assignment: Assignment
    measured: Measured
    reference: Quality
    evaluations: int
    budget: Budget
    text: str
    """The recipe."""
    latencies: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class Prepared:
    """The calibrated programs and samples of a search. `final` has the ranges of all calibration
    data; it is `search` unless samples were held out."""

    search: Builder
    final: Builder
    samples: Samples


def find_placement(request: CompileRequest, auto: AutoRequest, watcher: Watcher) -> Found:
    """Searches for the fastest placement of a model. `request` holds the user's rules.

    Raises OctetError for data or options that do not fit, and for a target whose programs this
    machine cannot run.
    """
    _check(request)
    if isinstance(request.calibration_data, Iterator):
        request = replace(request, calibration_data=list(request.calibration_data))
    end = None if auto.time_limit is None else time.monotonic() + auto.time_limit
    prepared = _prepare(request, auto, watcher)
    if not prepared.search.space.choices:
        raise OctetError(
            f"{request.model}: there is no op whose precision --strategy auto could choose: the "
            "target, the missing ranges or the rules given leave none"
        )
    with opened(auto.state) as log:
        searching = Evaluator(prepared.search, prepared.samples, log, auto.jobs, watcher.measured)
        sensing = replace(searching, samples=prepared.samples.subset(SENSITIVITY_SAMPLES))
        watcher.stage("sensitivity of ops")
        noise_of = measure_sensitivities(sensing, auto.max_evaluations // 2)
        builder = prepared.search
        costs = CostModel(builder.target)
        surrogate = surrogate_of(builder.module, builder.space, costs, noise_of)

        def improved(assignment: Assignment, measured: Measured) -> None:
            watcher.best(measured)
            if auto.state is not None:
                text = _recipe(surrogate, assignment, measured, searching.reference, auto, request)
                write_recipe(text, auto.state)

        search = Search(
            searching,
            surrogate,
            auto.budget,
            auto.max_evaluations - len(sensing.measured),
            auto.seed,
            improved,
            lambda: end is not None and time.monotonic() >= end,
        )
        watcher.stage("search")
        ranked = search.run()
        watcher.stage("confirmation")
        confirming = (
            searching
            if prepared.final is prepared.search
            else replace(searching, builder=prepared.final)
        )
        found = _confirm(ranked, search, confirming, surrogate, auto, request)
        found = replace(found, evaluations=len(sensing.measured) + len(search.seen))
    if auto.state is not None:
        _write_results(found, search, auto.state, watcher)
    return replace(found, latencies=_measure(prepared.final, found.assignment, prepared.samples))


# --- before ---------------------------------------------------------------------------------------

TAKEN = ("precision", "op_types_to_quantize")
"""Settings that say what ops without a rule of their own get: the search does."""


def _check(request: CompileRequest) -> None:
    settings = effective_recipe(request.options, request.model).settings
    only = request.options.get(ONLY) is not None
    for name in (*((ONLY,) if only else ()), *(name for name in TAKEN if name in settings)):
        raise OctetError(
            "--strategy auto chooses the precision of every op without a rule of its own: leave "
            f"out --{name.replace('_', '-')}; rules such as --keep-float and --place it keeps"
        )
    if request.pass_pipeline is not None:
        raise OctetError("--strategy chooses within the stages: leave out --pass-pipeline")


def _prepare(request: CompileRequest, auto: AutoRequest, watcher: Watcher) -> Prepared:
    watcher.stage("calibration")
    if auto.evaluation_data is not None:
        compilation = _calibrated(request)
        _note_missing_ranges(compilation, watcher)
        builder = Builder.of(compilation)
        samples = load_evaluation_data(auto.evaluation_data, builder.module)
        if auto.budget.kind == "max-drop" and samples.labels is None:
            raise OctetError(
                "--max-drop: the evaluation data has no array 'labels' with the class of each "
                "sample"
            )
        return Prepared(builder, builder, samples)
    if request.calibration_data is None:
        raise OctetError(
            "--strategy auto measures placements on data: give --evaluation-data, or "
            "--calibration-data to hold samples out of"
        )
    plain = _calibrated(replace(request, calibration_data=None))
    kept, samples = hold_out(request.calibration_data, plain.module)
    watcher.note(
        f"no --evaluation-data: placements are measured on {samples.count} samples held out of the "
        "calibration data; a set of its own is a better measure"
    )
    search = Builder.of(_calibrated(replace(request, calibration_data=kept)))
    return Prepared(search, Builder.of(_calibrated(request)), samples)


def _calibrated(request: CompileRequest) -> Compilation:
    quiet = request.calibration.quiet
    compilation = Compilation(replace(request, stop_after=CALIBRATED, calibration=quiet), ())
    try:
        compilation.run()
    except OctetError:
        check_stage(compilation)
        raise
    return compilation


def _note_missing_ranges(compilation: Compilation, watcher: Watcher) -> None:
    arguments = argument_attributes(main_function(compilation.module))
    if not any(RANGE in attributes for attributes in arguments):
        watcher.note("no calibration data: int8 is not among the choices, except where the model "
                     "itself is quantized")  # fmt: skip


# --- after ----------------------------------------------------------------------------------------


def _confirm(
    ranked: list[Assignment],
    search: Search,
    evaluator: Evaluator,
    surrogate: Surrogate,
    auto: AutoRequest,
    request: CompileRequest,
) -> Found:
    """The first of `ranked` that is within the budget as the final program has it, else the one
    that misses it least."""
    best: tuple[float, Assignment, Measured] | None = None
    for assignment in ranked:
        if best is not None and search.rank(assignment)[0] > 0:
            break
        (measured,) = evaluator.measure([assignment])
        excess = auto.budget.excess(measured.quality, evaluator.reference)
        if best is None or excess < best[0]:
            best = excess, assignment, measured
        if excess == 0:
            break
    assert best is not None
    excess, assignment, measured = best
    return Found(
        rules=chosen_rules(surrogate, assignment),
        met=excess == 0,
        assignment=assignment,
        measured=measured,
        reference=evaluator.reference,
        evaluations=0,
        budget=auto.budget,
        text=_recipe(surrogate, assignment, measured, evaluator.reference, auto, request),
    )


def _recipe(
    surrogate: Surrogate,
    assignment: Assignment,
    measured: Measured,
    reference: Quality,
    auto: AutoRequest,
    request: CompileRequest,
) -> str:
    missed = auto.budget.excess(measured.quality, reference) > 0
    heading = [
        f"{request.model.name}: found by --strategy auto, {auto.budget}, seed {auto.seed}",
        f"{figures(measured, reference)}{', beyond the budget' if missed else ''}",
    ]
    return recipe_text(chosen_rules(surrogate, assignment), heading)


def figures(measured: Measured, reference: Quality) -> str:
    """One line: modelled latency and quality."""
    quality = measured.quality
    parts = [f"modelled {measured.latency_ns / 1e3:.1f} us", f"SQNR {quality.sqnr:.1f} dB"]
    parts.append(f"agreement {quality.agreement:.4f}")
    if quality.accuracy is not None:
        parts.append(f"top-1 {quality.accuracy:.2f} % (drop {drop(quality, reference):.2f})")
    return ", ".join(parts) + f" on {quality.samples} samples"


def _write_results(found: Found, search: Search, folder: Path, watcher: Watcher) -> None:
    write_recipe(found.text, folder)
    points = points_of(search.seen, search.budget, search.reference)
    write_csv(points, search.reference, folder / CSV)
    if not write_plot(points, found.assignment, search.budget, folder / PLOT):
        watcher.note(f"matplotlib is not installed: {folder / PLOT} was not drawn")
    watcher.note(f"rules in {folder / RECIPE}, all placements in {folder / CSV}")


def _measure(builder: Builder, assignment: Assignment, samples: Samples) -> dict[str, float]:
    programs: dict[str, Any] = {
        "chosen": builder.build(assignment).program,
        "all int8": builder.build(builder.space.uniform(Precision.INT8)).program,
        "all float": builder.reference(),
    }
    return measure_latencies(programs, samples.feeds[0])

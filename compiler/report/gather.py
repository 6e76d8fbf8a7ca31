"""The report of a compilation, from what was recorded and from running its programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import islice

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from compiler.accuracy.causes import Cause
from compiler.accuracy.decibels import Decibels
from compiler.accuracy.document import cause_at
from compiler.accuracy.measure import Accuracy, measure_accuracy, single_samples
from compiler.accuracy.pairs import Placed, quantized_values
from compiler.driver import Compilation
from compiler.explain import Placement
from compiler.report.bottlenecks import bottlenecks_of
from compiler.report.document import Op, Report, Summary, share_of
from compiler.report.graph import graph_of
from compiler.report.recorder import Recorder
from compiler.report.text import texts_of
from compiler.report.times import Times, measure_times
from compiler.report.values import type_text, values_of
from compiler.stages import INTEGER, LAST, PLACE
from compiler.version import __version__
from dialects.context import Feed
from dialects.errors import OctetError
from dialects.origin import computed_by
from dialects.program import body_of, main_function, output_names, return_of
from dialects.weights import WeightStore
from passes.calibrate.measuring.histogram import Histogram
from passes.placement.rules import rule_text
from runtime.artifact import weight_digests
from runtime.kernels.isa import host_isas
from runtime.planning.memory import verify_plan
from runtime.program import TensorSpec

SAMPLES = 8
"""Calibration samples that errors are measured on, unless asked for otherwise."""


@dataclass
class _Notes:
    """What becomes `Report.notes`."""

    texts: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, what: str, why: str) -> None:
        self.texts[what] = why


def gather(recorder: Recorder, samples: int = SAMPLES) -> Report:
    """The report of the compilation that `recorder` watched; `samples` bounds those that errors
    are measured on, 0 measures none.

    Raises OctetError if stage `place` did not run: a report is about placement.
    """
    compilation = recorder.compilation
    if recorder.placed is None:
        raise OctetError(
            f"--report shows where ops were placed, but stage '{PLACE}' did not run in this "
            f"compilation (it is at stage '{compilation.stage}'): compile from a stage before it "
            "to that stage or a later one, without --pass-pipeline"
        )
    notes = _Notes()
    placed = Placed.of(recorder.placed.module)
    rows = compilation.placements
    histograms = _histograms(recorder, placed, notes)
    accuracy = _accuracy(recorder, placed, samples, notes)
    times = _times(compilation, rows, notes)
    if not any(row.modelled_ns for row in rows):
        notes.add("modelled", "there is no cost model for this target")
    final = list(body_of(main_function(compilation.module)).ops)
    quantized = None if recorder.quantized is None else recorder.quantized.module
    deployed: dict[int, Decibels] = {
        index: errors.deployed.decibels for index, errors in accuracy.values.items()
    }
    causes = _causes(placed, quantized, accuracy)
    graph = graph_of(placed, rows)
    count = len(body_of(main_function(placed.module)).args)
    edges = [
        (edge.source - count, edge.target - count)
        for edge in graph.edges
        if edge.source - count >= 0 and edge.target - count < len(rows)
    ]
    return Report(
        summary=_summary(compilation, recorder, placed, rows, accuracy),
        timing=None if times is None else times.timing,
        ops=tuple(_ops(placed, rows, compilation.module, accuracy, causes, times)),
        values=tuple(values_of(placed, quantized, histograms, deployed)),
        graph=graph,
        bottlenecks=bottlenecks_of(rows, edges, final if compilation.stage == LAST else [], times),
        stages=tuple(recorder.stage_records()),
        passes=tuple(recorder.log.passes),
        notes=notes.texts,
    )


# --- what has to be measured ----------------------------------------------------------------


def _histograms(recorder: Recorder, placed: Placed, notes: _Notes) -> Mapping[SSAValue, Histogram]:
    """By values of the placed program; calibration saw those it was copied from."""
    assert recorder.placed is not None
    if not recorder.compilation.calibrated:
        notes.add(
            "histograms",
            "no calibration data was given"
            if recorder.compilation.ctx.calibration_data is None
            else "stage 'calibrate' did not run in this compilation",
        )
    origin = recorder.placed.origin
    return {
        value: recorder.histograms[origin[value]]
        for value in placed.values
        if origin.get(value) in recorder.histograms
    }


def _accuracy(recorder: Recorder, placed: Placed, samples: int, notes: _Notes) -> Accuracy:
    ctx = recorder.compilation.ctx
    if ctx.calibration_data is None:
        notes.add("sqnr", "no calibration data was given to run the program on")
    elif samples == 0:
        notes.add("sqnr", "--report-samples=0 asked for none")
    elif recorder.quantized is None:
        notes.add("sqnr", f"stage '{INTEGER}' did not run, so there is no quantized program")
    else:
        feeds = islice(single_samples(ctx.calibration_data(), placed.module), samples)
        return measure_accuracy(placed, recorder.quantized.module, ctx.weights, feeds)
    return Accuracy()


def _causes(placed: Placed, quantized: ModuleOp | None, accuracy: Accuracy) -> dict[int, Cause]:
    """Why values have errors, by their ids."""
    if quantized is None:
        return {}
    pairs = quantized_values(placed, quantized)
    found = {
        index: cause_at(placed, pairs, index, errors) for index, errors in accuracy.values.items()
    }
    return {index: cause for index, cause in found.items() if cause is not None}


def _times(compilation: Compilation, rows: Sequence[Placement], notes: _Notes) -> Times | None:
    """Measured if the program got to the last stage and this machine has its kernels."""
    target = compilation.ctx.target
    assert target is not None
    if compilation.stage != LAST:
        notes.add("measured", f"the program stopped at stage '{compilation.stage}'")
        return None
    if target.isa != "host" and target.isa not in {isa.name for isa in host_isas()}:
        notes.add(
            "measured",
            f"the program is for {target.isa}, and this machine cannot run its kernels",
        )
        return None
    program = compilation.program()
    feeds = _first_sample(compilation, program.inputs)
    if feeds is None:
        feeds = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in program.inputs}
    return measure_times(program, feeds, [row.macs for row in rows])


def _first_sample(compilation: Compilation, specs: Sequence[TensorSpec]) -> Feed | None:
    """The first of the calibration data, if it has the sizes that the program was compiled for."""
    source = compilation.ctx.calibration_data
    if source is None:
        return None
    batch = next(iter(source()))
    feed = {spec.name: batch[spec.name][: spec.shape[0] if spec.shape else None] for spec in specs}
    return feed if all(feed[spec.name].shape == spec.shape for spec in specs) else None


# --- what the IR says -----------------------------------------------------------------------


def _ops(
    placed: Placed,
    rows: Sequence[Placement],
    module: ModuleOp,
    accuracy: Accuracy,
    causes: Mapping[int, Cause],
    times: Times | None,
) -> Iterable[Op]:
    before, now = texts_of(placed.module), texts_of(module)
    kernels = computed_by(body_of(main_function(module)).ops)
    measured = {} if times is None else times.ops
    total = [] if times is None else list(times.kernels.values())
    for row, op in zip(rows, placed.ops, strict=True):
        outputs = [placed.ids[result] for result in op.results]
        errors = accuracy.values.get(outputs[0]) if outputs else None
        cause = causes.get(outputs[0]) if outputs else None
        yield Op(
            index=row.index,
            names=row.names,
            op=row.op,
            precision=row.precision,
            wanted=row.wanted,
            placed_by=row.placed_by,
            decider=row.decider,
            reason=row.reason,
            moves=row.moves,
            macs=row.macs,
            macs_share=row.macs_share,
            inputs=tuple(placed.inputs_of(op)),
            outputs=tuple(outputs),
            constants=tuple(map(type_text, placed.constants_of(op))),
            kernels=tuple(
                kernel.name if kernel.precision is None else f"{kernel.name} ({kernel.precision})"
                for kernel in row.kernels
            ),
            fused_with=row.fused_with,
            conversions=tuple(
                f"{c.source} to {c.target} at {c.at}{', fused' if c.fused else ''}"
                for c in row.conversions
            ),
            ir=before[op],
            final_ir=tuple(now[kernel] for kernel in kernels.get(row.index, [])),
            sqnr_db=None if errors is None else errors.deployed.decibels,
            alone_sqnr_db=None if errors is None else errors.alone.decibels,
            cause=None if cause is None else f"{cause.kind}: {cause.why}",
            rule=None if cause is None or cause.rule is None else rule_text(cause.rule),
            modelled_us={name: ns / 1000 for name, ns in row.modelled_ns.items()},
            gain_us=None if row.gain_ns is None else row.gain_ns / 1000,
            measured_us=measured.get(row.index),
            measured_share=share_of(measured.get(row.index), total),
            peak_share=None if times is None else times.peak_shares.get(row.index),
            timed_with=None if times is None else times.shared.get(row.index),
        )


def _summary(
    compilation: Compilation,
    recorder: Recorder,
    placed: Placed,
    rows: Sequence[Placement],
    accuracy: Accuracy,
) -> Summary:
    module, ctx = compilation.module, compilation.ctx
    function = main_function(placed.module)
    assert ctx.target is not None
    final = compilation.stage == LAST
    return Summary(
        model=compilation.request.model.name,
        target=ctx.target.name,
        isa=ctx.target.isa,
        stage=compilation.stage,
        octet=__version__,
        versions={name: version(name) for name in ("numba", "numpy", "xdsl")},
        inputs=tuple(
            f"{name}: {type_text(value)}"
            for name, value in zip(placed.names, body_of(function).args, strict=False)
        ),
        outputs=_outputs(placed),
        ops=len(rows),
        macs=sum(row.macs for row in rows),
        weight_bytes=_weight_bytes(module, ctx.weights),
        float_weight_bytes=_weight_bytes(placed.module, ctx.weights),
        activation_bytes=verify_plan(module) if final else None,
        calibration_batches=ctx.statistics["calibrate", "batches"],
        sqnr_samples=accuracy.samples,
        output_sqnr_db={name: error.decibels for name, error in accuracy.outputs.items()},
        pipeline=compilation.explanation().pipeline,
    )


def _outputs(placed: Placed) -> tuple[str, ...]:
    function = main_function(placed.module)
    return tuple(
        f"{name}: {type_text(value)}"
        for name, value in zip(output_names(function), return_of(function).operands, strict=True)
    )


def _weight_bytes(module: ModuleOp, weights: WeightStore) -> int:
    return sum(weights[digest].nbytes for digest in weight_digests(module))

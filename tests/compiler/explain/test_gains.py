"""Modelled gains: time in float32 less time as placed, less a share of the conversions."""

from __future__ import annotations

from pathlib import Path

import pytest

import compiler
from compiler.explain.borders import borders_of
from compiler.explain.gains import conversion_ns, rates_of
from dialects.nn.attributes import Precision
from dialects.origin import computed_by
from dialects.program import body_of, main_function, placeable_ops
from passes.kernel.check_required import ended_in
from passes.placement.cost_model import CostModel
from tests.compiler.explain.conftest import Compile
from tests.compiler.explain.programs import INDICES, LOOP, TABLES

TARGET = "x86-avx512-vnni"
MIXED = {"exclude": "name:gate", "bf16": "name:bend"}


def test_float_gains_nothing(compile_text: Compile) -> None:
    rows = compile_text(LOOP, target=TARGET).placements
    assert [row.gain_ns for row in rows] == [0.0, 0.0, 0.0]


def test_ops_on_indices_have_no_times(compile_text: Compile) -> None:
    minus = compile_text(INDICES, target=TARGET).placements[0]
    assert (minus.gain_ns, minus.modelled_ns) == (None, {})


def test_without_conversions_the_gain_is_that_of_the_cost_model(compile_text: Compile) -> None:
    compilation = compile_text(TABLES, target=TARGET)
    placed = compile_text(TABLES, target=TARGET, stop_after="place")
    model = CostModel(compilation.ctx.target)
    gate = list(placeable_ops(placed.module))[1]
    row = compilation.placements[1]
    assert (row.layer, row.conversions) == ("gate", ())
    assert row.gain_ns == model.op_ns(gate, Precision.F32) - model.op_ns(gate, Precision.INT8)


@pytest.mark.parametrize("options", [{}, MIXED, {"exclude": "name:first"}])
def test_gains_add_up(options: dict[str, str], compile_text: Compile) -> None:
    """Every conversion is paid for once, whichever ops share it."""
    compilation = compile_text(TABLES, target=TARGET, options=options)
    rates = rates_of(compilation.ctx.target)
    rows = compilation.placements
    computed = sum(row.modelled_ns["f32"] - row.modelled_ns[row.precision or ""] for row in rows)
    once = {
        border.by if not border.conversion.fused else (border.by, number): border
        for ops in computed_by(body_of(main_function(compilation.module)).ops).values()
        for op in ops
        for number, border in enumerate(borders_of(op, ended_in(op)))
    }
    converting = sum(conversion_ns(border, rates) for border in once.values())
    assert sum(row.gain_ns or 0.0 for row in rows) == pytest.approx(computed - converting)
    assert converting > 0


def test_times_are_those_the_target_has_kernels_for(model: Path, data: Path) -> None:
    told = compiler.explanation(model, data, target=TARGET)
    stem = told.ops[0]
    assert {"f32", "int8"} <= stem.modelled_ns.keys()
    assert stem.modelled_ns["int8"] < stem.modelled_ns["f32"]
    assert told.as_dict()["summary"]["gain_us"] == pytest.approx(
        sum(row.gain_ns or 0 for row in told.ops) / 1000
    )


def test_a_saved_program_has_no_modelled_times(model: Path, data: Path) -> None:
    told = compiler.explanation(compiler.compile(model, data))
    assert {row.gain_ns for row in told.ops} == {None}
    assert told.as_dict()["summary"]["gain_us"] is None

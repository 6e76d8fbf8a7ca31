"""Rows say what became of every op of the placed program, whatever it was fused into."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.parser import Parser

import compiler
from compiler.driver import Compilation, CompileRequest
from compiler.explain import Conversion, Kernel, Placement, followed, placements_of
from compiler.stages import STAGE_NAMES
from dialects.context import make_context
from dialects.program import placeable_ops
from passes.placement.number_ops import NumberOpsPass
from passes.placement.selectors import select
from tests.compiler.explain.conftest import Compile
from tests.compiler.explain.programs import HUGE_BIAS, INDICES, LOOP, TABLES
from tests.compiler.small_model import images

OPS = ("relu", "sigmoid", "transpose", "constant")


def by_layer(rows: list[Placement]) -> dict[str, Placement]:
    return {row.layer: row for row in rows}


# --- the index ------------------------------------------------------------------------------


def test_the_index_is_the_one_selectors_count(model: Path) -> None:
    given = {"image": images(8)}
    explained = compiler.explanation(model, given)
    placed = Compilation(CompileRequest(model, given, stop_after="place"))
    placed.run()
    ops = list(placeable_ops(placed.module))
    assert [row.index for row in explained.ops] == list(range(len(ops)))
    for row in explained.ops:
        (op,) = select(f"index:[{row.index}]", ops)
        assert (op.names, op.mnemonic) == (row.names, row.op)


def test_an_op_excluded_by_its_index_is_the_one_that_changes(model: Path) -> None:
    given = {"image": images(8)}
    for row in compiler.explanation(model, given).ops:
        selector = f"index:[{row.index}]"
        changed = compiler.explanation(model, given, exclude=selector).ops[row.index]
        assert changed.names == row.names
        assert (changed.precision, changed.placed_by) == ("f32", "rule")
        assert changed.decider == f"exclude {selector}"


@given(st.lists(st.sampled_from(OPS), min_size=1, max_size=12))
def test_numbers_count_as_selectors_do(kinds: list[str]) -> None:
    """For any program: constants have no number, every other op the one that selects it."""
    lines = ["func.func @main(%0 : tensor<2x2xf32>) -> tensor<2x2xf32> {"]
    last = "%0"
    for number, kind in enumerate(kinds, start=1):
        if kind == "constant":
            operation = "nn.constant <value = dense<0.5> : tensor<2x2xf32>> : () -> tensor<2x2xf32>"
        else:
            options = " <permutation = [1, 0]>" if kind == "transpose" else ""
            operation = f"nn.{kind} {last}{options} : (tensor<2x2xf32>) -> tensor<2x2xf32>"
            last = f"%{number}"
        lines.append(f"%{number} = {operation}")
    lines += [f"func.return {last} : tensor<2x2xf32>", "}"]
    ctx = make_context()
    module = Parser(ctx, "\n".join(lines)).parse_module()
    NumberOpsPass().apply(ctx, module)
    ops = list(placeable_ops(module))
    assert len(ops) == len(kinds) - kinds.count("constant")
    for op in ops:
        assert op.index is not None
        (number,) = op.index.get_values()
        assert select(f"index:[{number}]", ops) == [op]


# --- what became of ops ---------------------------------------------------------------------


def test_an_op_that_a_later_pass_leaves_in_float_says_so(compile_text: Compile) -> None:
    first = by_layer(compile_text(HUGE_BIAS).placements)["first"]
    assert (first.precision, first.wanted, first.placed_by) == ("f32", "int8", "fallback")
    assert first.why == "insert-qdq: its sums or its bias do not provably fit in 32 bits"
    placed = by_layer(compile_text(HUGE_BIAS, stop_after="place").placements)["first"]
    assert (placed.precision, placed.wanted, placed.placed_by) == ("int8", None, "default")


def test_ops_that_became_one_loop_name_one_another(compile_text: Compile) -> None:
    rows = compile_text(LOOP).placements
    assert [row.op for row in rows] == ["add", "relu", "mul"]
    assert [row.fused_with for row in rows] == [(1, 2), (0, 2), (0, 1)]
    assert {row.kernels for row in rows} == {(Kernel("map", "f32"),)}


def test_ops_that_became_a_table_are_int8(compile_text: Compile) -> None:
    rows = by_layer(compile_text(TABLES).placements)
    for name, other in (("gate", 2), ("bend", 1)):
        assert rows[name].precision == "int8"
        assert rows[name].kernels == (Kernel("lookup", "int8"),)
        assert rows[name].fused_with == (other,)


def test_movement_has_the_precision_of_what_it_moves(compile_text: Compile) -> None:
    rows = by_layer(compile_text(INDICES).placements)
    assert rows["rows"].moves
    assert (rows["rows"].precision, rows["rows"].placed_by) == ("f32", "movement")
    placed = by_layer(compile_text(INDICES, stop_after="place").placements)
    assert (placed["rows"].precision, placed["rows"].placed_by) == (None, "none")


def test_an_op_on_indices_has_no_precision(compile_text: Compile) -> None:
    minus = by_layer(compile_text(INDICES).placements)["minus"]
    assert (minus.precision, minus.placed_by) == (None, "none")
    assert minus.reason == "works on indices or booleans"


def test_conversions_are_listed_at_both_ends(compile_text: Compile) -> None:
    rows = by_layer(compile_text(TABLES).placements)
    assert rows["first"].conversions == (Conversion("operand", "f32", "int8", fused=False),)
    assert rows["gate"].conversions == ()
    # The sums of the last convolution are scaled to float by its own kernel.
    assert rows["second"].conversions == (Conversion("result", "int8", "f32", fused=True),)


def test_a_float_op_between_int8_ones_has_conversions_around(compile_text: Compile) -> None:
    options = {"exclude": ("name:gate", "name:bend")}
    rows = by_layer(compile_text(TABLES, options=options).placements)
    assert rows["gate"].conversions == ()
    assert rows["first"].conversions[-1] == Conversion("result", "int8", "f32", fused=True)
    assert Conversion("operand", "f32", "int8", fused=False) in rows["second"].conversions


def test_nothing_left_of_an_op_is_said(compile_text: Compile) -> None:
    placed = compile_text(LOOP, stop_after="place").placements
    module = compile_text(LOOP).module
    ghost = Placement(
        7, ("ghost",), "relu", ((4,),), ((4,),), "f32", "default", "default", "", False, 0
    )  # fmt: skip
    row = followed([*placed, ghost], module)[-1]
    assert (row.precision, row.wanted, row.kernels) == (None, "f32", ())
    assert row.reason == "nothing of it is left in the program"


# --- from any stage -------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGE_NAMES[:4])
def test_resuming_explains_alike(stage: str, model: Path, data: Path, tmp_path: Path) -> None:
    straight = compiler.explanation(model, data)
    stopped = Compilation(CompileRequest(model, data, stop_after=stage))
    stopped.run()
    stopped.write(tmp_path / "s.mlir")
    resumed = compiler.explanation(
        tmp_path / "s.mlir", data if stage in ("import", "simplify") else None
    )
    assert resumed == straight


def test_a_saved_program_explains_itself(model: Path, data: Path, tmp_path: Path) -> None:
    program = compiler.compile(model, data)
    program.save(tmp_path / "p.octet")
    straight = compiler.explanation(model, data)
    for source in (program, tmp_path / "p.octet", str(tmp_path / "p.octet")):
        told = compiler.explanation(source)
        assert [row.index for row in told.ops] == [row.index for row in straight.ops]
        for row, expected in zip(told.ops, straight.ops, strict=True):
            assert row.names == expected.names
            assert (row.precision, row.kernels) == (expected.precision, expected.kernels)
            assert row.macs == expected.macs
        assert told.target == straight.target


def test_before_placement_there_is_nothing(model: Path) -> None:
    compilation = Compilation(CompileRequest(model, stop_after="simplify"))
    compilation.run()
    assert placements_of(compilation.module) == []
    assert compilation.placements == []

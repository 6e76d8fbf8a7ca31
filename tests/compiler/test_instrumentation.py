"""Printing, timing, checking and reproducing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from compiler import pipeline
from compiler.cli import compile as compile_tool
from compiler.cli import opt
from compiler.instrumentation.numeric import difference
from compiler.verification import verify_structure
from dialects.context import OctetContext
from dialects.nn.constant import ConstantOp
from dialects.nn.linear import ConvOp
from dialects.program import nn_ops
from passes.base import Numerics, OctetPass


@dataclass(frozen=True)
class Explode(ModulePass):
    name = "explode"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        raise ZeroDivisionError("on purpose")


@dataclass(frozen=True)
class SwapOrder(ModulePass):
    """Puts the last constant behind everything that uses it."""

    name = "swap-order"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        constant = [c for c in nn_ops(op) if isinstance(c, ConstantOp)][-1]
        block = constant.parent
        assert block is not None
        assert block.last_op is not None
        constant.detach()
        block.insert_op_before(constant, block.last_op)


@dataclass(frozen=True)
class DoubleBias(OctetPass):
    """Changes results, and says that it does not."""

    name = "double-bias"
    NUMERICS: ClassVar = Numerics.EXACT

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        conv = next(op for op in nn_ops(module) if isinstance(op, ConvOp))
        weight = conv.weight.owner
        assert isinstance(weight, ConstantOp)
        doubled = ConstantOp.of(weight.array(ctx.weights) * np.float32(2), ctx.weights)
        weight.parent.insert_op_before(doubled, weight)  # pyright: ignore[reportOptionalMemberAccess]
        weight.result.replace_all_uses_with(doubled.result)


@pytest.fixture(autouse=True)
def broken_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {cls.name: (lambda cls=cls: cls) for cls in (Explode, SwapOrder, DoubleBias)}
    table = {**pipeline.available_passes(), **broken}
    monkeypatch.setattr(pipeline, "available_passes", lambda: table)
    monkeypatch.setattr(opt, "available_passes", lambda: table)


def test_an_internal_error_leaves_a_reproducer_that_replays(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crash = tmp_path / "crash.mlir"
    arguments = [str(model), "--pass-pipeline=fold-batch-norm,explode,cse", "-o", "-"]
    arguments += ["--calibration-data", str(data), "--crash-reproducer", str(crash)]
    assert compile_tool.main(arguments) == 1
    error = capsys.readouterr().err
    assert "pass explode failed: ZeroDivisionError: on purpose" in error
    assert f"octet-opt --run-reproducer {crash}" in error
    assert len(error.splitlines()) == 1

    text = crash.read_text()
    assert text.startswith("// configuration: '--pass-pipeline=builtin.module(explode)'")
    assert "nn.batch_norm" not in text, "the IR is the one before the failing pass"

    assert opt.main(["--run-reproducer", str(crash)]) == 1
    assert "pass explode failed: ZeroDivisionError: on purpose" in capsys.readouterr().err


def test_by_default_the_reproducer_is_a_temporary_file(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert compile_tool.main([str(model), "--pass-pipeline=explode", "-o", "-"]) == 1
    (crash,) = tmp_path.glob("octet-crash-*/reproducer.mlir")
    assert str(crash) in capsys.readouterr().err


def test_debug_shows_the_traceback(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compile_tool.main([str(model), "--pass-pipeline=nothing", "-o", "-", "--debug"])
    assert "Traceback" in capsys.readouterr().err


def test_a_use_before_its_definition_names_the_pass(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(model), "--pass-pipeline=swap-order,cse", "-o", "-", "--verify-each"]
    assert compile_tool.main(arguments) == 1
    error = capsys.readouterr().err
    assert "pass swap-order left invalid IR" in error
    assert "is used before nn.constant" in error


def test_numeric_verification_names_the_first_pass_that_changes_results(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passes = "fold-batch-norm,fuse-activation,double-bias,cse"
    arguments = [str(model), f"--pass-pipeline={passes}", "-o", "-", "--verify-each=numeric"]
    assert compile_tool.main(arguments) == 1
    error = capsys.readouterr().err
    assert "pass double-bias changed the results: output 'scores' differs by up to" in error
    assert "it promises to change them not at all" in error


def test_numeric_verification_of_a_whole_compilation(
    model: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(model), "--calibration-data", str(data), "--verify-each=numeric"]
    assert compile_tool.main([*arguments, "-o", str(tmp_path / "a.octet")]) == 0


def test_tables_go_to_stderr(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(model), "-o", str(tmp_path / "a.octet"), "--timing", "--pass-statistics"]
    assert compile_tool.main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "fold-batch-norm" in captured.err
    assert "kernel calls" in captured.err


@pytest.mark.parametrize(
    ("before", "after", "numerics", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0], Numerics.EXACT, None),
        ([1.0, 2.0], [1.0, 2.0000002], Numerics.EXACT, "differs by up to"),
        ([1.0, 2.0], [1.0, 2.0000002], Numerics.ROUNDING, None),
        ([1.0, 2.0], [1.0, 2.001], Numerics.ROUNDING, "differs by 0.001"),
        ([1.0, 2.0], [1.1, 1.9], Numerics.QUANTIZES, None),
        ([1.0, 2.0], [2.0, 1.0], Numerics.QUANTIZES, "SQNR"),
        ([1.0, np.nan], [1.0, np.nan], Numerics.EXACT, None),
        ([1.0, np.nan], [1.0, 0.0], Numerics.QUANTIZES, "NaN"),
        ([np.inf, 1.0], [np.inf, 1.0], Numerics.ROUNDING, None),
        ([0.0, -0.0], [0.0, 0.0], Numerics.EXACT, None),
    ],
)
def test_tolerances(
    before: list[float], after: list[float], numerics: Numerics, message: str | None
) -> None:
    outputs = [{"y": np.array(values, np.float32)} for values in (before, after)]
    found = difference(outputs[0], outputs[1], numerics)
    assert found is None if message is None else found is not None and message in found


def test_structure_of_a_valid_program(model: Path) -> None:
    from compiler.driver import Compilation, CompileRequest

    compilation = Compilation(CompileRequest(model, stop_after="simplify"))
    compilation.run()
    verify_structure(compilation.module)

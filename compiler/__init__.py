"""Octet's compiler: from ONNX models to programs that run in mixed precision.

import compiler

program = compiler.compile("model.onnx", calibration_data={"input": images})
outputs = program.run({"input": images[:1]})
program.save("model.octet")
program = compiler.load("model.octet")
for op in compiler.explanation(program).ops:
    print(op.index, op.layer, op.precision, op.why)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octet_commands import check_packages

if TYPE_CHECKING:
    import numpy as np

    from compiler.calibration.data import CalibrationData
    from compiler.driver import Compilation
    from compiler.explain import Explanation
    from runtime.program import Program

check_packages()

__all__ = ["compile", "explanation", "load"]


def compile(
    path: str | Path,
    calibration_data: CalibrationData | None = None,
    *,
    pass_pipeline: str | None = None,
    target: str | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    constants: Mapping[str, np.ndarray] | None = None,
    require: Mapping[str, str | Sequence[str]] | None = None,
    strategy: str | None = None,
    debug_info: bool = False,
    **options: Any,
) -> Program:
    """Compiles an ONNX model, or `.mlir` text at any stage, to a program.

    Parameters
    - path: the `.onnx` or `.mlir` file.
    - calibration_data: representative inputs, from which the ranges of int8 values are measured;
      without them the program is float. Arrays by input name with samples along the first axis,
      an iterable of feeds (arrays by input name, one batch each), a function that returns one,
      or the path of a `.npz` file or of a folder of `.npy` files.
    - pass_pipeline: passes to run in place of the default stages.
    - target: what to compile for, by name or as a `.toml` file; by default this machine.
    - shapes: sizes of symbolic input dimensions, as whole shapes by input name.
    - constants: inputs that become constants of the program.
    - require: selectors by precision (`{"int8": "type:conv"}`): ops that have to end at it.
    - strategy: how precisions are chosen: `rules`, `all` (the default) or `auto`. The options of
      `auto` are the command's flags: `max_drop`, `min_sqnr` or `min_agreement`,
      `evaluation_data`, `seed`, `strategy_state`, ... A budget that cannot be met is a warning.
    - calibration_table, save_calibration_table, calibration_report, calibration_workers,
      calibration_scheduler: as the flags of these names (docs/calibration.md).
    - debug_info: a saved program can be compared with float, layer by layer
      (`octet-run --compare-float`); it is larger by the float weights.
    - options: `recipe="r.toml"`, `place=["type:conv=int8"]`, `calibration_method`, `per_channel`,
      `nodes_to_exclude`, ...: the flags of the `compile` command with underscores.
      `pass_options={"calibrate.bins": 512}` reaches the rest.

    Returns the program: `.run({"input": array})`, `.save(path)`.
    Raises `dialects.errors.OctetError` for everything that is wrong with the inputs, and for
    requirements that are not met.
    """
    return _compilation(
        path, calibration_data, require, {"strategy": strategy, **options},
        pass_pipeline=pass_pipeline, target=target, shapes=shapes or {}, constants=constants or {},
        debug_info=debug_info,
    ).program()  # fmt: skip


def explanation(
    model: str | Path | Program,
    calibration_data: CalibrationData | None = None,
    *,
    target: str | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    constants: Mapping[str, np.ndarray] | None = None,
    require: Mapping[str, str | Sequence[str]] | None = None,
    **options: Any,
) -> Explanation:
    """What `--explain` prints: every op with its precision, who decided that and why.

    A model is compiled for it as `compile` would, with the same parameters, and not run. A program,
    or the path of a `.octet` file, says itself what was decided; ops that were fused are then one
    row, and nothing else may be given.

    Returns the explanation: `.ops`, a row per op (`compiler.explain.Placement`), `.as_dict()`,
    `.as_table()`. Raises `dialects.errors.OctetError` as `compile` does.
    """
    from compiler.explain import explanation_of
    from compiler.explain.reading import read_placed

    if not isinstance(model, str | Path):
        return explanation_of(model.module)
    if Path(model).suffix == ".octet":
        return explanation_of(read_placed(Path(model)))
    return _compilation(
        model, calibration_data, require, options,
        target=target, shapes=shapes or {}, constants=constants or {},
    ).explanation()  # fmt: skip


def _compilation(
    path: str | Path,
    calibration_data: CalibrationData | None,
    require: Mapping[str, str | Sequence[str]] | None,
    options: Mapping[str, Any],
    **given: Any,
) -> Compilation:
    """A compilation that has run."""
    from compiler.calibration.options import split_options as split_calibration
    from compiler.driver import Compilation, CompileRequest
    from compiler.options import with_requirements
    from compiler.strategy.apply import apply_strategy, warn_if_missed
    from compiler.strategy.request import split_options

    strategy, rest = split_options(options)
    calibration, rest = split_calibration(rest)
    chosen = {name: value for name, value in rest.items() if value is not None}
    request = CompileRequest(
        model=Path(path),
        calibration_data=calibration_data,
        options=with_requirements(chosen, require or {}),
        calibration=calibration,
        **given,
    )
    applied = apply_strategy(request, strategy, show=False)
    compilation = Compilation(applied.request)
    compilation.run()
    warn_if_missed(applied)
    return compilation


def load(path: str | Path) -> Program:
    """Loads a program that was saved as `.octet`. Raises OctetError if it is damaged."""
    from runtime.program import Program

    return Program.load(path)

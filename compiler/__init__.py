"""Octet's compiler: from ONNX models to programs that run in mixed precision.

import compiler

program = compiler.compile("model.onnx", calibration_data={"input": images})
outputs = program.run({"input": images[:1]})
program.save("model.octet")
program = compiler.load("model.octet")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octet_commands import check_packages

if TYPE_CHECKING:
    import numpy as np

    from compiler.calibration_data import CalibrationData
    from runtime.program import Program

check_packages()

__all__ = ["compile", "load"]


def compile(
    path: str | Path,
    calibration_data: CalibrationData | None = None,
    *,
    pass_pipeline: str | None = None,
    target: str | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    constants: Mapping[str, np.ndarray] | None = None,
    strategy: str | None = None,
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
    - strategy: how precisions are chosen: `rules`, `all` (the default) or `auto`. The options of
      `auto` are the command's flags: `max_drop`, `min_sqnr` or `min_agreement`,
      `evaluation_data`, `seed`, `strategy_state`, ... A budget that cannot be met is a warning.
    - options: `calibration_method`, `per_channel`, `nodes_to_exclude`, ...: the flags of the
      `compile` command with underscores. `pass_options={"calibrate.bins": 512}` reaches the rest.

    Returns the program: `.run({"input": array})`, `.save(path)`.
    Raises `dialects.errors.OctetError` for everything that is wrong with the inputs.
    """
    from compiler.driver import Compilation, CompileRequest
    from compiler.strategy.apply import apply_strategy, warn_if_missed, with_reasons
    from compiler.strategy.request import OPTIONS, strategy_of

    request = CompileRequest(
        model=Path(path),
        calibration_data=calibration_data,
        pass_pipeline=pass_pipeline,
        target=target,
        shapes=shapes or {},
        constants=constants or {},
        options={
            name: value
            for name, value in options.items()
            if value is not None and name not in OPTIONS
        },
    )
    chosen = strategy_of(strategy, {name: options.get(name) for name in OPTIONS})
    applied = apply_strategy(request, chosen, show=False)
    compilation = Compilation(applied.request, after_stage=with_reasons(applied, None))
    compilation.run()
    warn_if_missed(applied)
    return compilation.program()


def load(path: str | Path) -> Program:
    """Loads a program that was saved as `.octet`. Raises OctetError if it is damaged."""
    from runtime.program import Program

    return Program.load(path)

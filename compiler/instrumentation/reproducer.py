"""Crash reproducers: one `.mlir` file that `octet-opt --run-reproducer` replays.

    // configuration: --pass-pipeline='builtin.module(fold-constants)' --hardware=portable
    // failed: pass fold-constants failed: ZeroDivisionError: ...
    builtin.module { ... the IR before that pass ... }

Weights stand beside it in a `.safetensors`, the first calibration batch in a `.npz`.
"""

from __future__ import annotations

import shlex
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from compiler.errors import InternalCompilerError
from compiler.module_files import write_program_text
from compiler.pipeline import Instrument, first_line, print_pass
from dialects.context import OctetContext
from dialects.errors import OctetError
from runtime.artifact import program_text, weight_digests

HEADER = "// configuration: "


@dataclass
class CrashReproducer(Instrument):
    """Keeps the IR from before the running pass and writes it when the pass fails.

    With `path`, for every failure; without, for internal errors, into a new folder for
    temporary files. `flags` are what else a replay needs to fail the same way.
    """

    path: Path | None = None
    flags: tuple[str, ...] = ()
    _module: ModuleOp | None = field(default=None, init=False)

    def before(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        self._module = module.clone()

    def failed(self, module_pass: ModulePass, ctx: OctetContext, error: Exception) -> None:
        internal = isinstance(error, InternalCompilerError)
        if self._module is None or (self.path is None and not internal):
            return
        path = self.path or Path(tempfile.mkdtemp(prefix="octet-crash-")) / "reproducer.mlir"
        write_reproducer(path, module_pass, ctx, self._module, error, self.flags)
        if isinstance(error, InternalCompilerError):
            error.reproducer = path


def write_reproducer(
    path: Path,
    module_pass: ModulePass,
    ctx: OctetContext,
    module: ModuleOp,
    error: Exception,
    flags: tuple[str, ...],
) -> None:
    """Writes the file, the weights and the calibration batch that make `module_pass` fail."""
    arguments = [f"--pass-pipeline=builtin.module({print_pass(module_pass)})", *flags]
    if ctx.calibration_data is not None:
        batch = path.with_suffix(".npz")
        np.savez(batch, **dict(next(iter(ctx.calibration_data()))))  # pyright: ignore[reportArgumentType]
        arguments.append(f"--calibration-data={batch}")
    text = (
        f"{HEADER}{shlex.join(arguments)}\n// failed: {first_line(error)}\n{program_text(module)}"
    )
    held = [handle for handle in weight_digests(module) if handle in ctx.weights]
    write_program_text(text, held, ctx.weights, path)


def configuration_of(path: Path) -> list[str]:
    """The flags a reproducer was written with. Raises OctetError when the file has none."""
    with path.open(encoding="utf-8") as file:
        first = file.readline()
    if not first.startswith(HEADER):
        raise OctetError(
            f"{path} is not a reproducer: its first line should be "
            f"{HEADER}--pass-pipeline='builtin.module(...)'"
        )
    return shlex.split(first.removeprefix(HEADER))

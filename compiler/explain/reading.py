"""Programs that were placed before, from files."""

from __future__ import annotations

from pathlib import Path

from xdsl.dialects.builtin import ModuleOp, StringAttr

from compiler.explain.rows import placements_of
from compiler.module_files import read_module
from compiler.stages import PLACE, stage_index
from dialects.context import make_context
from dialects.errors import OctetError
from dialects.program import STAGE
from runtime.artifact import load_artifact


def read_placed(path: Path) -> ModuleOp:
    """The IR of a `.octet` file, or of `.mlir` text at stage `place` or later.

    Raises OctetError if the file is neither, or damaged, or not placed yet.
    """
    match path.suffix:
        case ".octet":
            module, _, _ = load_artifact(path)
        case ".mlir":
            module = read_module(path, make_context())
            module.verify()
        case _:
            raise OctetError(f"{path}: expected a .octet file, or .mlir text at stage '{PLACE}'")
    stage = module.attributes.get(STAGE)
    reached = stage.data if isinstance(stage, StringAttr) else None
    early = reached is not None and stage_index(reached, f"{path}: {STAGE}") < stage_index(PLACE)
    if early or not placements_of(module):
        at = "" if reached is None else f" at stage '{reached}'"
        raise OctetError(
            f"{path}: no op has a precision{at}; placement is known from stage '{PLACE}' on"
        )
    return module

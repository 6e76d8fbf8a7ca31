"""Octet: compiled to an artifact, which is loaded and run."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
from models import Feeds, Model

from runtimes.variant import Run, Setting, Variant, Workspace, source_digest

PACKAGES = ("compiler",)
ROOT = Path(__file__).parents[2]
SOURCES = ("compiler", "dialects", "passes", "runtime")


def variants(model: Model) -> list[Variant]:
    return [
        Variant("octet", precision, "", partial(_prepare, precision), _load)
        for precision in ("int8", "bf16", "f32")
    ]


def _prepare(precision: str, workspace: Workspace) -> Path:
    """Compiled anew whenever Octet's sources have changed; what older sources gave is removed."""
    digest = source_digest(*(ROOT / name for name in SOURCES))
    prefix = f"octet-{precision}-"
    for old in workspace.folder.glob(f"{prefix}*"):
        if old.name != prefix + digest:
            shutil.rmtree(old)
    source = workspace.onnx

    def write(path: Path) -> None:
        import compiler

        if precision == "int8":
            program = compiler.compile(source, calibration_data=workspace.calibration())
        else:
            program = compiler.compile(source, precision=precision)
        program.save(path)

    return workspace.prepared(prefix + digest, "model.octet", write)


def _load(path: Path, workspace: Workspace, setting: Setting) -> Run:
    from runtime.program import Program

    program = Program.load(path, isa=setting.isa)
    output, threads = program.outputs[0].name, setting.threads

    def run(feeds: Feeds) -> np.ndarray:
        return program.run(feeds, threads)[output]

    return run

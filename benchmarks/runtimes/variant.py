"""What a benchmark knows of a runtime: variants that prepare a model and load it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import models
from models import Feeds, Model, write_model

CALIBRATION_SAMPLES = 32

Run = Callable[[Feeds], "models.np.ndarray"]
"""Runs a loaded model: feeds to its first output."""


@dataclass(frozen=True)
class Setting:
    """How a model is run. `isa` holds Octet to an instruction set; None is the best."""

    batch: int
    threads: int
    isa: str | None = None


@dataclass(frozen=True)
class Workspace:
    """Where the files of one model are prepared: once for each version of what prepares them."""

    root: Path
    model: Model

    @property
    def folder(self) -> Path:
        """Has a digest of the generators in its name: other weights are another folder."""
        return self.root / f"{self.model.name}-{source_digest(Path(models.__file__).parent)}"

    @property
    def onnx(self) -> Path:
        """The float model."""
        return write_model(self.model.name, self.folder)

    def calibration(self) -> list[Feeds]:
        """Feeds of one sample each; other samples than those that are measured."""
        return self.model.feeds(CALIBRATION_SAMPLES, 1, seed=1)

    def prepared(self, name: str, file: str, write: Callable[[Path], None]) -> Path:
        """`file` in the folder `name`, which `write` fills if it is not there yet."""
        folder = self.folder / name
        if not folder.exists():
            unfinished = self.folder / f"{name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            write(unfinished / file)
            unfinished.rename(folder)
        return folder / file


@dataclass(frozen=True)
class Variant:
    """One way to run a model.

    `prepare` gives the file that `load` reads, written the first time; `load` gives the function
    that runs it.
    """

    runtime: str
    precision: str
    how: str
    prepare: Callable[[Workspace], Path]
    load: Callable[[Path, Workspace, Setting], Run]

    @property
    def name(self) -> str:
        return " ".join(part for part in (self.runtime, self.precision, self.how) if part)


def source_digest(*folders: Path) -> str:
    """Digest of the Python and TOML files in folders."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".toml")):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:10]

"""Targets: what a machine's kernels can do, one TOML file each (docs/targets.md)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from compiler.targets.layers import FOLDER, Layers, Table, read_layers
from compiler.targets.rules import HOST, target_of
from dialects.errors import OctetError
from dialects.target import Target

HOST_DESCRIPTION = "the best of these for this machine"


def target_names() -> list[str]:
    """The targets that come with Octet; `host` is the one of them that fits this machine best."""
    return [HOST, *sorted(path.stem for path in FOLDER.glob("*.toml"))]


def load_target(name: str) -> Target:
    """The target of that name, or the one a TOML file at that path describes.

    Raises OctetError for an unknown name, and naming file, line and key for a file that is wrong.
    """
    target = target_of(_layers(name))
    if name == HOST:
        # A program compiled for it takes the best kernels of whatever machine it runs on.
        return dataclasses.replace(target, name=HOST, isa=HOST, description=HOST_DESCRIPTION)
    return target


def resolved_table(name: str) -> Table:
    """The whole table of a target, with what it builds on. Raises OctetError as `load_target`."""
    target, table = load_target(name), _layers(name).merged()
    return {**table, "description": target.description, "isa": target.isa}


def _layers(name: str) -> Layers:
    if name == HOST:
        return read_layers(host_file())
    if name in target_names():
        return read_layers(FOLDER / f"{name}.toml")
    if name.endswith(".toml"):
        return read_layers(Path(name))
    raise OctetError(
        f"there is no target '{name}'; targets: {', '.join(target_names())}, or the path of a "
        ".toml file"
    )


def host_file() -> Path:
    """The file that describes the best instruction set of this machine."""
    from runtime.kernels.isa import best_isa

    best = best_isa()
    files = {target_of(read_layers(path)).isa: path for path in sorted(FOLDER.glob("*.toml"))}
    for isa in best.lineage:
        if isa.name in files:
            return files[isa.name]
    raise OctetError(f"no target file describes this machine's instruction set {best.name}")

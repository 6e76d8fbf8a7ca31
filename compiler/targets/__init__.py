"""Targets: what a machine's kernels can do, one TOML file each."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from compiler.rates.table import rates_of
from dialects.errors import OctetError
from dialects.rates import RATES_OF_ISA
from dialects.target import Int8Rule, Target
from passes.placement.halves import BUILT_IN

HOST = "host"
FOLDER = Path(__file__).parent
STORAGE_TYPES = ("u8", "s8")
KEYS = {"isa", "int8", "bf16", "f16", "rates"}


def target_names() -> list[str]:
    """The targets that come with Octet; `host` is the one of them that fits this machine best."""
    return [HOST, *sorted(path.stem for path in FOLDER.glob("*.toml"))]


def load_target(name: str) -> Target:
    """The target of that name, or the one a TOML file at that path describes.

    Raises OctetError for an unknown name, and naming file and key for a file that is wrong.
    """
    if name == HOST:
        return _host()
    if name in target_names():
        return _read(FOLDER / f"{name}.toml")
    if name.endswith(".toml"):
        return _read(Path(name))
    raise OctetError(
        f"there is no target '{name}'; targets: {', '.join(target_names())}, or the path of a "
        ".toml file"
    )


def _host() -> Target:
    """What this machine runs best. Its instruction set stays `host`: a program compiled for it
    takes the best kernels of whatever machine it runs on."""
    return dataclasses.replace(_read(host_file()), name=HOST, isa=HOST)


def host_file() -> Path:
    """The file that describes the best instruction set of this machine."""
    from runtime.kernels.isa import best_isa

    best = best_isa()
    files = {_read(path).isa: path for path in sorted(FOLDER.glob("*.toml"))}
    for isa in best.lineage:
        if isa.name in files:
            return files[isa.name]
    raise OctetError(f"no target file describes this machine's instruction set {best.name}")


def _read(path: Path) -> Target:
    try:
        with path.open("rb") as file:
            contents = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OctetError(f"{path}: not a valid TOML file: {error}") from None
    _check_keys(path, "", contents, required={"isa"}, allowed=KEYS)
    isa, table = contents["isa"], contents.get("int8", {})
    _check_isa(path, isa)
    if not isinstance(table, dict):
        raise OctetError(f"{path}: 'int8' should be a table of operators")
    rules = {
        operator: _rule(path, f"int8.{operator}", entry)
        for operator, entry in cast(dict[str, Any], table).items()
    }
    return Target(
        name=path.stem,
        isa=isa,
        int8=rules,
        bf16=_half_operators(path, "bf16", contents.get("bf16", {})),
        f16=_half_operators(path, "f16", contents.get("f16", {})),
        rates=rates_of(path, contents.get("rates", {}), RATES_OF_ISA[isa]),
    )


def _half_operators(path: Path, key: str, table: Any) -> frozenset[str]:
    """The operators of a table `[bf16]` or `[f16]`: those that have a 16-bit form and no others."""
    if not isinstance(table, dict):
        raise OctetError(f"{path}: '{key}' should be a table with a list of operators")
    entries = cast(dict[str, Any], table)
    _check_keys(path, f"{key}.", entries, required=set(), allowed={"operators"})
    operators = _strings(path, f"{key}.operators", entries.get("operators", []))
    for operator in operators:
        if operator not in BUILT_IN:
            raise OctetError(
                f"{path}: '{key}.operators' lists {operator!r}, which has no 16-bit form; expected "
                f"any of {', '.join(sorted(BUILT_IN))}"
            )
    return frozenset(operators)


def _check_isa(path: Path, isa: Any) -> None:
    from runtime.kernels.isa import ISAS

    known = [known.name for known in ISAS]
    if isa not in known:
        raise OctetError(f"{path}: 'isa' should be one of {', '.join(known)}, got {isa!r}")


def _rule(path: Path, key: str, entry: Any) -> Int8Rule:
    if not isinstance(entry, dict):
        raise OctetError(f"{path}: '{key}' should be a table, got {entry!r}")
    table = cast(dict[str, Any], entry)
    _check_keys(
        path, f"{key}.", table, required={"activations"}, allowed={"activations", "constant"}
    )
    activations = _strings(path, f"{key}.activations", table["activations"])
    for storage in activations:
        if storage not in STORAGE_TYPES:
            raise OctetError(
                f"{path}: '{key}.activations' lists {storage!r}; expected "
                f"{' or '.join(STORAGE_TYPES)}"
            )
    return Int8Rule(activations, _strings(path, f"{key}.constant", table.get("constant", [])))


def _strings(path: Path, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(
        isinstance(item, str) for item in cast(list[Any], value)
    ):
        raise OctetError(f"{path}: '{key}' should be a list of strings, got {value!r}")
    return tuple(cast(list[str], value))


def _check_keys(
    path: Path, prefix: str, table: Mapping[str, Any], *, required: set[str], allowed: set[str]
) -> None:
    for key in sorted(table.keys() - allowed):
        raise OctetError(
            f"{path}: unknown key '{prefix}{key}'; expected {', '.join(sorted(allowed))}"
        )
    for key in sorted(required - table.keys()):
        raise OctetError(f"{path}: key '{prefix}{key}' is missing")

"""Choices of tilings that were measured on this machine, kept in a file beside the kernel cache.

    {"cpu": "...", "tilings": {"avx512_vnni u8 m=3136 n=64 segments=3 k=192": [4, 5, 524288], ...}}

A choice is (widest panel in registers, highest tile in rows, bytes of activations per block); it
says nothing but how fast a product is computed: integers stay the same to the bit.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dialects.errors import OctetError
from runtime.kernels.cache import cache_directory
from runtime.kernels.isa import cpu_name

Choice = tuple[int, int, int]
"""(registers, rows, bytes): see above."""


@dataclass(frozen=True)
class Problem:
    """A product [m, segments * k] x [segments * k, n] of one element kind, on one instruction
    set."""

    isa: str
    kind: str
    m: int
    n: int
    segments: int
    k: int

    def __str__(self) -> str:
        return f"{self.isa} {self.kind} m={self.m} n={self.n} segments={self.segments} k={self.k}"


def tilings_path() -> Path:
    """The file of this machine's choices."""
    return cache_directory() / f"tilings-{cpu_name()}.json"


def stored(problem: Problem) -> Choice | None:
    """The choice measured for a problem, if there is one."""
    return _table(tilings_path()).get(str(problem))


def store(choices: Mapping[Problem, Choice]) -> Path:
    """Adds choices to the file; later plans use them. Raises OctetError if it cannot be written."""
    path = tilings_path()
    merged = {**_table(path), **{str(problem): choice for problem, choice in choices.items()}}
    content = {"cpu": cpu_name(), "tilings": dict(sorted(merged.items()))}
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".", delete=False) as file:
            json.dump(content, file, indent=1)
        os.replace(file.name, path)
    except OSError as error:
        raise OctetError(f"{path}: tilings cannot be written: {error.strerror}") from error
    _table.cache_clear()
    return path


@cache
def _table(path: Path) -> dict[str, Choice]:
    """The choices in a file; none if it does not exist. Raises OctetError for a damaged one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            problem: (int(widest), int(highest), int(block))
            for problem, (widest, highest, block) in content["tilings"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise OctetError(
            f"{path}: not a file of tilings ({error}); delete it and run --autotune again"
        ) from error

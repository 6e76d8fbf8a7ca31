"""The table `[rates]` of a target file, read and written.

    [rates]
    lanes = 16                                    # columns per register of sums
    call_ns = 100.0                               # ns per kernel call
    instructions = 45.0                           # per ns
    products = { int8 = 232.0, bf16 = 115.0, f16 = 58.0, f32 = 58.0 }    # counts per ns
    ...
    bandwidth = { L1 = 120.0, L2 = 80.0, L3 = 45.0, memory = 12.0 }      # bytes per ns
    capacity = { L1 = 32768, L2 = 1048576, L3 = 33554432 }               # bytes

What a table leaves out is as in `dialects.rates.RATES_OF_ISA` for the target's instruction set.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from dialects.errors import OctetError
from dialects.rates import LEVELS, PRECISIONS, TABLES, Rates

_KEYS = {**dict.fromkeys(TABLES, PRECISIONS), "bandwidth": LEVELS, "capacity": LEVELS[:-1]}
"""The keys of each inner table."""
_UNITS = {
    "lanes": "columns per register of sums",
    "call_ns": "ns per kernel call",
    "products": "per ns: multiply-accumulates of convolutions and matrix products",
    "results": "per ns: sums of products scaled, rounded and stored",
    "residuals": "per ns: elements of fused residuals",
    "taps": "per ns: multiply-accumulates of depthwise convolutions",
    "windows": "per ns: elements of pools and reductions",
    "lookups": "per ns: elements through tables",
    "conversions": "per ns: elements converted to or from float32",
    "instructions": "per ns: scalar instructions of vectorized loops",
    "bandwidth": "bytes per ns, by where the operands are",
    "capacity": "bytes of the caches",
}


def rates_of(path: Path, table: Any, standard: Rates) -> Rates:
    """`standard` with what a table `[rates]` says. Raises OctetError naming file and key."""
    if not isinstance(table, dict):
        raise OctetError(f"{path}: 'rates' should be a table")
    given = cast(dict[str, Any], table)
    fields = [field.name for field in dataclasses.fields(Rates)]
    _check_keys(path, "rates", given, fields)
    changes: dict[str, Any] = {}
    for key, value in given.items():
        if key not in _KEYS:
            changes[key] = _positive(path, f"rates.{key}", value)
            continue
        if not isinstance(value, dict):
            raise OctetError(f"{path}: 'rates.{key}' should be a table by {', '.join(_KEYS[key])}")
        inner = cast(dict[str, Any], value)
        _check_keys(path, f"rates.{key}", inner, _KEYS[key])
        changes[key] = {
            **getattr(standard, key),
            **{name: _positive(path, f"rates.{key}.{name}", inner[name]) for name in inner},
        }
    rates = dataclasses.replace(standard, **changes)
    sizes = [rates.capacity[level] for level in _KEYS["capacity"]]
    if sizes != sorted(sizes):
        raise OctetError(f"{path}: 'rates.capacity' should grow from L1 to L3, got {sizes}")
    return rates


def rates_text(rates: Rates) -> str:
    """The table as TOML, every rate with its unit."""
    lines = ["[rates]"]
    for name, unit in _UNITS.items():
        lines += [f"# {unit}", f"{name} = {_value_text(getattr(rates, name))}"]
    return "\n".join(lines) + "\n"


def _value_text(value: Any) -> str:
    if isinstance(value, dict):
        entries = cast(dict[str, float], value).items()
        return "{ " + ", ".join(f"{name} = {_value_text(each)}" for name, each in entries) + " }"
    return f"{value:.0f}" if value == int(value) else f"{value:.4g}"


def _positive(path: Path, key: str, value: Any) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise OctetError(f"{path}: '{key}' should be a number greater than 0, got {value!r}")
    return float(value)


def _check_keys(path: Path, prefix: str, table: dict[str, Any], allowed: Sequence[str]) -> None:
    for key in table:
        if key not in allowed:
            raise OctetError(f"{path}: unknown key '{prefix}.{key}'; expected {', '.join(allowed)}")

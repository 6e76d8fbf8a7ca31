"""A target from the tables of its files. What a file may say stands in the constants here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from compiler.rates.table import rates_of
from compiler.targets.layers import EXTENDS, Key, Layers, Table
from dialects.rates import RATES_OF_ISA
from dialects.target import Int8Rule, Limits, Target
from passes.placement import capabilities, formats, halves

HOST = "host"
FORMATS: Mapping[str, frozenset[str]] = {
    "weight_only": formats.BUILT_IN,
    "dynamic": formats.DYNAMIC_OPS,
}
"""Tables that list what matrix products can do with float activations, and what they may list."""
KEYS = (EXTENDS, "description", "isa", "int8", "bf16", "f16", *FORMATS, "rates")
STORAGE_TYPES = ("u8", "s8")
COMMON = ("activations", "zero_point")
"""Keys of `[int8]` that hold for all its ops."""
SIZES = ("kernel_sizes", "strides", "dilations")
LIMITS = (*SIZES, "groups", "channel_multiple")
GROUPS = ("one", "depthwise", "grouped")
WITH_WEIGHTS = frozenset({"conv", "matmul"})


def target_of(layers: Layers) -> Target:
    """The target that files describe. Raises OctetError with file, line and key."""
    for layer in layers.files:
        _check_keys(Layers([layer]), (), layer.table, KEYS)
    table = layers.merged()
    if "isa" not in table:
        layers.fail((), "key 'isa' is missing")
    isa, description = table["isa"], table.get("description", "")
    _check_choice(layers, ("isa",), isa, _isas())
    if not isinstance(description, str) or "\n" in description:
        layers.fail(("description",), f"'description' should be one line, got {description!r}")
    limits: dict[tuple[str, str], Limits] = {}
    rates = _table(layers, ("rates",), table.get("rates", {}))
    standard = RATES_OF_ISA[_best() if isa == HOST else isa]
    return Target(
        name=layers.path.stem,
        isa=isa,
        int8=_int8(layers, _table(layers, ("int8",), table.get("int8", {})), limits),
        bf16=_halves(layers, "bf16", table, limits),
        f16=_halves(layers, "f16", table, limits),
        weight_only=_format(layers, table, "weight_only", "matmul"),
        dynamic=_format(layers, table, "dynamic", "operators"),
        rates=rates_of(type(layers.path)(layers.where(("rates",))), rates, standard),
        limits=limits,
        description=description,
    )


def _int8(
    layers: Layers, table: Table, limits: dict[tuple[str, str], Limits]
) -> dict[str, Int8Rule]:
    common = _strings(layers, ("int8", "activations"), table.get("activations", ["u8", "s8"]))
    for storage in common:
        _check_choice(layers, ("int8", "activations"), storage, STORAGE_TYPES)
    zero_point = table.get("zero_point")
    if zero_point is not None and (isinstance(zero_point, bool) or zero_point != 0):
        layers.fail(
            ("int8", "zero_point"), f"'int8.zero_point' should be 0 or left out, got {zero_point!r}"
        )
    if zero_point is not None and common != ("u8",):
        layers.fail(
            ("int8", "zero_point"),
            f"'int8.zero_point' needs 'int8.activations' to be u8 alone, got {', '.join(common)}",
        )
    rules: dict[str, Int8Rule] = {}
    for op, entry in table.items():
        if op in COMMON:
            continue
        key = ("int8", op)
        known = capabilities.BUILT_IN
        if op not in known:
            layers.fail(
                key, f"no int8 kernel implements {op!r}; expected any of {', '.join(known)}"
            )
        rule = _table(layers, key, entry)
        _check_keys(layers, key, rule, ("operands", "constant", *LIMITS))
        activations, products = _operands(layers, op, rule, common)
        constant = _strings(layers, (*key, "constant"), rule.get("constant", known[op].constant))
        for name in known[op].constant:
            if name not in constant:
                layers.fail(
                    (*key, "constant"),
                    f"'int8.{op}.constant' should list {name}: the kernel packs it ahead of time",
                )
        rules[op] = Int8Rule(activations, constant, products, zero_point)
        _put_limits(layers, key, rule, limits)
    return rules


def _operands(
    layers: Layers, op: str, rule: Table, common: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The legal types of activations, and for products the legal pairs."""
    key = ("int8", op, "operands")
    weights = op in WITH_WEIGHTS
    legal = [f"{a}x{w}" for a in STORAGE_TYPES for w in STORAGE_TYPES] if weights else STORAGE_TYPES
    given = _strings(layers, key, rule.get("operands", list(legal)))
    for item in given:
        _check_choice(layers, key, item, legal)
    kept = tuple(item for item in given if item.split("x")[0] in common)
    if not kept:
        layers.fail(
            key,
            f"'int8.{op}.operands' lists {', '.join(given) or 'nothing'}, but 'int8.activations' "
            f"allows {', '.join(common) or 'nothing'}: no operand type is left",
        )
    activations = tuple(dict.fromkeys(item.split("x")[0] for item in kept))
    return activations, kept if weights else None


def _halves(
    layers: Layers, name: str, table: Table, limits: dict[tuple[str, str], Limits]
) -> frozenset[str]:
    """The ops of a table `[bf16]` or `[f16]`; a table of its own gives an op limits."""
    entries = _table(layers, (name,), table.get(name, {}))
    key = (name, "operators")
    operators = _strings(layers, key, entries.get("operators", []))
    for operator in operators:
        if operator not in halves.BUILT_IN:
            layers.fail(
                key,
                f"'{name}.operators' lists {operator!r}, which has no 16-bit form; expected any of "
                f"{', '.join(sorted(halves.BUILT_IN))}",
            )
    for op, entry in entries.items():
        if op == "operators":
            continue
        if op not in operators:
            layers.fail(
                (name, op),
                f"unknown key '{name}.{op}'; expected operators, or one of those it lists",
            )
        rule = _table(layers, (name, op), entry)
        _check_keys(layers, (name, op), rule, LIMITS)
        _put_limits(layers, (name, op), rule, limits)
    return frozenset(operators)


def _format(layers: Layers, table: Table, name: str, entry: str) -> frozenset[str]:
    """What the one entry of a table of `FORMATS` lists."""
    entries = _table(layers, (name,), table.get(name, {}))
    _check_keys(layers, (name,), entries, (entry,))
    listed = _strings(layers, (name, entry), entries.get(entry, []))
    for item in listed:
        _check_choice(layers, (name, entry), item, sorted(FORMATS[name]))
    return frozenset(listed)


def _put_limits(
    layers: Layers, key: Key, rule: Table, limits: dict[tuple[str, str], Limits]
) -> None:
    given: dict[str, Any] = {}
    for name in SIZES:
        if name in rule:
            given[name] = _sizes(layers, (*key, name), rule[name])
    if "groups" in rule:
        given["groups"] = _strings(layers, (*key, "groups"), rule["groups"])
        for kind in given["groups"]:
            _check_choice(layers, (*key, "groups"), kind, GROUPS)
    if "channel_multiple" in rule:
        (given["channel_multiple"],) = _sizes(
            layers, (*key, "channel_multiple"), [rule["channel_multiple"]]
        )
    if given:
        limits[key[0], key[1]] = Limits(**given)


def _isas() -> list[str]:
    from runtime.kernels.isa import ISAS

    return [HOST, *(isa.name for isa in ISAS)]


def _best() -> str:
    from runtime.kernels.isa import best_isa

    return best_isa().name


def _table(layers: Layers, key: Key, value: Any) -> Table:
    if not isinstance(value, dict):
        layers.fail(key, f"'{'.'.join(key)}' should be a table, got {value!r}")
    return cast(Table, value)


def _strings(layers: Layers, key: Key, value: Any) -> tuple[str, ...]:
    items = list(cast(list[Any], value)) if isinstance(value, list | tuple) else []
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in items):
        layers.fail(key, f"'{'.'.join(key)}' should be a list of strings, got {value!r}")
    return tuple(items)


def _sizes(layers: Layers, key: Key, value: Any) -> tuple[int, ...]:
    items = cast(list[Any], value) if isinstance(value, list) else []
    if not items or not all(type(item) is int and item > 0 for item in items):
        layers.fail(key, f"'{'.'.join(key)}' should be integers of at least 1, got {value!r}")
    return tuple(items)


def _check_choice(layers: Layers, key: Key, value: Any, legal: Any) -> None:
    if value not in legal:
        layers.fail(key, f"'{'.'.join(key)}' should be one of {', '.join(legal)}, got {value!r}")


def _check_keys(layers: Layers, key: Key, table: Table, allowed: tuple[str, ...]) -> None:
    for name in table:
        if name not in allowed:
            layers.fail(
                (*key, name),
                f"unknown key '{'.'.join((*key, name))}'; expected {', '.join(allowed)}",
            )

"""The part of JSON Schema that Octet's schema files use, as a validator."""

from __future__ import annotations

from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
KNOWN = {
    *("$schema", "title", "description", "type", "const", "enum", "minimum"),
    *("required", "properties", "additionalProperties", "items"),
}


def violations(value: Any, schema: dict[str, Any], where: str = "$") -> list[str]:
    """What of `value` does not fit `schema`; raises ValueError for a keyword it does not know."""
    if unknown := schema.keys() - KNOWN:
        raise ValueError(f"{where}: keywords {sorted(unknown)} are not checked")
    found: list[str] = []
    if "type" in schema and not any(_is(value, name) for name in _listed(schema["type"])):
        return [f"{where}: {value!r} is not {schema['type']}"]
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is none of {schema['enum']}")
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{where}: {value!r} is less than {schema['minimum']}")
    if isinstance(value, dict):
        found += _of_object(value, schema, where)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            found += violations(item, schema["items"], f"{where}[{index}]")
    return found


def _of_object(value: dict[str, Any], schema: dict[str, Any], where: str) -> list[str]:
    found = [f"{where}: lacks {name}" for name in schema.get("required", ()) if name not in value]
    others = schema.get("additionalProperties", {})
    for name, item in value.items():
        inner = schema.get("properties", {}).get(name, others)
        if inner is False:
            found.append(f"{where}: has {name}")
        else:
            found += violations(item, inner, f"{where}.{name}")
    return found


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def _is(value: Any, name: str) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))

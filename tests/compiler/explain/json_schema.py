"""The part of JSON Schema that Octet's schema files use, as a validator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
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
    *("$schema", "$defs", "$ref", "title", "description"),
    *("type", "const", "enum", "minimum", "pattern", "minItems", "maxItems"),
    *("required", "properties", "additionalProperties", "items"),
}
DEFINITION = "#/$defs/"


def violations(value: Any, schema: dict[str, Any]) -> list[str]:
    """What of `value` does not fit `schema`; raises ValueError for a keyword it does not know."""
    return list(_Validator(schema).check(value, schema, "$"))


@dataclass(frozen=True)
class _Validator:
    whole: dict[str, Any]

    def check(self, value: Any, schema: dict[str, Any], where: str) -> Iterator[str]:
        if unknown := schema.keys() - KNOWN:
            raise ValueError(f"{where}: keywords {sorted(unknown)} are not checked")
        if "$ref" in schema:
            schema = self.whole["$defs"][schema["$ref"].removeprefix(DEFINITION)]
        if "type" in schema and not any(_is(value, name) for name in _listed(schema["type"])):
            yield f"{where}: {value!r} is not {schema['type']}"
            return
        if "const" in schema and value != schema["const"]:
            yield f"{where}: {value!r} is not {schema['const']!r}"
        if "enum" in schema and value not in schema["enum"]:
            yield f"{where}: {value!r} is none of {schema['enum']}"
        if "minimum" in schema and value is not None and value < schema["minimum"]:
            yield f"{where}: {value!r} is less than {schema['minimum']}"
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{where}: {value!r} does not match {schema['pattern']}"
        if "minItems" in schema and isinstance(value, list) and len(value) < schema["minItems"]:
            yield f"{where}: has fewer than {schema['minItems']} items"
        if "maxItems" in schema and isinstance(value, list) and len(value) > schema["maxItems"]:
            yield f"{where}: has more than {schema['maxItems']} items"
        if isinstance(value, dict):
            yield from self._check_object(value, schema, where)
        if isinstance(value, list) and "items" in schema:
            for index, item in enumerate(value):
                yield from self.check(item, schema["items"], f"{where}[{index}]")

    def _check_object(
        self, value: dict[str, Any], schema: dict[str, Any], where: str
    ) -> Iterator[str]:
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{where}: lacks {name}"
        others = schema.get("additionalProperties", {})
        for name, item in value.items():
            inner = schema.get("properties", {}).get(name, others)
            if inner is False:
                yield f"{where}: has {name}"
            else:
                yield from self.check(item, inner, f"{where}.{name}")


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def _is(value: Any, name: str) -> bool:
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))

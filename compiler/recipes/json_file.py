"""Checked access to the JSON that other tools write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from compiler.recipes.toml_file import read_text
from dialects.errors import OctetError


def read_json(path: Path) -> dict[str, Any]:
    """The object of a JSON file. Raises OctetError, with the line where it is not JSON."""
    try:
        contents = json.loads(read_text(path), object_pairs_hook=_without_duplicates)
    except json.JSONDecodeError as error:
        raise OctetError(
            f"{path.name}:{error.lineno}:{error.colno}: not valid JSON: {error.msg}"
        ) from None
    except OctetError as error:
        raise OctetError(f"{path.name}: {error}") from None
    return as_object(contents, path.name)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise OctetError(f"key '{key}' is given twice")
    return dict(pairs)


def as_object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise OctetError(f"{where}: expected an object, got {value!r}")
    return value


def as_texts(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise OctetError(f"{where}: expected a list of names, got {value!r}")
    return value

"""Reading a recipe in TOML. Every message says file, line and rule."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compiler.options import SETTINGS, check_setting
from compiler.pipeline import did_you_mean
from compiler.recipes.recipe import Recipe
from dialects.errors import OctetError
from passes.placement.rules import Rule

SECTIONS = ("default", "pass_options", "rule")
MAX_BYTES = 1 << 24

_HEADER = re.compile(r"\s*\[\[\s*(?:rule|\"rule\"|'rule')\s*\]\]")


def read_recipe_file(path: Path) -> Recipe:
    """The recipe of a .toml file. Raises OctetError."""
    return recipe_of_text(read_text(path), path.name)


def read_text(path: Path) -> str:
    """The text of a recipe file. Raises OctetError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise OctetError(f"{path}: a recipe has at most {MAX_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise OctetError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OctetError(f"{path}: not UTF-8 text") from None


def recipe_of_text(text: str, name: str) -> Recipe:
    """The recipe that `text` holds; `name` is what messages and `placed_by` call the file."""
    lines = _Lines(text, name)
    try:
        contents = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r" \(at line (\d+), column (\d+)\)", str(error))
        place = f"{name}:{at[1]}:{at[2]}" if at else f"{name}:{max(1, len(lines.lines))}"
        reason = re.sub(r" \(at .*\)", "", str(error))
        raise OctetError(f"{place}: not valid TOML: {reason}") from None
    for section in contents:
        if section not in SECTIONS:
            raise OctetError(
                f"{lines.of_key(section)}: unknown section '{section}'; expected "
                f"{', '.join(SECTIONS)}{did_you_mean(section, SECTIONS)}"
            )
    return Recipe(
        _settings(_table(contents, "default", lines), lines),
        _pass_options(_table(contents, "pass_options", lines), lines),
        _rules(contents.get("rule", []), lines),
    )


class _Lines:
    """Where in the file something stands: tomllib does not say."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.lines = text.splitlines()
        headers = [index for index, line in enumerate(self.lines) if _HEADER.match(line)]
        # A line inside a multi-line string is no header: what stands before it is not whole.
        self.headers = [index for index in headers if self._is_whole(index)]

    def _is_whole(self, end: int) -> bool:
        try:
            tomllib.loads("\n".join(self.lines[:end]))
        except tomllib.TOMLDecodeError:
            return False
        return True

    def of_rule(self, index: int) -> str:
        """`r.toml:12` for the rule of that index; only the name for rules in an inline array."""
        known = index < len(self.headers)
        return f"{self.name}:{self.headers[index] + 1}" if known else self.name

    def of_key(self, key: str, rule: int | None = None) -> str:
        """The line of a key, of one rule or of the file; that of the rule if it is not found."""
        start, end = 0, len(self.lines)
        if rule is not None:
            if rule >= len(self.headers):
                return self.name
            start = self.headers[rule]
            if rule + 1 < len(self.headers):
                end = self.headers[rule + 1]
        pattern = re.compile(rf"\s*(?:\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[=\].]")
        for index in range(start, end):
            if pattern.match(self.lines[index]):
                return f"{self.name}:{index + 1}"
        return self.name if rule is None else self.of_rule(rule)


def _table(contents: Mapping[str, Any], section: str, lines: _Lines) -> Mapping[str, Any]:
    table = contents.get(section, {})
    if not isinstance(table, dict):
        raise OctetError(f"{lines.of_key(section)}: '{section}' should be a table, [{section}]")
    return table


def _settings(table: Mapping[str, Any], lines: _Lines) -> dict[str, Any]:
    for name, value in table.items():
        if name not in SETTINGS:
            raise OctetError(
                f"{lines.of_key(name)}: there is no setting '{name}'{did_you_mean(name, SETTINGS)}"
            )
        try:
            check_setting(name, value)
        except OctetError as error:
            raise OctetError(f"{lines.of_key(name)}: {error}") from None
    return dict(table)


def _pass_options(table: Mapping[str, Any], lines: _Lines) -> dict[str, Any]:
    for key, value in table.items():
        if "." not in key:
            raise OctetError(
                f'{lines.of_key(key)}: a pass option is "PASS.OPTION" in quotes, such as '
                f'"calibrate.bins", got {key!r}'
            )
        items = value if isinstance(value, list) else [value]
        if not all(isinstance(item, bool | int | float | str) for item in items):
            raise OctetError(
                f"{lines.of_key(key)}: '{key}' should be text, a number, true or false, or a list "
                f"of these, got {value!r}"
            )
    return {key: tuple(v) if isinstance(v, list) else v for key, v in table.items()}


def _rules(entries: Any, lines: _Lines) -> tuple[Rule, ...]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise OctetError(f"{lines.of_key('rule')}: rules are tables, [[rule]]")
    rules: list[Rule] = []
    for index, entry in enumerate(entries):
        number = f"rule {index + 1}"
        try:
            rules.append(Rule.of({"origin": f"{lines.of_rule(index)}: {number}", **entry}))
        except OctetError as error:
            key = next((key for key in entry if f"'{key}'" in str(error)), None)
            place = lines.of_rule(index) if key is None else lines.of_key(key, index)
            raise OctetError(f"{place}: {number}: {error}") from None
    return tuple(rules)

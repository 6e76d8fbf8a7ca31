"""A recipe, whatever it was written in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xdsl.utils.arg_spec import ParameterListType

from compiler.options import RULES, overrides_of, targets_of
from passes.placement.rules import Rule, rule_text, toml_value
from passes.placement.selectors import quoted

PLACE, ASSIGN = "place-precision", "assign-scheme"
"""The passes that take rules: for precisions, and for schemes."""

Overrides = dict[str, dict[str, ParameterListType]]
"""Pass -> option -> value."""


@dataclass(frozen=True)
class Recipe:
    """Settings, and rules in order.

    `settings` are compile options by name (see `compiler.options`), `pass_options` further ones
    as `"pass.option"`.
    """

    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    pass_options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    rules: tuple[Rule, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.settings or self.pass_options or self.rules)

    def then(self, later: Recipe) -> Recipe:
        """This recipe with a later one: its settings win, its rules come last.

        A setting goes when a later one sets the same option of a pass, whatever its name.
        """
        taken = {target for name in later.settings for target in targets_of(name)}
        taken |= {_target(key) for key in later.pass_options}
        return Recipe(
            {
                **{
                    name: value
                    for name, value in self.settings.items()
                    if not taken & set(targets_of(name))
                },
                **later.settings,
            },
            {
                **{
                    key: value
                    for key, value in self.pass_options.items()
                    if _target(key) not in taken
                },
                **later.pass_options,
            },
            (*self.rules, *later.rules),
        )

    def overrides(self) -> Overrides:
        """What the recipe sets in which pass. Raises OctetError for settings that contradict."""
        options = dict(self.settings)
        if self.pass_options:
            options["pass_options"] = self.pass_options
        overrides = overrides_of(options)
        for pass_name, rules in (
            (PLACE, [rule for rule in self.rules if rule.places]),
            (ASSIGN, [rule for rule in self.rules if rule.scheme.values()]),
        ):
            if rules:
                options_of_pass = overrides.setdefault(pass_name, {})
                options_of_pass[RULES] = (
                    *options_of_pass.get(RULES, ()),
                    *map(rule_text, rules),
                )
                if self.settings.get("allow_unmatched") is not None:
                    overrides[pass_name]["allow_unmatched"] = (self.settings["allow_unmatched"],)
        return overrides

    def text(self) -> str:
        """The recipe in TOML, always the same for the same recipe; empty for an empty one."""
        parts: list[str] = []
        for title, table in (("default", self.settings), ("pass_options", self.pass_options)):
            if table:
                lines = [f"{_key(key)} = {toml_value(table[key])}" for key in sorted(table)]
                parts.append("\n".join([f"[{title}]", *lines]) + "\n")
        for rule in self.rules:
            lines = [f"{key} = {toml_value(value)}" for key, value in rule.table().items()]
            parts.append("\n".join(["[[rule]]", *lines]) + "\n")
        return "\n".join(parts)


def name_selector(layer: str) -> str:
    """The selector of a layer of the model."""
    return f"name:{quoted(layer)}"


def _target(pass_option: str) -> tuple[str, str]:
    pass_name, _, option = pass_option.partition(".")
    return pass_name, option.replace("-", "_")


def _key(text: str) -> str:
    bare = text.replace("_", "").isalnum() and text.isascii()
    return text if bare else toml_value(text)

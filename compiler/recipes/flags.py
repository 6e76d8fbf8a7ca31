"""Command-line shortcuts for rules: each flag becomes rules, in the order of one table.

Rules of files come first, then these, in the order of `RULE_OPTIONS` whatever order the flags were
given in; so what is kept float wins. Several values of one flag keep their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from compiler.options import SETTINGS, as_values
from compiler.pipeline import did_you_mean
from compiler.recipes.recipe import Recipe, name_selector
from dialects.errors import OctetError
from dialects.nn.attributes import HALF_PRECISIONS, Precision
from dialects.nn.linear_format import DYNAMIC, LinearFormat
from passes.placement.rules import Rule
from passes.placement.selectors import split_names, split_selectors


@dataclass(frozen=True)
class RuleOption:
    """A compile option that becomes rules, one per value.

    `precision` is what they ask for; None means that each value says so itself, as
    `SELECTOR=PRECISION`. Values are selectors, or `names` of layers. `listed` ones may be several
    in one text, with commas between.
    """

    name: str
    help: str
    precision: Precision | None = None
    names: bool = False
    listed: bool = True
    format: Literal["given", "dynamic"] | None = None
    """Values ask for a format of matrix products: each says which, as `[SELECTOR=]FORMAT`, or they
    are selectors of those that become dynamic."""

    def split(self, text: str) -> list[str]:
        """The values of one text on the command line."""
        if not self.listed:
            return [text]
        return split_names(text) if self.names else split_selectors(text)

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def metavar(self) -> str:
        if self.format == "given":
            return "[SELECTOR=]FORMAT"
        return "A,B" if self.listed else "SELECTOR" if self.precision else "SELECTOR=P"


PRODUCTS = "type:matmul"
"""The ops that a format is about where no selector is given."""

RULE_OPTIONS: tuple[RuleOption, ...] = (
    RuleOption(
        "include",
        "these ops become int8, or what --precision says if that is bf16 or f16: type:conv, "
        "name:stem, glob:block1.*, first(2), not (...), between(a, b), pattern(conv->conv)[1:], "
        "...: see docs/selectors.md",
        Precision.INT8,
    ),
    RuleOption(
        "nodes_to_quantize",
        "only these layers of the model become int8",
        Precision.INT8,
        names=True,
    ),
    RuleOption("bf16", "these ops become bf16, named the same way", Precision.BF16),
    RuleOption("f16", "these ops become f16, named the same way", Precision.F16),
    RuleOption(
        "dynamic_quantization",
        "these matrix products, or all, quantize their activations to int8 when they run",
        format="dynamic",
    ),
    RuleOption(
        "weight_only",
        "matrix products keep their weights in few bits and compute in f32: int8, int4, or int4:64 "
        "with the size of a group that shares a scale; only those of a selector: "
        "'SELECTOR=int4:64'",
        listed=False,
        format="given",
    ),
    RuleOption("place", "these ops get that precision: 'type:conv=int8'", listed=False),
    RuleOption(
        "nodes_to_exclude", "these layers of the model stay float", Precision.F32, names=True
    ),
    RuleOption("exclude", "these ops stay float, named the same way", Precision.F32),
    RuleOption("keep_float", "these ops stay float; one selector", Precision.F32, listed=False),
)

ONLY = "nodes_to_quantize"
"""The option that also makes f32 the default."""


def recipe_of_options(options: Mapping[str, Any], defaults: Recipe) -> Recipe:
    """The recipe of compile options that were given; `defaults` is what stands in files.

    Raises OctetError for unknown names and for values that are not what an option takes.
    """
    known = {option.name: option for option in RULE_OPTIONS}
    settings: dict[str, Any] = {}
    pass_options: dict[str, Any] = {}
    for name, value in options.items():
        if value is None or name in known:
            continue
        if name == "pass_options":
            pass_options |= value
        elif name in SETTINGS:
            settings[name] = tuple(as_values(value)) if SETTINGS[name].many else value
        else:
            everything = (*SETTINGS, *known, "pass_options")
            raise OctetError(f"there is no compile option '{name}'{did_you_mean(name, everything)}")
    if options.get(ONLY) is not None and settings.setdefault("precision", "f32") != "f32":
        raise OctetError(
            f"{known[ONLY].flag} and --precision both set the precision of the other ops: to f32 "
            f"and to {settings['precision']}"
        )
    default = settings.get("precision", defaults.settings.get("precision", "int8"))
    rules = [
        rule
        for option in RULE_OPTIONS
        if options.get(option.name) is not None
        for rule in _rules(option, options[option.name], default)
    ]
    return Recipe(settings, pass_options, tuple(rules))


def _rules(option: RuleOption, value: Any, default: str) -> list[Rule]:
    precision = option.precision
    if option.name == "include" and default in HALF_PRECISIONS:
        precision = Precision(default)
    rules: list[Rule] = []
    for item in as_values(value):
        if item is True and option.format == DYNAMIC:
            item = PRODUCTS
        if not isinstance(item, str) or not item:
            raise OctetError(f"{option.flag}: expected text, got {item!r}")
        if option.format is not None:
            rules.append(_format_rule(option, item))
            continue
        selector = name_selector(item) if option.names else item
        wanted = precision
        if wanted is None:
            selector, equals, name = item.rpartition("=")
            if not equals or not selector or name not in tuple(Precision):
                raise OctetError(
                    f"{option.flag} '{item}': expected 'SELECTOR=PRECISION', the precision one of "
                    f"{', '.join(Precision)}"
                )
            wanted = Precision(name)
        rules.append(Rule(select=selector, precision=wanted, origin=option.flag))
    return rules


def _format_rule(option: RuleOption, text: str) -> Rule:
    """The rule of one value of an option about formats of matrix products."""
    if option.format == DYNAMIC:
        return Rule(select=text, format=LinearFormat(activations=DYNAMIC), origin=option.flag)
    selector, equals, name = text.rpartition("=")
    if equals and not selector:
        raise OctetError(f"{option.flag} '{text}': the selector before '=' is missing")
    try:
        format = LinearFormat.parse(name)
        if format.is_dynamic:
            raise OctetError("activations stay float here; for others use --dynamic-quantization")
    except OctetError as error:
        raise OctetError(f"{option.flag} '{text}': {error}") from None
    return Rule(select=selector or PRODUCTS, format=format, origin=option.flag)

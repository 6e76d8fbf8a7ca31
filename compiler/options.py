"""Compile options: which of them set an option of which pass.

The command line's flags and the keyword arguments of `compiler.compile` are one table, so each
means the same everywhere, and `pass_options` reaches the options that have no name of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.utils.arg_spec import ArgSpec, ParameterListType, ParameterType

from compiler.pipeline import did_you_mean, values_text
from compiler.stages import REQUIRE
from dialects.errors import OctetError
from dialects.nn.attributes import Precision

Override = tuple[str, ParameterListType]
"""Pass option and value; the pass is the key of the mapping that holds it."""


@dataclass(frozen=True)
class PassOption:
    """A compile option that sets an option of a pass.

    `selector` is put before each value, for options that name layers; `sets` are options of the
    pass that it fixes besides.
    """

    name: str
    pass_name: str
    option: str
    help: str
    many: bool = False
    boolean: bool = False
    choices: tuple[str, ...] = ()
    selector: str = ""
    sets: tuple[Override, ...] = ()

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    def split(self, text: str) -> list[str]:
        """The values of a list on the command line: selectors, or names of layers or types."""
        from passes.placement.selectors import split_names, split_selectors

        return split_names(text) if self.selector else split_selectors(text)


PASS_OPTIONS: tuple[PassOption, ...] = (
    PassOption(
        "calibration_method",
        "calibrate",
        "method",
        "how ranges are measured (default min-max)",
        choices=("min-max", "moving-average", "percentile", "mse", "sqnr", "entropy"),
    ),
    PassOption(
        "percentile",
        "calibrate",
        "percentile",
        "share of the values, in percent, that a range covers (default 99.99)",
        sets=(("method", ("percentile",)),),
    ),
    PassOption(
        "precision",
        "place-precision",
        "precision",
        "what ops without a rule of their own compute in (default int8, where the target can)",
        choices=("int8", "bf16", "f16", "f32"),
    ),
    PassOption(
        "op_types_to_quantize",
        "place-precision",
        "op_types",
        "only these op types become int8, for example conv,matmul",
        many=True,
    ),
    PassOption(
        "nodes_to_quantize",
        "place-precision",
        "include",
        "only these layers of the model become int8",
        many=True,
        selector="name:",
        sets=(("precision", ("f32",)),),
    ),
    PassOption(
        "nodes_to_exclude",
        "place-precision",
        "exclude",
        "these layers of the model stay float",
        many=True,
        selector="name:",
    ),
    PassOption(
        "include",
        "place-precision",
        "include",
        "these ops become int8: type:conv, name:stem, glob:block1.*, first(2), not (...), "
        "between(a, b), pattern(conv->conv)[1:], ...: see docs/selectors.md",
        many=True,
    ),
    PassOption(
        "bf16", "place-precision", "bf16", "these ops become bf16, named the same way", many=True,
    ),
    PassOption(
        "f16", "place-precision", "f16", "these ops become f16, named the same way", many=True,
    ),
    PassOption(
        "exclude", "place-precision", "exclude", "these ops stay float, named the same way",
        many=True,
    ),
    PassOption(
        "allow_unmatched",
        "place-precision",
        "allow_unmatched",
        "a selector that matches no op is a note, not an error (default no)",
        boolean=True,
    ),
    PassOption(
        "activation_type",
        "insert-qdq",
        "activation_type",
        "storage of int8 activations (default u8)",
        choices=("u8", "s8"),
    ),
    PassOption(
        "activation_symmetric",
        "insert-qdq",
        "activation_symmetric",
        "activations have a fixed zero point in the middle (default no)",
        boolean=True,
    ),
    PassOption(
        "weight_type",
        "insert-qdq",
        "weight_type",
        "storage of int8 weights (default s8)",
        choices=("u8", "s8"),
    ),
    PassOption(
        "weight_symmetric",
        "insert-qdq",
        "weight_symmetric",
        "weights have a fixed zero point (default yes)",
        boolean=True,
    ),
    PassOption(
        "per_channel",
        "insert-qdq",
        "per_channel",
        "one weight scale per output channel (default yes)",
        boolean=True,
    ),
    PassOption(
        "reduce_range",
        "insert-qdq",
        "reduce_range",
        "keep weights to 7 bits (default no)",
        boolean=True,
    ),
)  # fmt: skip


def overrides_of(options: Mapping[str, Any]) -> dict[str, dict[str, ParameterListType]]:
    """Pass -> option -> value, for compile options that were given (those not None).

    `pass_options` maps `"pass.option"` to a value. Raises OctetError for unknown names and for
    two options that set the same thing.
    """
    from passes.placement.selectors import quoted

    table = {option.name: option for option in PASS_OPTIONS}
    overrides: dict[str, dict[str, ParameterListType]] = {}
    given: dict[tuple[str, str], str] = {}

    def put(source: str, pass_name: str, option: str, value: ParameterListType) -> None:
        known = given.setdefault((pass_name, option), source)
        present = overrides.setdefault(pass_name, {}).setdefault(option, value)
        if known != source and present != value:
            raise OctetError(
                f"{known} and {source} both set {pass_name}{{{option.replace('_', '-')}}}: to "
                f"{values_text(present)} and to {values_text(value)}"
            )

    for name, value in options.items():
        if value is None:
            continue
        if name == "pass_options":
            for key, setting in value.items():
                pass_name, option = split_pass_option(key)
                put(f"pass option {key}", pass_name, option, as_values(setting))
            continue
        if name not in table:
            known = (*table, "pass_options")
            raise OctetError(f"there is no compile option '{name}'{did_you_mean(name, known)}")
        entry = table[name]
        values = tuple(
            f"{entry.selector}{quoted(str(item))}" if entry.selector else item
            for item in as_values(value)
        )
        _check_choice(entry, values)
        put(entry.flag, entry.pass_name, entry.option, values)
        for option, fixed in entry.sets:
            put(entry.flag, entry.pass_name, option, fixed)
    return overrides


def with_requirements(
    options: Mapping[str, Any], require: Mapping[str, str | Sequence[str]]
) -> dict[str, Any]:
    """`options` with selectors by precision as options of the pass `require-precision`."""
    known = [precision.value for precision in Precision]
    for precision in require:
        if precision not in known:
            raise OctetError(f"require: expected one of {', '.join(known)}, got '{precision}'")
    settings = {f"{REQUIRE}.{name}": as_values(selectors) for name, selectors in require.items()}
    if not settings:
        return dict(options)
    return {**options, "pass_options": {**options.get("pass_options", {}), **settings}}


def split_pass_option(text: str) -> tuple[str, str]:
    """`"calibrate.bins"` as pass and option."""
    pass_name, dot, option = text.partition(".")
    if not dot or not pass_name or not option:
        raise OctetError(f"pass option '{text}' should be PASS.OPTION, such as calibrate.bins")
    return pass_name, option.replace("-", "_")


def as_values(value: Any) -> ParameterListType:
    """A Python value, or a sequence of them, as pipeline strings hold them."""
    if isinstance(value, (str, int, float)):
        return (value,)
    return tuple(value)


def values_from_text(text: str) -> ParameterListType:
    """A value on the command line: numbers, true, false and words, with commas between.

    Commas within quotes and brackets belong to a word, as in selectors.
    """
    from passes.placement.selectors import split_selectors

    return tuple(map(_value_from_text, split_selectors(text))) if text else ()


def _value_from_text(text: str) -> ParameterType:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _check_choice(option: PassOption, values: Sequence[ParameterType]) -> None:
    for value in values:
        if option.choices and value not in option.choices:
            raise OctetError(
                f"{option.flag}: expected {' or '.join(option.choices)}, got {value!r}"
            )


def apply_overrides(
    specs: Iterable[ArgSpec], overrides: Mapping[str, Mapping[str, ParameterListType]]
) -> list[ArgSpec]:
    """`specs` with the options of `overrides` replaced."""
    return [
        ArgSpec(spec.name, {**spec.parameters, **overrides.get(spec.name, {})}) for spec in specs
    ]

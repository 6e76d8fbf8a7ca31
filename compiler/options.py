"""Settings: compile options that set an option of a pass.

The command line's flags, the keyword arguments of `compiler.compile` and the `[default]` section
of a recipe are one table, so each means the same everywhere, and `pass_options` reaches the
options that have no name of their own. Options that name layers become rules, see
`compiler.recipes.flags`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xdsl.utils.arg_spec import ArgSpec, ParameterListType, ParameterType

from compiler.op_types import mnemonic_of
from compiler.pipeline import did_you_mean, values_text
from compiler.stages import REQUIRE
from dialects.errors import OctetError
from dialects.nn.attributes import Precision
from dialects.nn.scheme import METHODS

Override = tuple[str, ParameterListType]
"""Pass option and value; the pass is the key of the mapping that holds it."""


RULES = "rules"
"""The pass option that is a list to add to."""


@dataclass(frozen=True)
class PassOption:
    """A compile option that sets an option of a pass.

    `sets` are options of the pass that it fixes besides; `convert` makes the pass's value of each
    given one. A `number` with `choices` is a number or one of these words.
    """

    name: str
    pass_name: str
    option: str
    help: str
    many: bool = False
    boolean: bool = False
    choices: tuple[str, ...] = ()
    number: bool = False
    sets: tuple[Override, ...] = ()
    convert: Callable[[Any], ParameterType] | None = None

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


PASS_OPTIONS: tuple[PassOption, ...] = (
    PassOption(
        "calibration_method",
        "calibrate",
        "method",
        "how ranges are measured (default sqnr)",
        choices=METHODS,
    ),
    PassOption(
        "percentile",
        "calibrate",
        "percentile",
        "share of the values, in percent, that a range covers (default 99.99)",
        number=True,
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
        "only these op types become int8, for example conv,matmul; ONNX's names work too",
        many=True,
        convert=mnemonic_of,
    ),
    PassOption(
        "allow_unmatched",
        "place-precision",
        "allow_unmatched",
        "a selector that matches no op is a note, not an error (default no)",
        boolean=True,
    ),
    PassOption(
        "equalize_channels",
        "equalize-channels",
        "by",
        "scale channels between two layers so that weights, or activations and weights, have like "
        "ranges (default off)",
        choices=("weights", "activations", "off"),
    ),
    PassOption(
        "smooth_activations",
        "smooth-activations",
        "alpha",
        "move outliers of activations into weights: how much of them, 0 to 1, or auto, for each "
        "layer what is best (default off)",
        choices=("auto", "off"),
        number=True,
    ),
    PassOption(
        "clip_outliers",
        "clip-outliers",
        "samples",
        "shrink ranges of activations and weights where that makes layers more exact on so many "
        "samples of the calibration data (default 0: not at all)",
        number=True,
    ),
    PassOption(
        "correct_bias",
        "correct-bias",
        "samples",
        "shift biases by the mean error of quantization on so many samples of the calibration data "
        "(default 0: not at all)",
        number=True,
    ),
    PassOption(
        "round_adaptively",
        "round-adaptively",
        "samples",
        "round weights so that layers keep their results on so many samples of the calibration "
        "data (default 0: each weight to the nearest)",
        number=True,
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
    PassOption(
        "io",
        "quantize-io",
        "io",
        "what the program takes and gives: int8 is the stored integers of its inputs and outputs "
        "(default float)",
        choices=("float", "int8"),
    ),
)  # fmt: skip


SETTINGS: Mapping[str, PassOption] = {option.name: option for option in PASS_OPTIONS}


def targets_of(name: str) -> list[tuple[str, str]]:
    """Every (pass, option) that a setting decides."""
    entry = SETTINGS[name]
    return [(entry.pass_name, option) for option in (entry.option, *(key for key, _ in entry.sets))]


def check_setting(name: str, value: Any) -> None:
    """Raises OctetError for a value that is not of the kind a setting takes."""
    entry = SETTINGS[name]
    items = value if entry.many and isinstance(value, list | tuple) else [value]
    kind = bool if entry.boolean else (int | float) if entry.number else str
    for item in items:
        named = entry.number and item in entry.choices
        if not named and (not isinstance(item, kind) or (entry.number and isinstance(item, bool))):
            wanted = "true or false" if entry.boolean else "a number" if entry.number else "text"
            listed = f"{wanted}, or a list of it" if entry.many else wanted
            raise OctetError(f"'{name}' should be {listed}, got {value!r}")
    _check_choice(entry, items)


def overrides_of(options: Mapping[str, Any]) -> dict[str, dict[str, ParameterListType]]:
    """Pass -> option -> value, for compile options that were given (those not None).

    `pass_options` maps `"pass.option"` to a value. Raises OctetError for unknown names and for
    two options that set the same thing.
    """
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
        if name not in SETTINGS:
            known = (*SETTINGS, "pass_options")
            raise OctetError(f"there is no compile option '{name}'{did_you_mean(name, known)}")
        entry = SETTINGS[name]
        values = as_values(value)
        if entry.convert is not None:
            values = tuple(map(entry.convert, values))
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
        counts = option.number and isinstance(value, int | float)
        if option.choices and not counts and value not in option.choices:
            expected = (*option.choices, "a number") if option.number else option.choices
            raise OctetError(f"{option.flag}: expected {' or '.join(expected)}, got {value!r}")


def apply_overrides(
    specs: Iterable[ArgSpec], overrides: Mapping[str, Mapping[str, ParameterListType]]
) -> list[ArgSpec]:
    """`specs` with the options of `overrides` replaced; rules come after those that are there."""
    changed: list[ArgSpec] = []
    for spec in specs:
        given = dict(overrides.get(spec.name, {}))
        if RULES in given:
            given[RULES] = (*spec.parameters.get(RULES, ()), *given[RULES])
        changed.append(ArgSpec(spec.name, {**spec.parameters, **given}))
    return changed

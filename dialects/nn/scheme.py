"""How one value is to be quantized, where that differs from the defaults: `#nn.scheme<..>`.

    %y = nn.conv .. {scheme = #nn.scheme<calibration_method = "percentile", percentile = 99.9>,
                     weight_scheme = #nn.scheme<per_channel = false, reduce_range = true>}

`scheme` on an op is about its result, `weight_scheme` about its constant weight, and `nn.scheme` on
a function argument about that argument. Every key may be missing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from xdsl.dialects.builtin import DictionaryAttr
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from dialects.assembly import (
    from_attribute,
    parse_optional_plain_dictionary,
    print_plain_dictionary,
    to_attribute,
)
from dialects.elements import i8, ui8
from dialects.errors import OctetError
from dialects.quant import storage_limits

Storage = Literal["u8", "s8"]

MIN_SCALE = 2.0**-60
"""Products of two scales stay normal float32 numbers (at least 2^-126), which no kernel flushes.
A tensor whose values all lie below 255 * 2^-60 is zero for the purposes of 8 bits."""
MAX_SCALE = 2.0**60
"""Products of two scales, and their ratio to a third, stay finite in float32."""

METHODS = ("min-max", "moving-average", "percentile", "mse", "sqnr", "entropy")
"""How ranges may be measured."""

OF_WEIGHTS = frozenset({"per_channel"})
"""Keys that say something about weights alone."""
OF_CALIBRATION = frozenset({"calibration_method", "percentile", "momentum", "bins"})
"""Keys that say how a range is measured."""


@dataclass(frozen=True)
class Scheme:
    """What was said about one value; None where nothing was."""

    storage: Storage | None = None
    storage_range: tuple[int, int] | None = None
    """The least and greatest integer stored."""
    narrow_range: bool | None = None
    """Without the least integer of the storage type."""
    reduce_range: bool | None = None
    """Seven bits."""
    symmetric: bool | None = None
    per_channel: bool | None = None
    calibration_method: str | None = None
    percentile: float | None = None
    momentum: float | None = None
    bins: int | None = None
    range: tuple[float, float] | None = None
    """The real numbers to express, in place of measured ones."""
    scale: tuple[float, ...] | None = None
    """One for the tensor, or one per output channel of a weight."""
    zero_point: tuple[int, ...] | None = None
    """As many as scales."""
    origin: str | None = None
    """Which rules said so."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Scheme:
        """The scheme of plain values, which are checked. Raises OctetError naming the key."""
        checked: dict[str, Any] = {}
        for key, value in values.items():
            if key not in _CHECKS:
                raise OctetError(f"unknown key '{key}'; expected {', '.join(KEYS)}")
            expected, convert = _CHECKS[key]
            converted = convert(value)
            if converted is None:
                raise OctetError(f"'{key}' should be {expected}, got {value!r}")
            checked[key] = converted
        scheme = cls(**checked)
        scheme._check_together()
        return scheme

    def _check_together(self) -> None:
        """Raises OctetError for keys that contradict one another."""
        if (self.scale is None) != (self.zero_point is None):
            given, missing = ("scale", "zero_point") if self.scale else ("zero_point", "scale")
            raise OctetError(f"'{given}' needs '{missing}' beside it")
        given = {key for key in KEYS if getattr(self, key) is not None}
        for key, others in EXCLUSIVE.items():
            for other in sorted(given & others if key in given else ()):
                raise OctetError(f"'{key}' and '{other}' contradict one another; give one of them")
        if self.storage is not None and self.storage_range is not None:
            low, high = storage_limits(ui8 if self.storage == "u8" else i8)
            if not low <= self.storage_range[0] < self.storage_range[1] <= high:
                raise OctetError(
                    f"'storage_range' {list(self.storage_range)} does not fit in {self.storage}, "
                    f"{low} to {high}"
                )
        if self.scale is None or self.zero_point is None:
            return
        if self.per_channel is not None and self.per_channel is not (len(self.scale) > 1):
            raise OctetError(
                f"'per_channel' contradicts the {len(self.scale)} number(s) of 'scale'"
            )
        if len(self.scale) != len(self.zero_point):
            raise OctetError(
                f"'scale' has {len(self.scale)} numbers and 'zero_point' {len(self.zero_point)}"
            )
        if self.storage is not None:
            low, high = self.limits(self.storage)
            for zero_point in self.zero_point:
                if not low <= zero_point <= high:
                    raise OctetError(
                        f"'zero_point' {zero_point} lies outside the storage range {low} to {high}"
                    )

    def values(self) -> dict[str, Any]:
        """The keys that were given, in a fixed order."""
        return {
            field.name: value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) is not None
        }

    def then(self, later: Scheme) -> Scheme:
        """This scheme, changed by a later one: key by key, and what a key excludes goes."""
        replaced = {key for given in later.values() for key in EXCLUSIVE.get(given, ())}
        kept = {key: value for key, value in self.values().items() if key not in replaced}
        merged = Scheme(**{**kept, **later.values()})
        origins = [origin for origin in (self.origin, later.origin) if origin is not None]
        return dataclasses.replace(merged, origin=", ".join(dict.fromkeys(origins)) or None)

    @property
    def is_fixed(self) -> bool:
        """It says which real numbers are expressed, so that nothing is measured."""
        return self.scale is not None or self.range is not None

    def limits(self, storage: Storage) -> tuple[int, int]:
        """The least and greatest integer that is stored in a type of `storage`."""
        low, high = storage_limits(ui8 if storage == "u8" else i8)
        if self.storage_range is not None:
            return self.storage_range
        if self.reduce_range:
            # Halve around the middle: 8 bits to 7.
            low, high = (low // 2 if low else 0), high // 2
        return (low + 1, high) if self.narrow_range else (low, high)

    @property
    def limits_storage(self) -> bool:
        """It says which of the stored integers are used."""
        given = (self.storage_range, self.narrow_range, self.reduce_range)
        return any(value is not None for value in given)

    def form(self) -> dict[str, Any]:
        """The keys that say which integers are stored, and where zero is among them."""
        keys = ("storage", "storage_range", "narrow_range", "reduce_range", "symmetric")
        return {key: value for key, value in self.values().items() if key in keys}

    @property
    def who(self) -> str:
        """Where it comes from, for messages."""
        return self.origin or "its scheme"


KEYS = tuple(field.name for field in dataclasses.fields(Scheme) if field.name != "origin")

EXCLUSIVE: Mapping[str, frozenset[str]] = {
    "scale": OF_CALIBRATION | {"range", "symmetric"},
    "range": OF_CALIBRATION | {"scale", "zero_point"},
    "symmetric": frozenset({"scale", "zero_point"}),
    "storage_range": frozenset({"narrow_range", "reduce_range"}),
    "narrow_range": frozenset({"storage_range"}),
    "reduce_range": frozenset({"storage_range"}),
    **{key: frozenset({"scale", "zero_point", "range"}) for key in sorted(OF_CALIBRATION)},
}
"""Keys, and those that do not go with them: a later rule with one takes the others away."""


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _one_of(*choices: str) -> Any:
    return lambda value: value if value in choices else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(low: float, high: float) -> Any:
    return lambda value: float(value) if _is_number(value) and low <= value <= high else None


def _listed(value: Any) -> Sequence[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _interval(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(map(_is_number, value)):
        return None
    low, high = map(float, value)
    return (low, high) if low <= 0.0 <= high and low < high else None


def _storage_range(value: Any) -> tuple[int, int] | None:
    if not isinstance(value, list | tuple) or len(value) != 2 or not all(map(_is_integer, value)):
        return None
    return (value[0], value[1]) if -128 <= value[0] < value[1] <= 255 else None


def _scales(value: Any) -> tuple[float, ...] | None:
    items = _listed(value)
    fit = all(_is_number(item) and MIN_SCALE <= item <= MAX_SCALE for item in items)
    return tuple(map(float, items)) if items and fit else None


def _zero_points(value: Any) -> tuple[int, ...] | None:
    items = _listed(value)
    fit = all(_is_integer(item) and -128 <= item <= 255 for item in items)
    return tuple(items) if items and fit else None


_CHECKS: Mapping[str, tuple[str, Any]] = {
    "storage": ("'u8' or 's8'", _one_of("u8", "s8")),
    "storage_range": ("two integers of 8 bits, the lesser first", _storage_range),
    "narrow_range": ("true or false", _boolean),
    "reduce_range": ("true or false", _boolean),
    "symmetric": ("true or false", _boolean),
    "per_channel": ("true or false", _boolean),
    "calibration_method": (f"one of {', '.join(METHODS)}", _one_of(*METHODS)),
    "percentile": (
        "above 50 and at most 100",
        lambda value: float(value) if _is_number(value) and 50.0 < value <= 100.0 else None,
    ),
    "momentum": (
        "at least 0 and below 1",
        lambda value: float(value) if _is_number(value) and 0.0 <= value < 1.0 else None,
    ),
    "bins": (
        "an integer from 16 to 1048576",
        lambda value: value if _is_integer(value) and 16 <= value <= 2**20 else None,
    ),
    "range": ("two numbers, low and high, with 0 between them", _interval),
    "scale": ("a number from 2^-60 to 2^60, or a list of them", _scales),
    "zero_point": ("an integer of 8 bits, or a list of them", _zero_points),
    "origin": ("text", lambda value: value if isinstance(value, str) else None),
}
"""Per key: what is expected, and a function that converts a value or gives None."""


@irdl_attr_definition
class SchemeAttr(ParametrizedAttribute):
    """`#nn.scheme<range = [-1.0, 1.0], storage = "s8">`: a `Scheme` in the IR."""

    name = "nn.scheme"

    entries: DictionaryAttr

    def __init__(self, scheme: Scheme):
        entries = {name: to_attribute(value) for name, value in scheme.values().items()}
        super().__init__(DictionaryAttr(entries))

    @property
    def scheme(self) -> Scheme:
        return Scheme.of({key: from_attribute(value) for key, value in self.entries.data.items()})

    def verify(self) -> None:
        try:
            _ = self.scheme
        except OctetError as error:
            raise VerifyException(f"#nn.scheme: {error}") from error

    def print_parameters(self, printer: Printer) -> None:
        print_plain_dictionary(printer, self.entries.data)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        return (DictionaryAttr(parse_optional_plain_dictionary(parser)),)

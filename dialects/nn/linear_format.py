"""How a matrix product keeps its weights and takes its activations: `#nn.linear_format<..>`.

    %y = nn.matmul .. {linear_format = #nn.linear_format<weights = "int4", group_size = 32>}
    %y = nn.matmul .. {linear_format = #nn.linear_format<activations = "dynamic">}

The first is weight-only quantization: weights are stored in few bits and products are float32. In
the second, int8 weights meet activations that are quantized when the program runs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

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
from dialects.errors import OctetError

Weights = Literal["int8", "int4"]

WEIGHTS: tuple[Weights, ...] = ("int8", "int4")
"""Formats that weights may be stored in."""
DYNAMIC = "dynamic"

GROUP_SIZES = (16, 32, 64, 128, 256)
"""How many weights along K may share a scale: whole bytes and whole registers."""


@dataclass(frozen=True)
class LinearFormat:
    """What was asked for one matrix product.

    weights: the format they are stored in; None with dynamic activations, whose weights are int8.
    group_size: so many weights along K share a scale; None is 32 for int4, for int8 all of a
    column.
    activations: "dynamic" to quantize them when the program runs; None leaves them float32.
    """

    weights: Weights | None = None
    group_size: int | None = None
    activations: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> LinearFormat:
        """The format of plain values. Raises OctetError naming the key that is wrong."""
        weights, size = values.get("weights"), values.get("group_size")
        activations = values.get("activations")
        if weights is not None and weights not in WEIGHTS:
            raise OctetError(f"'weights' should be one of {', '.join(WEIGHTS)}, got {weights!r}")
        if size is not None and (isinstance(size, bool) or size not in GROUP_SIZES):
            raise OctetError(
                f"'group_size' should be one of {', '.join(map(str, GROUP_SIZES))}, got {size!r}"
            )
        if activations is not None and activations != DYNAMIC:
            raise OctetError(f"'activations' should be '{DYNAMIC}', got {activations!r}")
        if size is not None and weights is None:
            raise OctetError("'group_size' needs 'weights' beside it: \"int8\" or \"int4\"")
        if activations == DYNAMIC and (weights == "int4" or size is not None):
            raise OctetError(
                "'activations' = \"dynamic\" multiplies int8 weights with a scale per column: "
                "leave out 'group_size', and 'weights' unless it is \"int8\""
            )
        return cls(cast(Weights | None, weights), size, activations)

    @classmethod
    def parse(cls, text: str) -> LinearFormat:
        """The format of a text such as `int4`, `int4:64` or `dynamic`."""
        name, colon, size = text.partition(":")
        if name == DYNAMIC and not colon:
            return cls.of({"activations": DYNAMIC})
        if name not in WEIGHTS or (colon and not size.isdecimal()):
            raise OctetError(f"expected int8, int4, or one of them with :GROUP_SIZE, got '{text}'")
        return cls.of({"weights": name, **({"group_size": int(size)} if colon else {})})

    def values(self) -> dict[str, Any]:
        """The keys that were given, in a fixed order."""
        return {
            field.name: value
            for field in dataclasses.fields(self)
            if (value := getattr(self, field.name)) is not None
        }

    @property
    def is_dynamic(self) -> bool:
        return self.activations == DYNAMIC

    def __str__(self) -> str:
        if self.is_dynamic:
            return DYNAMIC
        return f"{self.weights}" + ("" if self.group_size is None else f":{self.group_size}")


KEYS = tuple(field.name for field in dataclasses.fields(LinearFormat))


@irdl_attr_definition
class LinearFormatAttr(ParametrizedAttribute):
    """`#nn.linear_format<weights = "int4", group_size = 32>`: a `LinearFormat` in the IR."""

    name = "nn.linear_format"

    entries: DictionaryAttr

    def __init__(self, format: LinearFormat):
        entries = {name: to_attribute(value) for name, value in format.values().items()}
        super().__init__(DictionaryAttr(entries))

    @property
    def format(self) -> LinearFormat:
        return LinearFormat.of(
            {key: from_attribute(value) for key, value in self.entries.data.items()}
        )

    def verify(self) -> None:
        try:
            unknown = set(self.entries.data) - set(KEYS)
            if unknown or not self.format.values():
                raise OctetError(f"expected keys among {', '.join(KEYS)}, got {sorted(unknown)}")
        except OctetError as error:
            raise VerifyException(f"#nn.linear_format: {error}") from error

    def print_parameters(self, printer: Printer) -> None:
        print_plain_dictionary(printer, self.entries.data)

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        return (DictionaryAttr(parse_optional_plain_dictionary(parser)),)

"""Attributes of the `nn` dialect: precision, fused activation, weight handle."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xdsl.dialects.builtin import FloatAttr, StringAttr, f64
from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import Attribute, ParametrizedAttribute, SpacedOpaqueSyntaxAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.str_enum import StrEnum

from dialects.assembly import format_float


class Precision(StrEnum):
    """The number format an op computes in."""

    F32 = "f32"
    BF16 = "bf16"
    F16 = "f16"
    INT8 = "int8"


HALF_PRECISIONS = (Precision.BF16, Precision.F16)
"""Stored in 16 bits, computed in float32."""


@irdl_attr_definition
class PrecisionAttr(EnumAttribute[Precision], SpacedOpaqueSyntaxAttribute):
    """`#nn<precision int8>`."""

    name = "nn.precision"


@irdl_attr_definition
class ActivationAttr(ParametrizedAttribute):
    """A clamp fused into the op that feeds it: `#nn.activation<relu>`, `<clip 0.0, 6.0>`.

    Only clamps are fused: they are monotone, so in integers they are a narrower storage range.
    """

    name = "nn.activation"

    low: FloatAttr
    high: FloatAttr

    def __init__(self, low: float, high: float):
        super().__init__(FloatAttr(low, f64), FloatAttr(high, f64))

    @property
    def bounds(self) -> tuple[float, float]:
        return self.low.value.data, self.high.value.data

    def verify(self) -> None:
        low, high = self.bounds
        if not low <= high:
            raise VerifyException(f"a fused clamp needs low <= high, got {low} and {high}")

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            low, high = self.bounds
            if (low, high) == (0.0, math.inf):
                printer.print_string("relu")
            else:
                printer.print_string(f"clip {format_float(low)}, {format_float(high)}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            if parser.parse_keyword_in(("relu", "clip")) == "relu":
                low, high = 0.0, math.inf
            else:
                low = _parse_bound(parser)
                parser.parse_punctuation(",")
                high = _parse_bound(parser)
        return FloatAttr(low, f64), FloatAttr(high, f64)


def _parse_bound(parser: AttrParser) -> float:
    negative = parser.parse_optional_punctuation("-") is not None
    if parser.parse_optional_keyword("inf") is not None:
        value = math.inf
    else:
        value = float(parser.parse_number())
    return -value if negative else value


RELU = ActivationAttr(0.0, math.inf)


@irdl_attr_definition
class WeightAttr(ParametrizedAttribute):
    """A handle into the weight store: `#nn.weight<"sha256 digest in hex">`."""

    name = "nn.weight"

    digest: StringAttr

    def __init__(self, digest: str):
        super().__init__(StringAttr(digest))

    def verify(self) -> None:
        text = self.digest.data
        if len(text) != 64 or set(text) - set("0123456789abcdef"):
            raise VerifyException(f"a weight handle is 64 hex digits of sha256, got '{text}'")

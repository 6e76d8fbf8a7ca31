"""The `quant` dialect: integers that stand for real numbers, in MLIR's syntax and meaning.

A value of element type `!quant.uniform<u8:f32, 0.1:3>` is stored as an unsigned byte and
stands for the real number `0.1 * (stored - 3)`:

    !quant.uniform<i8:f32, 0.1:3>                 one scale for the whole tensor
    !quant.uniform<i8<-127:127>:f32, 0.1>         narrow storage range, zero point 0
    !quant.uniform<u8:f32:1, {0.1:3, 0.2}>        one scale per index of dimension 1

Signedness, zero point and axis are in the type, so a rewrite that mixes them up does not
verify. Source: https://mlir.llvm.org/docs/Dialects/QuantDialect/
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import cast

from xdsl.dialects.builtin import (
    I64,
    AnyFloat,
    DenseArrayBase,
    Float64Type,
    IntAttr,
    IntegerType,
    NoneAttr,
    Signedness,
    TensorType,
    bf16,
    f16,
    f32,
    f64,
    i64,
)
from xdsl.interfaces import HasFolderInterface
from xdsl.ir import Attribute, Dialect, ParametrizedAttribute, SSAValue, TypeAttribute
from xdsl.irdl import (
    IRDLOperation,
    irdl_attr_definition,
    irdl_op_definition,
    operand_def,
    result_def,
    traits_def,
)
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.assembly import format_float

SUPPORTED_WIDTHS = (4, 8, 16, 32)


def storage_limits(storage: IntegerType) -> tuple[int, int]:
    """The least and greatest integer of a storage type; `i8` is signed, as in MLIR."""
    width = storage.width.data
    if storage.signedness.data is Signedness.UNSIGNED:
        return 0, 2**width - 1
    return -(2 ** (width - 1)), 2 ** (width - 1) - 1


@irdl_attr_definition
class UniformQuantizedType(ParametrizedAttribute, TypeAttribute):
    """An element type with `real = scale * (stored - zero_point)`."""

    name = "quant.uniform"

    storage: IntegerType
    storage_min: IntAttr
    storage_max: IntAttr
    expressed: AnyFloat
    axis: IntAttr | NoneAttr
    # Dense arrays, not `ArrayAttr`: thousands of scales hash and compare as one byte string.
    scales: DenseArrayBase[Float64Type]
    zero_points: DenseArrayBase[I64]

    def __init__(
        self,
        storage: IntegerType,
        expressed: AnyFloat,
        scales: Sequence[float],
        zero_points: Sequence[int],
        *,
        axis: int | None = None,
        storage_range: tuple[int, int] | None = None,
    ):
        low, high = storage_range or storage_limits(storage)
        super().__init__(
            storage,
            IntAttr(low),
            IntAttr(high),
            expressed,
            NoneAttr() if axis is None else IntAttr(axis),
            DenseArrayBase.from_list(f64, scales),
            DenseArrayBase.from_list(i64, zero_points),
        )

    @property
    def channel_axis(self) -> int | None:
        """The dimension that has a scale per index; None when there is one scale."""
        return self.axis.data if isinstance(self.axis, IntAttr) else None

    @property
    def is_signed(self) -> bool:
        return self.storage.signedness.data is not Signedness.UNSIGNED

    @property
    def limits(self) -> tuple[int, int]:
        """The least and greatest integer that may be stored."""
        return self.storage_min.data, self.storage_max.data

    def with_axis(self, axis: int | None) -> UniformQuantizedType:
        """The same type with its scales along another dimension (after a transpose, say)."""
        return UniformQuantizedType(
            self.storage,
            self.expressed,
            self.scales.get_values(),
            self.zero_points.get_values(),
            axis=axis,
            storage_range=self.limits,
        )

    def verify(self) -> None:
        if self.storage.width.data not in SUPPORTED_WIDTHS:
            raise VerifyException(
                f"storage type {self.storage} is not supported; expected a width of "
                + ", ".join(map(str, SUPPORTED_WIDTHS))
            )
        low, high = storage_limits(self.storage)
        if not low <= self.storage_min.data < self.storage_max.data <= high:
            raise VerifyException(
                f"storage range {self.storage_min.data}:{self.storage_max.data} does not fit "
                f"in {self.storage} ({low}:{high})"
            )
        if len(self.scales) != len(self.zero_points):
            raise VerifyException(
                f"expected as many scales as zero points, got {len(self.scales)} and "
                f"{len(self.zero_points)}"
            )
        if self.channel_axis is None and len(self.scales) != 1:
            raise VerifyException("a per-tensor type has exactly one scale")
        if not all(0.0 < scale < float("inf") for scale in self.scales.iter_values()):
            raise VerifyException("scales must be finite and greater than zero")
        for zero_point in self.zero_points.iter_values():
            if not self.storage_min.data <= zero_point <= self.storage_max.data:
                raise VerifyException(
                    f"zero point {zero_point} lies outside the storage range "
                    f"{self.storage_min.data}:{self.storage_max.data}"
                )

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            # MLIR writes `u8`, not `ui8`, for an unsigned storage type.
            printer.print_string(f"{'i' if self.is_signed else 'u'}{self.storage.width.data}")
            if self.limits != storage_limits(self.storage):
                printer.print_string(f"<{self.limits[0]}:{self.limits[1]}>")
            printer.print_string(":")
            printer.print_attribute(self.expressed)
            if isinstance(self.axis, IntAttr):
                printer.print_string(f":{self.axis.data}")
            printer.print_string(", ")
            elements = _channels_text(self.scales, self.zero_points)
            printer.print_string(elements if self.channel_axis is None else f"{{{elements}}}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            storage = _parse_storage(parser)
            low, high = storage_limits(storage)
            if parser.parse_optional_punctuation("<") is not None:
                low = parser.parse_integer()
                parser.parse_punctuation(":")
                high = parser.parse_integer()
                parser.parse_punctuation(">")
            parser.parse_punctuation(":")
            expressed = parser.parse_type()
            axis: IntAttr | NoneAttr = NoneAttr()
            if parser.parse_optional_punctuation(":") is not None:
                axis = IntAttr(parser.parse_integer(allow_negative=False))
            parser.parse_punctuation(",")
            scales, zero_points = _parse_channels(parser, per_axis=isinstance(axis, IntAttr))
        return storage, IntAttr(low), IntAttr(high), expressed, axis, scales, zero_points


# A ResNet-50 has 27,000 scales, each of which stands four times in its text: with the type of
# the constant and of every use. Token by token that takes seconds to read, so the list between
# the braces is read as one string, and equal strings are read once.

Channels = tuple[DenseArrayBase[Float64Type], DenseArrayBase[I64]]
_CHANNEL = re.compile(r"\s*([0-9]+\.[0-9]*(?:[eE][-+]?[0-9]+)?)(?::(-?[0-9]+))?\s*")


@lru_cache(maxsize=1024)
def _channels_text(scales: DenseArrayBase[Float64Type], zero_points: DenseArrayBase[I64]) -> str:
    pairs = zip(scales.get_values(), zero_points.get_values(), strict=True)
    return ", ".join(
        f"{format_float(scale)}:{zero_point}" if zero_point else format_float(scale)
        for scale, zero_point in pairs
    )


def _parse_channels(parser: AttrParser, *, per_axis: bool) -> Channels:
    """One `scale:zero_point`, or with `per_axis` a list of them in braces."""
    if not per_axis:
        return _channels([_parse_scale_and_zero_point(parser)])
    text = parser.lexer.input.content
    start, end = parser.pos, text.find("}", parser.pos)
    if text[start : start + 1] == "{" and (read := _read_channels(text[start + 1 : end])):
        parser._resume_from(end + 1)  # pyright: ignore[reportPrivateUsage]
        return read
    # Not as this dialect prints it: read it token by token, which also finds where it is wrong.
    return _channels(
        parser.parse_comma_separated_list(
            parser.Delimiter.BRACES, lambda: _parse_scale_and_zero_point(parser)
        )
    )


@lru_cache(maxsize=1024)
def _read_channels(text: str) -> Channels | None:
    elements: list[tuple[float, int]] = []
    for item in text.split(","):
        match = _CHANNEL.fullmatch(item)
        if match is None:
            return None
        elements.append((float(match[1]), int(match[2] or 0)))
    return _channels(elements)


def _channels(elements: Sequence[tuple[float, int]]) -> Channels:
    return (
        DenseArrayBase.from_list(f64, [scale for scale, _ in elements]),
        DenseArrayBase.from_list(i64, [zero_point for _, zero_point in elements]),
    )


def _parse_storage(parser: AttrParser) -> IntegerType:
    keyword = parser.parse_identifier(" for the storage type")
    kind, width = keyword[:1], keyword[1:]
    if kind not in ("i", "u") or not width.isdecimal():
        parser.raise_error(f"expected a storage type such as i8 or u8, got {keyword}")
    signedness = Signedness.UNSIGNED if kind == "u" else Signedness.SIGNLESS
    return IntegerType(int(width), signedness)


def _parse_scale_and_zero_point(parser: AttrParser) -> tuple[float, int]:
    scale = float(parser.parse_number(context_msg=" for the scale"))
    zero_point = 0
    if parser.parse_optional_punctuation(":") is not None:
        zero_point = parser.parse_integer()
    return scale, zero_point


def _quantized_element(op: CastOp, type: Attribute) -> UniformQuantizedType:
    """The quantized element type of `type`, checked against its shape."""
    element = cast(TensorType, type).element_type
    if not isinstance(element, UniformQuantizedType):
        raise VerifyException(f"{op.name} expects a tensor of !quant.uniform, got {type}")
    verify_channels(op.name, element, cast(TensorType, type).get_shape())
    return element


def verify_channels(where: str, element: Attribute, shape: Sequence[int]) -> None:
    """A per-channel type has a scale for every index of one dimension of `shape`."""
    axis = element.channel_axis if isinstance(element, UniformQuantizedType) else None
    if axis is None or not isinstance(element, UniformQuantizedType):
        return
    if axis >= len(shape):
        raise VerifyException(
            f"{where}: axis {axis} of a quantized type is not a dimension of {list(shape)}"
        )
    if shape[axis] != len(element.scales):
        raise VerifyException(
            f"{where}: dimension {axis} has {shape[axis]} indices but the type has "
            f"{len(element.scales)} scales"
        )


class CastOp(IRDLOperation):
    """What the three casts share: one operand, one result, the same shape."""

    input = operand_def(TensorType)
    result = result_def(TensorType)

    traits = traits_def(Pure())

    assembly_format = "$input attr-dict `:` type($input) `->` type($result)"

    def __init__(self, input: SSAValue, result_type: TensorType):
        super().__init__(operands=[input], result_types=[result_type])

    def verify_(self) -> None:
        source, target = cast(TensorType, self.input.type), cast(TensorType, self.result.type)
        if source.get_shape() != target.get_shape():
            raise VerifyException(
                f"{self.name} keeps the shape, but got {source.get_shape()} and "
                f"{target.get_shape()}"
            )
        self.verify_elements(source, target)

    def verify_elements(self, source: TensorType, target: TensorType) -> None:
        raise VerifyException(f"{self.name} does not say which element types it accepts")


def _verify_expressed(op: CastOp, quantized: UniformQuantizedType, real: Attribute) -> None:
    """The real side has the expressed type, or is a 16-bit float in place of f32: the cast then
    computes in f32 and widens or rounds once."""
    if quantized.expressed != real and not (quantized.expressed == f32 and real in (bf16, f16)):
        raise VerifyException(
            f"{op.name}: the quantized type expresses {quantized.expressed}, but the other side "
            f"has elements of {real}"
        )


@irdl_op_definition
class QuantizeCastOp(CastOp, HasFolderInterface):
    """Rounds real numbers to a quantized type: `clamp(round(x / scale) + zero_point)`."""

    name = "quant.qcast"

    def verify_elements(self, source: TensorType, target: TensorType) -> None:
        _verify_expressed(self, _quantized_element(self, target), source.element_type)

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """`qcast(dcast(q))` is `q` when both types agree in everything."""
        producer = self.input.owner
        if isinstance(producer, DequantizeCastOp) and producer.input.type == self.result.type:
            return (producer.input,)
        return None


@irdl_op_definition
class DequantizeCastOp(CastOp):
    """The real numbers a quantized tensor stands for: `(stored - zero_point) * scale`.

    There is no folder for `dcast(qcast(x))`: it rounds, so it is not `x`.
    """

    name = "quant.dcast"

    def verify_elements(self, source: TensorType, target: TensorType) -> None:
        _verify_expressed(self, _quantized_element(self, source), target.element_type)


@irdl_op_definition
class StorageCastOp(CastOp, HasFolderInterface):
    """Reads stored integers as a quantized tensor or back; no bit changes."""

    name = "quant.scast"

    def verify_elements(self, source: TensorType, target: TensorType) -> None:
        quantized = [
            type for type in (source, target) if isinstance(type.element_type, UniformQuantizedType)
        ]
        if len(quantized) != 1:
            raise VerifyException(
                "quant.scast converts between a quantized tensor and its stored integers, got "
                f"{source} and {target}"
            )
        storage = _quantized_element(self, quantized[0]).storage
        stored = target if quantized[0] is source else source
        if stored.element_type != storage:
            raise VerifyException(
                f"quant.scast: {quantized[0]} is stored as {storage}, not {stored.element_type}"
            )

    def fold(self) -> Sequence[SSAValue | Attribute] | None:
        """`scast(scast(x))` is `x` when it gives back the type of `x`."""
        producer = self.input.owner
        if isinstance(producer, StorageCastOp) and producer.input.type == self.result.type:
            return (producer.input,)
        return None


Quant = Dialect("quant", [QuantizeCastOp, DequantizeCastOp, StorageCastOp], [UniformQuantizedType])

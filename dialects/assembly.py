"""The textual form shared by the `nn` and `kernel` dialects, and plain values as attributes.

One line per operation, operands first, options next, facts about the operation last:

    %2 = nn.conv %0, %1, bias = %b <strides = [2, 2], groups = 1> {layer = "stem"} : (..) -> ..

Operands that every instance has stand bare; optional ones are written `name = %value`.
Properties are printed as plain values (`3`, `0.5`, `[1, 2]`, `[0.5]`, `"edge"`, `true`), whose
spelling alone decides the attribute: a number with a point is an `f64`, one without an `i64`,
a list of either a dense array. Anything else is printed as a full attribute.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from xdsl.dialects.builtin import (
    ArrayAttr,
    BoolAttr,
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    StringAttr,
    f64,
    i1,
    i64,
)
from xdsl.ir import Attribute
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    OptOperandDef,
    VarOperandDef,
)
from xdsl.parser import AttrParser, Parser, UnresolvedOperand
from xdsl.printer import Printer

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)

INTEGERS = DenseArrayBase.constr(i64)
"""Constraint of a property that is a list of integers."""

FLOATS = DenseArrayBase.constr(f64)
"""Constraint of a property that is a list of floats."""


def format_float(value: float) -> str:
    """The shortest text that reads back as the same float64, with a point in it."""
    if not math.isfinite(value):
        return {math.inf: "inf", -math.inf: "-inf"}.get(value, "nan")
    text = repr(float(value))
    if "." in text:
        return text
    mantissa, exponent = text.split("e")
    return f"{mantissa}.0e{exponent}"


def to_attribute(value: Any) -> Attribute:
    """A plain Python value as an attribute: int, float, bool, str, or a sequence of numbers."""
    if isinstance(value, Attribute):
        return value
    if isinstance(value, bool):
        return IntegerAttr(int(value), i1)
    if isinstance(value, int):
        return IntegerAttr(value, i64)
    if isinstance(value, float):
        return FloatAttr(value, f64)
    if isinstance(value, str):
        return StringAttr(value)
    if isinstance(value, Sequence):
        if any(isinstance(item, float) for item in value):
            return DenseArrayBase.from_list(f64, [float(item) for item in value])
        return DenseArrayBase.from_list(i64, [int(item) for item in value])
    raise TypeError(f"{value!r} has no attribute form")


def from_attribute(attribute: Attribute) -> Any:
    """The inverse of `to_attribute`; other attributes are given back as they are."""
    if isinstance(attribute, IntegerAttr):
        value = attribute.value.data
        return bool(value) if attribute.type == i1 else value
    if isinstance(attribute, FloatAttr):
        return attribute.value.data
    if isinstance(attribute, StringAttr):
        return attribute.data
    if isinstance(attribute, DenseArrayBase):
        return attribute.get_values()
    return attribute


class PlainAssembly(IRDLOperation):
    """An operation in the textual form of this module; see its docstring."""

    def values(self) -> dict[str, Any]:
        """The properties as plain Python values, without the operand segment sizes."""
        return {
            name: from_attribute(attribute)
            for name, attribute in self.properties.items()
            if name != AttrSizedOperandSegments.attribute_name
        }

    def print(self, printer: Printer) -> None:
        separator = " "
        for name, definition in self.get_irdl_definition().operands:
            optional = isinstance(definition, OptOperandDef)
            value = getattr(self, name)
            operands = value if isinstance(definition, VarOperandDef) and not optional else (value,)
            for operand in operands:
                if operand is None:
                    continue
                printer.print_string(separator)
                if optional:
                    printer.print_string(f"{name} = ")
                printer.print_ssa_value(operand)
                separator = ", "
        properties = {
            name: attribute
            for name, attribute in self.properties.items()
            if name != AttrSizedOperandSegments.attribute_name
        }
        if properties:
            printer.print_string(" ")
            print_plain_dictionary(printer, properties)
        if self.attributes:
            printer.print_string(" ")
            printer.print_attr_dict(dict(sorted(self.attributes.items())))
        printer.print_string(" : ")
        printer.print_operation_type(self)

    @classmethod
    def parse(cls, parser: Parser) -> PlainAssembly:
        bare: list[UnresolvedOperand] = []
        named: dict[str, UnresolvedOperand] = {}
        position = parser.pos
        first = True
        while first or parser.parse_optional_punctuation(",") is not None:
            operand = parser.parse_optional_unresolved_operand()
            if operand is not None:
                bare.append(operand)
            else:
                name = parser.parse_optional_identifier()
                if name is None:
                    if not first:
                        parser.raise_error("expected an operand")
                    break
                parser.parse_punctuation("=")
                named[name] = parser.parse_unresolved_operand()
            first = False
        properties = parse_optional_plain_dictionary(parser)
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        types_position = parser.pos
        function_type = parser.parse_function_type()
        inputs = list(function_type.inputs)

        definition = cls.get_irdl_definition()
        unresolved: list[list[UnresolvedOperand]] = []
        remaining = list(bare)
        for name, operand_definition in definition.operands:
            if isinstance(operand_definition, OptOperandDef):
                unresolved.append([named.pop(name)] if name in named else [])
            elif isinstance(operand_definition, VarOperandDef):
                unresolved.append(remaining)
                remaining = []
            else:
                if not remaining:
                    parser.raise_error(f"{cls.name} needs operand '{name}'", position)
                unresolved.append([remaining.pop(0)])
        if remaining:
            parser.raise_error(
                f"{cls.name} has {len(remaining)} operand(s) too many; optional operands are "
                "written `name = %value`",
                position,
            )
        if named:
            parser.raise_error(f"{cls.name} has no operand '{next(iter(named))}'", position)
        if sum(map(len, unresolved)) != len(inputs):
            parser.raise_error(
                f"{cls.name} has {sum(map(len, unresolved))} operands but {len(inputs)} operand "
                "types",
                types_position,
            )
        operands = [
            [parser.resolve_operand(operand, inputs.pop(0)) for operand in group]
            for group in unresolved
        ]
        outputs = list(function_type.outputs)
        if len(outputs) != len(definition.results):
            parser.raise_error(
                f"{cls.name} has {len(definition.results)} result(s) but {len(outputs)} result "
                "type(s)",
                types_position,
            )
        return cls(
            operands=operands,
            result_types=[[output] for output in outputs],
            properties=properties,
            attributes=attributes,
        )


def print_plain_dictionary(printer: Printer, values: Mapping[str, Attribute]) -> None:
    """Prints `<name = value, ...>`, sorted by name."""
    with printer.in_angle_brackets():
        printer.print_list(
            sorted(values.items()),
            lambda item: (
                printer.print_string(f"{item[0]} = "),
                _print_plain(printer, item[1]),
            )[0],
        )


def _print_plain(printer: Printer, attribute: Attribute) -> None:
    match attribute:
        case IntegerAttr(type=IntegerType()) if attribute.type == i1:
            printer.print_string("true" if attribute.value.data else "false")
        case IntegerAttr() if attribute.type == i64:
            printer.print_string(str(attribute.value.data))
        case FloatAttr() if attribute.type == f64:
            printer.print_string(format_float(attribute.value.data))
        case StringAttr():
            printer.print_string_literal(attribute.data)
        case DenseArrayBase() if attribute.elt_type == i64:
            printer.print_string(str(list(from_attribute(attribute))))
        case DenseArrayBase() if attribute.elt_type == f64 and len(attribute):
            printer.print_string(
                "[" + ", ".join(map(format_float, from_attribute(attribute))) + "]"
            )
        case _:
            printer.print_attribute(attribute)


def parse_optional_plain_dictionary(parser: AttrParser) -> dict[str, Attribute]:
    """Parses what `print_plain_dictionary` prints; nothing gives an empty dictionary."""
    values: dict[str, Attribute] = {}
    if parser.parse_optional_punctuation("<") is None:
        return values
    while True:
        name = parser.parse_identifier(" for the name of a property")
        if name in values:
            parser.raise_error(f"property '{name}' is given twice")
        parser.parse_punctuation("=")
        values[name] = _parse_plain(parser)
        if parser.parse_optional_punctuation(",") is None:
            break
    parser.parse_punctuation(">")
    return values


def _parse_plain(parser: AttrParser) -> Attribute:
    if (text := parser.parse_optional_str_literal()) is not None:
        return StringAttr(text)
    if parser.parse_optional_punctuation("[") is not None:
        items: list[int | float] = []
        if parser.parse_optional_punctuation("]") is None:
            items.append(_parse_number(parser))
            while parser.parse_optional_punctuation(",") is not None:
                items.append(_parse_number(parser))
            parser.parse_punctuation("]")
        return to_attribute(items)
    if (boolean := parser.parse_optional_keyword_in(("true", "false"))) is not None:
        return BoolAttr.from_bool(boolean == "true")
    if (number := _parse_optional_number(parser)) is not None:
        return to_attribute(number)
    return parser.parse_attribute()


def _parse_optional_number(parser: AttrParser) -> int | float | None:
    if parser.parse_optional_keyword("inf") is not None:
        return math.inf
    if parser.parse_optional_keyword("nan") is not None:
        return math.nan
    if parser.parse_optional_punctuation("-") is not None:
        return -_parse_number(parser)
    return parser.parse_optional_number()


def _parse_number(parser: AttrParser) -> int | float:
    number = _parse_optional_number(parser)
    if number is None:
        parser.raise_error("expected a number")
    return number


__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "ArrayAttr",
    "PlainAssembly",
    "format_float",
    "from_attribute",
    "parse_optional_plain_dictionary",
    "print_plain_dictionary",
    "to_attribute",
]

"""What every `nn` op declares, so that passes ask the op instead of listing op names."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, cast

from xdsl.dialects.builtin import ArrayAttr, StringAttr, TensorType, f32
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import OptOperandDef, VarOperandDef, opt_attr_def, traits_def
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.assembly import FLOATS, INTEGERS, PlainAssembly, to_attribute
from dialects.elements import HALVES, dtype_of, i64, is_quantized
from dialects.errors import OctetError
from dialects.nn.attributes import HALF_PRECISIONS, Precision, PrecisionAttr
from dialects.nn.scheme import SchemeAttr
from dialects.quant import UniformQuantizedType, verify_channels
from dialects.shapes import Shape


class Quantization(enum.Enum):
    """What quantized values mean to an op."""

    MOVES = "moves data: quantized values pass through unchanged"
    """Exact on stored integers, when operands and results share one quantized type."""

    COMPUTES = "computes: has integer arithmetic of its own"
    """Takes quantized operands with any scales and rescales into the result's type."""

    TABLE = "unary: a 256-entry table between int8 types"
    """Any unary function; in int8 it is one table lookup."""

    FLOAT = "stays float"


def shape_of(value: SSAValue) -> Shape:
    """The shape of a tensor value."""
    return cast(TensorType, value.type).get_shape()


def element_of_value(value: SSAValue) -> Attribute:
    """The element type of a tensor value."""
    return cast(TensorType, value.type).element_type


ElementRule = Callable[[Sequence[Attribute], Mapping[str, Any]], list[Attribute]]


def first_operand_element(elements: Sequence[Attribute], _: Mapping[str, Any]) -> list[Attribute]:
    return [elements[0]]


class NnOp(PlainAssembly):
    """Base of all `nn` ops. Class attributes are what passes may ask about an op type."""

    QUANTIZATION: ClassVar[Quantization] = Quantization.FLOAT
    WEIGHT_AXES: ClassVar[Mapping[str, int]] = {}
    """Operands that hold weights when they are constant, each with its output-channel axis."""

    FLOAT_OPERANDS: ClassVar[frozenset[str]] = frozenset()
    """Operands that stay float when the op computes on quantized values."""

    SHAPE_RULE: ClassVar[Callable[..., list[Shape]]]
    """From `dialects.shapes`: operand shapes and options to result shapes."""

    ELEMENT_RULE: ClassVar[ElementRule] = staticmethod(first_operand_element)
    """Operand element types and options to result element types."""

    traits = traits_def(Pure())

    layer = opt_attr_def(StringAttr)
    """The source name: which layer of the model this op came from."""
    absorbed = opt_attr_def(ArrayAttr)
    """Source names of layers fused into this one."""
    precision = opt_attr_def(PrecisionAttr)
    placed_by = opt_attr_def(StringAttr)
    """Which rule chose the precision, and why."""
    index = opt_attr_def(INTEGERS)
    """Which ops of the placed program this one computes, see `dialects.origin`."""
    range = opt_attr_def(FLOATS)
    """Calibrated [low, high] of each result, in real numbers."""
    scheme = opt_attr_def(SchemeAttr)
    """How the first result is to be quantized, where that differs from the defaults."""
    weight_scheme = opt_attr_def(SchemeAttr)
    """... and the constant weight."""

    @classmethod
    def make(
        cls,
        *operands: SSAValue | None,
        result_elements: Sequence[Attribute] | None = None,
        result_shapes: Sequence[Shape] | None = None,
        layer: str | StringAttr | None = None,
        **options: Any,
    ) -> Self:
        """Builds an op: operands in order (None for an absent optional one), options by name.

        Result types are inferred; `result_elements` overrides the element types (for a
        quantized result, or a cast). Raises OctetError when shapes do not fit.
        """
        present = [operand for operand in operands if operand is not None]
        given = {name: value for name, value in options.items() if value is not None}
        shapes = list(result_shapes or cls.SHAPE_RULE(*map(shape_of, present), **given))
        elements = list(
            result_elements or cls.ELEMENT_RULE([*map(element_of_value, present)], given)
        )
        definition = cls.get_irdl_definition()
        groups: list[Sequence[SSAValue]] = []
        remaining = list(operands)
        for _, operand_definition in definition.operands:
            if isinstance(operand_definition, VarOperandDef) and not isinstance(
                operand_definition, OptOperandDef
            ):
                groups.append([value for value in remaining if value is not None])
                remaining = []
                continue
            value = remaining.pop(0) if remaining else None
            groups.append([] if value is None else [value])
        attributes: dict[str, Attribute] = {}
        if layer is not None:
            attributes["layer"] = StringAttr(layer) if isinstance(layer, str) else layer
        return cls(
            operands=groups,
            result_types=[
                [TensorType(element, shape)]
                for element, shape in zip(elements, shapes, strict=True)
            ],
            properties={name: to_attribute(value) for name, value in given.items()},
            attributes=attributes,
        )

    # --- questions passes ask ---------------------------------------------------------------

    @property
    def mnemonic(self) -> str:
        """`conv` for `nn.conv`: the name of its reference function and of `type:` selectors."""
        return self.name.split(".", 1)[1]

    @property
    def source_name(self) -> str:
        """The layer name for messages; the op name where the model gave none."""
        return self.layer.data if self.layer is not None else self.name

    @property
    def names(self) -> tuple[str, ...]:
        """All source names this op answers to: its own and those fused into it."""
        own = (self.layer.data,) if self.layer is not None else ()
        absorbed = self.absorbed.data if self.absorbed is not None else ()
        return (*own, *(cast(StringAttr, name).data for name in absorbed))

    @property
    def is_int8(self) -> bool:
        return self.precision is not None and self.precision.data is Precision.INT8

    @property
    def is_half(self) -> bool:
        """Placed in one of the 16-bit floats."""
        return self.precision is not None and self.precision.data in HALF_PRECISIONS

    def operand_names(self) -> list[str]:
        """The declared name of each operand that is present, in order."""
        names: list[str] = []
        for name, definition in self.get_irdl_definition().operands:
            value = getattr(self, name)
            if isinstance(definition, OptOperandDef):
                names += [name] if value is not None else []
            elif isinstance(definition, VarOperandDef):
                names += [name] * len(value)
            else:
                names.append(name)
        return names

    def optional_operand_names(self) -> tuple[str, ...]:
        """The declared names of operands that may be absent."""
        definitions = self.get_irdl_definition().operands
        return tuple(name for name, d in definitions if isinstance(d, OptOperandDef))

    def infer_shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        """Result shapes for operands of `shapes`, by this op's own options."""
        return type(self).SHAPE_RULE(*shapes, **self.values())

    def macs(self) -> int:
        """Multiply-accumulates of one run; 0 for ops that do not multiply matrices."""
        return 0

    def bytes_moved(self) -> int:
        """Bytes of operands read and results written, were each touched once."""
        return sum(
            math.prod(shape_of(value)) * dtype_of(element_of_value(value)).itemsize
            for value in (*self.operands, *self.results)
        )

    # --- verification -----------------------------------------------------------------------

    def verify_(self) -> None:
        for value in (*self.operands, *self.results):
            if not isinstance(value.type, TensorType):
                raise VerifyException(f"{self.name} works on tensors, got {value.type}")
            verify_channels(self.source_name, element_of_value(value), shape_of(value))
        try:
            inferred = self.infer_shapes([*map(shape_of, self.operands)])
        except OctetError as error:
            raise VerifyException(f"{self.source_name}: {error}") from error
        for index, (result, shape) in enumerate(zip(self.results, inferred, strict=True)):
            if shape_of(result) != shape:
                raise VerifyException(
                    f"{self.source_name}: result {index} of {self.name} has shape "
                    f"{list(shape_of(result))}, but its operands and options give {list(shape)}"
                )
        if self.range is not None and len(self.range) != 2 * len(self.results):
            raise VerifyException(f"{self.source_name}: 'range' needs a low and a high per result")
        self.verify_elements()
        self.verify_precision()

    def verify_elements(self) -> None:
        """Without quantized values, result element types follow from the operands'."""
        elements = [element_of_value(operand) for operand in self.operands]
        results = [element_of_value(result) for result in self.results]
        if any(map(is_quantized, elements)):
            for element in results:
                if not is_quantized(element) and element not in (f32, i64, *HALVES):
                    raise VerifyException(
                        f"{self.source_name}: {self.name} of quantized operands gives quantized "
                        f"values, f32, bf16, f16, or indices, not {element}"
                    )
            return
        expected = type(self).ELEMENT_RULE(elements, self.values())
        if results != expected:
            raise VerifyException(
                f"{self.source_name}: {self.name} of these operands gives elements of "
                f"{', '.join(map(str, expected))}, not {', '.join(map(str, results))}"
            )

    def verify_precision(self) -> None:
        """Quantized operands belong to int8 ops that know what to do with them."""
        operands = [value for value in self.operands if is_quantized(element_of_value(value))]
        results = [value for value in self.results if is_quantized(element_of_value(value))]
        if not operands and not results:
            return
        if self.QUANTIZATION is Quantization.FLOAT:
            raise VerifyException(
                f"{self.source_name}: {self.name} has no integer form but touches quantized "
                "tensors; dequantize first"
            )
        if self.precision is not None and self.precision.data is not Precision.INT8:
            raise VerifyException(
                f"{self.source_name}: precision {self.precision.data} does not fit quantized "
                f"operands of {self.name}"
            )
        if self.QUANTIZATION is Quantization.MOVES and not self._same_quantization():
            raise VerifyException(
                f"{self.source_name}: {self.name} moves stored integers, so operands and result "
                "need one quantized type"
            )

    def _same_quantization(self) -> bool:
        """Storage, scales and zero points agree; a per-channel axis may be remapped."""
        if not is_quantized(element_of_value(self.results[0])):
            return False
        elements = [element_of_value(value) for value in (*self.operands, self.results[0])]
        return (
            len(
                {
                    (element.storage, element.limits, element.scales, element.zero_points)
                    for element in elements
                    if isinstance(element, UniformQuantizedType)
                }
            )
            == 1
        )


def then(*further: Attribute) -> ElementRule:
    """An element rule: the first operand's element, then `further` ones (values and indices)."""
    return lambda elements, _options: [elements[0], *further]


def always(element: Attribute) -> ElementRule:
    """An element rule that always gives `element` (comparisons, argmax)."""
    return lambda _elements, _options: [element]

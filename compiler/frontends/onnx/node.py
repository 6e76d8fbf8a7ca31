"""What an import function sees of one node: operands, attributes, and ways to make ops."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np
from onnx import AttributeProto, NodeProto
from xdsl.dialects.builtin import f32
from xdsl.ir import Attribute

from dialects.elements import dtype_of, element_of, is_float
from dialects.errors import OctetError
from dialects.nn.base import NnOp
from dialects.nn.elementwise import CastOp
from dialects.nn.movement import ReshapeOp
from dialects.quant import (
    DequantizeCastOp,
    QuantizeCastOp,
    StorageCastOp,
    UniformQuantizedType,
    storage_limits,
)
from dialects.shapes import Shape

from .builder import Builder, GraphBuilder
from .coding import code_reshape
from .tensors import dtype_of_code, to_array
from .values import Tensor


class NodeContext:
    """One node during its import.

    Attribute getters record what was asked for, so that attributes nobody read are reported.
    """

    def __init__(
        self,
        node: NodeProto,
        layer: str,
        version: int,
        operands: Sequence[Tensor | None],
        builder: Builder,
        folder: Path | None,
        used: AbstractSet[str],
    ):
        self.layer = layer
        self.version = version
        self.builder = builder
        self._node = node
        self._operands = operands
        self._folder = folder
        self._used = used
        self._attributes = {attribute.name: attribute for attribute in node.attribute}
        self._read: set[str] = set()

    # --- operands ---------------------------------------------------------------------------

    @property
    def operand_count(self) -> int:
        return len(self._operands)

    def has(self, index: int) -> bool:
        """Whether operand `index` is given."""
        return index < len(self._operands) and self._operands[index] is not None

    def wants(self, index: int) -> bool:
        """Whether something uses result `index`."""
        return index < len(self._node.output) and self._node.output[index] in self._used

    @property
    def result_count(self) -> int:
        return len(self._node.output)

    def maybe_quantized(self, index: int) -> Tensor:
        """A required operand as it is; its elements may be of a quantized type."""
        tensor = self._operands[index] if self.has(index) else None
        if tensor is None:
            raise OctetError(f"operand {index} is missing")
        return tensor

    def operand(self, index: int) -> Tensor:
        """A required operand. A quantized value is given as its stored integers."""
        return self.raw(self.maybe_quantized(index))

    def optional(self, index: int) -> Tensor | None:
        """An operand that may be absent."""
        return self.operand(index) if self.has(index) else None

    def operands(self) -> list[Tensor]:
        """All operands of a variadic op."""
        if not self._operands:
            raise OctetError("at least one operand is needed")
        return [self.operand(index) for index in range(len(self._operands))]

    def movable(self, index: int) -> Tensor:
        """An operand for an op that moves data: still quantized, if by one scale."""
        tensor = self.maybe_quantized(index)
        element = tensor.element
        if isinstance(element, UniformQuantizedType) and element.channel_axis is None:
            return tensor
        return self.raw(tensor)

    def weight(self, index: int) -> Tensor:
        """A required operand that must be finite where it is constant."""
        tensor = self.operand(index)
        if tensor.arrays is not None and is_float(tensor.element):
            for array in tensor.arrays:
                if not np.isfinite(array).all():
                    raise OctetError(f"weight '{tensor.source}' contains infinite values")
        return tensor

    def optional_weight(self, index: int) -> Tensor | None:
        return self.weight(index) if self.has(index) else None

    def constant(self, index: int, what: str) -> np.ndarray:
        """The contents of an operand that must be constant; `what` names it in messages."""
        tensor = self.operand(index)
        if tensor.varies:
            self.builder.fix(self.layer, f"its {what} depends on the size of an input")
        array = self.builder.contents(tensor)
        if array is None:
            sources = ", ".join(f"'{name}'" for name in self.builder.inputs_of(tensor))
            raise OctetError(
                f"its {what} ('{tensor.source}') depends on run-time values of {sources}; where an "
                "input is meant to be constant, bind it with the 'constants' option of the import"
            )
        return array

    def optional_constant(self, index: int, what: str) -> np.ndarray | None:
        return self.constant(index, what) if self.has(index) else None

    def integers_at(self, index: int, what: str) -> list[list[int]]:
        """The integers in a known operand at each assignment."""
        tensor = self.operand(index)
        if tensor.varies and not self.is_fixed:
            arrays = [tensor.array(assignment) for assignment in range(self.builder.count)]
        else:
            arrays = [self.constant(index, what)] * self.builder.count
        return [_integers(array, what) for array in arrays]

    def constant_integers(self, index: int, what: str) -> list[int]:
        """The integers in an operand that must be constant."""
        return _integers(self.constant(index, what), what)

    @property
    def is_fixed(self) -> bool:
        """Only the default sizes matter any more."""
        return isinstance(self.builder, GraphBuilder) and self.builder.fixed is not None

    def shapes(self, tensor: Tensor) -> tuple[Shape, ...]:
        """The shape of a tensor at each assignment that still matters."""
        return (tensor.shape,) * self.builder.count if self.is_fixed else tensor.shapes

    # --- attributes -------------------------------------------------------------------------

    def _attribute(self, name: str, kind: int) -> AttributeProto | None:
        self._read.add(name)
        attribute = self._attributes.get(name)
        if attribute is None:
            return None
        if attribute.type != kind:
            expected = AttributeProto.AttributeType.Name(kind)  # type: ignore[arg-type]
            raise OctetError(f"attribute '{name}' should be of type {expected}")
        return attribute

    def has_attribute(self, name: str) -> bool:
        return name in self._attributes

    def integer(self, name: str, default: int | None = None) -> int:
        attribute = self._attribute(name, AttributeProto.INT)
        return _needed(name, default if attribute is None else int(attribute.i))

    def number(self, name: str, default: float | None = None) -> float:
        """A float32 number, the default as well: what is left out is what would be written."""
        attribute = self._attribute(name, AttributeProto.FLOAT)
        if attribute is None and default is not None:
            return float(np.float32(default))
        return _needed(name, None if attribute is None else float(attribute.f))

    def text(self, name: str, default: str | None = None) -> str:
        attribute = self._attribute(name, AttributeProto.STRING)
        return _needed(name, default if attribute is None else _decoded(name, attribute.s))

    def integers(self, name: str) -> list[int] | None:
        attribute = self._attribute(name, AttributeProto.INTS)
        return None if attribute is None else [int(value) for value in attribute.ints]

    def numbers(self, name: str) -> list[float] | None:
        attribute = self._attribute(name, AttributeProto.FLOATS)
        return None if attribute is None else [float(value) for value in attribute.floats]

    def tensor(self, name: str) -> np.ndarray | None:
        attribute = self._attribute(name, AttributeProto.TENSOR)
        if attribute is None:
            return None
        return to_array(attribute.t, f"attribute '{name}'", self._folder)

    def element_type(self, name: str) -> Attribute:
        """An attribute holding the code of an element type (Cast's `to`)."""
        return element_of(dtype_of_code(self.integer(name), f"attribute '{name}'"))

    def ignore(self, *names: str) -> None:
        """Attributes that say nothing about results at inference."""
        self._read.update(names)

    def only(self, name: str, *accepted: Any) -> None:
        """Raises OctetError unless an attribute is absent or has one of the accepted values."""
        attribute = self._attributes.get(name)
        self._read.add(name)
        if attribute is None:
            return
        values = {
            AttributeProto.INT: attribute.i,
            AttributeProto.FLOAT: attribute.f,
            AttributeProto.STRING: attribute.s.decode(errors="replace"),
            AttributeProto.INTS: tuple(attribute.ints),
        }
        value = values.get(attribute.type)
        if value not in accepted:
            raise OctetError(
                f"attribute {name} = {value} is not supported; expected "
                + " or ".join(map(str, accepted))
            )

    def unread_attributes(self) -> list[str]:
        """Attributes the import function did not ask for."""
        return [name for name in self._attributes if name not in self._read]

    # --- making ops -------------------------------------------------------------------------

    def emit(
        self,
        kind: type[NnOp],
        *operands: Tensor | None,
        result_elements: Sequence[Attribute] | None = None,
        **options: Any,
    ) -> Tensor:
        """An op with one result."""
        return self.emit_all(kind, *operands, result_elements=result_elements, **options)[0]

    def emit_all(
        self,
        kind: type[NnOp],
        *operands: Tensor | None,
        result_elements: Sequence[Attribute] | None = None,
        **options: Any,
    ) -> tuple[Tensor, ...]:
        return self.builder.emit(kind, operands, self.layer, result_elements, **options)

    def literal(self, value: Any, like: Tensor | np.dtype) -> Tensor:
        """A constant of the element type of `like`."""
        dtype = like if isinstance(like, np.dtype) else dtype_of(like.element)
        return self.builder.constant(np.asarray(value, dtype), layer=self.layer)

    def known(self, *arrays: np.ndarray, from_shape: bool = False) -> Tensor:
        """Known contents: one array, or one per assignment."""
        return self.builder.constant(*arrays, layer=self.layer, from_shape=from_shape)

    def reshape(self, tensor: Tensor, targets: Sequence[Shape], what: str = "shape") -> Tensor:
        """A reshape to a shape known at each assignment; nothing if it changes nothing."""
        if all(a == b for a, b in zip(self.shapes(tensor), targets, strict=True)):
            return tensor
        codes = code_reshape(self.shapes(tensor), targets)
        if codes is None:
            self.builder.fix(self.layer, f"its {what} varies in a way that cannot be expressed")
            codes = list(targets[0])
        return self.emit(ReshapeOp, tensor, shape=codes)

    def convert(self, tensor: Tensor, element: Attribute) -> Tensor:
        """An element type conversion; nothing if it changes nothing."""
        if tensor.element == element:
            return tensor
        return self.emit(CastOp, tensor, result_elements=[element])

    def same_elements(self, *tensors: Tensor | None) -> None:
        """Raises OctetError unless all tensors have one element type."""
        elements = [tensor.element for tensor in tensors if tensor is not None]
        if any(element != elements[0] for element in elements):
            raise OctetError(
                "operands should have one element type, got " + ", ".join(map(str, elements))
            )

    # --- quantized values -------------------------------------------------------------------

    def raw(self, tensor: Tensor) -> Tensor:
        """The stored integers of a quantized value; other values as they are."""
        if not isinstance(tensor.element, UniformQuantizedType):
            return tensor
        if tensor.stored is None:
            storage = tensor.element.storage
            tensor.stored = self.builder.cast(StorageCastOp, tensor, storage, self.layer)
        return tensor.stored

    def quantize(self, tensor: Tensor, element: UniformQuantizedType) -> Tensor:
        return self.builder.cast(QuantizeCastOp, tensor, element, self.layer)

    def dequantize(self, tensor: Tensor, element: UniformQuantizedType) -> Tensor:
        """The real numbers that the integers of a tensor stand for under `element`."""
        return self.builder.cast(DequantizeCastOp, self.view_as(tensor, element), f32, self.layer)

    def view_as(self, tensor: Tensor, element: UniformQuantizedType) -> Tensor:
        """Stored integers read as values of `element`; a constant simply is of that type."""
        if tensor.element == element:
            return tensor
        stored = self.raw(tensor)
        if stored.element != element.storage:
            raise OctetError(
                f"'{tensor.source}' holds {stored.element}, but its zero point {element.storage}"
            )
        if stored.arrays is not None and not stored.varies:
            element = symmetric_range(element, stored.arrays[0])
            return Tensor(stored.shapes, element, stored.source, arrays=stored.arrays)
        return self.builder.cast(StorageCastOp, stored, element, self.layer)


def symmetric_range(element: UniformQuantizedType, stored: np.ndarray) -> UniformQuantizedType:
    """The type of an 8-bit constant: where the zero point is the middle and the one value without
    a counterpart does not occur, the range is -127..127 (or 1..255) as `insert-qdq` makes it.

    ONNX knows no storage range, so that of an exported weight comes back this way.
    """
    low, high = storage_limits(element.storage)
    middle = (low + high + 1) // 2
    if element.storage.width.data != 8 or set(element.zero_points.get_values()) != {middle}:
        return element
    if stored.size == 0 or stored.min() == low:
        return element
    return UniformQuantizedType(
        element.storage,
        element.expressed,
        element.scales.get_values(),
        element.zero_points.get_values(),
        axis=element.channel_axis,
        storage_range=(low + 1, high),
    )


def _needed(name: str, value: Any) -> Any:
    if value is None:
        raise OctetError(f"attribute '{name}' is missing")
    return value


def _decoded(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise OctetError(f"attribute '{name}' is not UTF-8 text") from None


def _integers(array: np.ndarray, what: str) -> list[int]:
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise OctetError(
            f"its {what} should be a list of integers, got {array.dtype} {list(array.shape)}"
        )
    return [int(value) for value in array.reshape(-1)]

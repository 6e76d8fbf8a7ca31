"""What the operands of an op must be for it to work on integers."""

from __future__ import annotations

from xdsl.ir import SSAValue

from dialects.nn.base import NnOp
from dialects.quant import UniformQuantizedType
from passes.dataflow import quantized_element, stored_behind


class NotInteger(Exception):
    """Why an op cannot work on integers."""


def waits(op: NnOp) -> bool:
    """Placed in int8 but still on floats."""
    return op.is_int8 and not any(
        quantized_element(value) is not None for value in (*op.operands, *op.results)
    )


def is_8_bit(element: UniformQuantizedType) -> bool:
    return element.storage.width.data == 8


def is_8_bit_value(value: SSAValue) -> bool:
    element = quantized_element(value)
    return element is not None and is_8_bit(element)


def is_per_tensor_8_bit(value: SSAValue) -> bool:
    element = quantized_element(value)
    return element is not None and is_8_bit(element) and element.channel_axis is None


def eight_bits(value: SSAValue, role: str) -> SSAValue:
    """The 8-bit integers behind a dequantized operand. Raises NotInteger."""
    stored = stored_behind(value)
    if stored is None:
        raise NotInteger(f"{role} is not quantized")
    if not is_8_bit_value(stored):
        raise NotInteger(f"{role} is quantized to {quantized_element(stored)}, not to 8 bits")
    return stored


def per_tensor(value: SSAValue, role: str) -> SSAValue:
    """The 8-bit integers, of one scale, behind a dequantized operand. Raises NotInteger."""
    stored = eight_bits(value, role)
    if not is_per_tensor_8_bit(stored):
        raise NotInteger(f"{role} has more than one scale")
    return stored

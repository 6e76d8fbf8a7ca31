"""Questions about how values flow, shared by placement, quantization and integer passes.

Movement ops are transparent here: what feeds a convolution through a reshape feeds it.
Walks are iterative and visit each value once, so deep and wide graphs cost linear time.
"""

from __future__ import annotations

from collections.abc import Iterator

from xdsl.dialects.builtin import TensorType
from xdsl.ir import Operation, OpResult, SSAValue

from dialects.elements import is_float, is_quantized
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp, Quantization, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import BinaryOp
from dialects.nn.movement import PadOp, ResizeOp
from dialects.quant import DequantizeCastOp, QuantizeCastOp, UniformQuantizedType

Source = Operation | None
"""Where a value comes from: an op, or None for an input of the program."""


def carries_reals(value: SSAValue) -> bool:
    """The value stands for real numbers: float or quantized, not indices or booleans."""
    if not isinstance(value.type, TensorType):
        return False
    element = value.type.element_type
    return is_float(element) or is_quantized(element)


def data_operands(op: NnOp) -> list[int]:
    """Positions of the operands that carry reals which may be quantized (the indices of a gather
    carry none; the mask of an attention stays float)."""
    return [
        index
        for index, (name, value) in enumerate(zip(op.operand_names(), op.operands, strict=True))
        if name not in op.FLOAT_OPERANDS and carries_reals(value)
    ]


def moves_data(op: Operation) -> bool:
    """Quantized values and 16-bit floats would pass through `op` unchanged, and nobody placed it
    in float32."""
    if not isinstance(op, NnOp) or op.QUANTIZATION is not Quantization.MOVES:
        return False
    if op.precision is not None and op.precision.data is Precision.F32:
        return False
    if isinstance(op, ResizeOp) and op.mode.data != "nearest":
        return False
    return bool(data_operands(op))


def fill_value(op: NnOp) -> float | None:
    """The real number a movement op puts where its operand has no element, or None."""
    if isinstance(op, PadOp) and op.mode.data == "constant":
        return op.value.value.data
    if isinstance(op, ResizeOp):
        return op.extrapolation_value.value.data
    return None


def sources(value: SSAValue) -> list[Source]:
    """The ops that make up `value`, seen through movement; None stands for a program input."""
    found: list[Source] = []
    pending, seen = [value], {value}
    while pending:
        current = pending.pop()
        op = current.op if isinstance(current, OpResult) else None
        if op is None or not moves_data(op):
            found.append(op)
            continue
        assert isinstance(op, NnOp)
        for index in reversed(data_operands(op)):
            if op.operands[index] not in seen:
                seen.add(op.operands[index])
                pending.append(op.operands[index])
    return found


def consumers(value: SSAValue) -> list[Operation]:
    """The ops that finally use `value`, seen through movement; the return op counts."""
    found: dict[Operation, None] = {}
    pending, seen = [value], {value}
    while pending:
        for use in pending.pop().uses:
            op = use.operation
            if not moves_data(op):
                found[op] = None
                continue
            for result in op.results:
                if result not in seen:
                    seen.add(result)
                    pending.append(result)
    return list(found)


def is_constant(value: SSAValue) -> bool:
    """A constant, or the real numbers that a quantized constant stands for."""
    return constant_of(value) is not None


def constant_of(value: SSAValue) -> ConstantOp | None:
    """The constant behind `value`, seen through a dequantize."""
    owner = value.owner
    if isinstance(owner, DequantizeCastOp):
        owner = owner.input.owner
    return owner if isinstance(owner, ConstantOp) else None


def weight_operand(op: NnOp) -> int | None:
    """The position of the constant weight of an op that has one."""
    for index, name in enumerate(op.operand_names()):
        if name in op.WEIGHT_AXES and name != "bias" and constant_of(op.operands[index]):
            return index
    return None


def varying_operand(op: Operation) -> int | None:
    """The position of the one operand an elementwise `op` is a function of, or None.

    That is the operand of a unary op, and the other operand of a binary op with a constant
    of one element: both are one 256-entry table when the operand is an 8-bit integer.
    """
    if not isinstance(op, NnOp) or len(op.results) != 1:
        return None
    if op.QUANTIZATION is Quantization.TABLE:
        position = 0
    elif isinstance(op, BinaryOp):
        fixed = [
            isinstance(value.owner, ConstantOp) and set(shape_of(value)) <= {1}
            for value in op.operands
        ]
        if fixed not in ([False, True], [True, False]):
            return None
        position = fixed.index(False)
    else:
        return None
    operand = op.operands[position]
    same_kind = carries_reals(operand) and carries_reals(op.results[0])
    return position if same_kind and shape_of(operand) == shape_of(op.results[0]) else None


def quantized_element(value: SSAValue) -> UniformQuantizedType | None:
    """The quantized element type of a value, or None."""
    element = element_of_value(value)
    return element if isinstance(element, UniformQuantizedType) else None


def element_of_quantized(value: SSAValue) -> UniformQuantizedType:
    """The quantized element type of a value that is known to be quantized."""
    element = quantized_element(value)
    assert element is not None, f"{value.type} is not quantized"
    return element


def stored_behind(value: SSAValue) -> SSAValue | None:
    """The quantized value whose dequantization `value` is, or None."""
    return value.owner.input if isinstance(value.owner, DequantizeCastOp) else None


def quantizations(value: SSAValue) -> Iterator[QuantizeCastOp]:
    """The `quant.qcast` users of a value, in order of use."""
    for use in value.uses:
        if isinstance(use.operation, QuantizeCastOp):
            yield use.operation


def sole_quantization(value: SSAValue) -> UniformQuantizedType | None:
    """The one type that every use of `value` quantizes it to; None if uses differ or none."""
    users = [use.operation for use in value.uses]
    types = {op.result.type for op in users if isinstance(op, QuantizeCastOp)}
    if len(types) != 1 or not all(isinstance(op, QuantizeCastOp) for op in users):
        return None
    first = users[0]
    assert isinstance(first, QuantizeCastOp)
    return quantized_element(first.result)

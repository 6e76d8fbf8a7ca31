"""The conversions at the borders of an op: where numbers change their format around it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from xdsl.ir import Operation, SSAValue

from compiler.explain.placement import Conversion
from dialects.kernel import ops as kernel
from dialects.kernel.join import JoinOp
from dialects.kernel.loops import LoopOp
from dialects.kernel.part import PartOp
from dialects.kernel.precision import format_of
from dialects.kernel.signatures import signatures
from dialects.nn import constant as nn
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp
from dialects.nn.elementwise import CastOp
from dialects.origin import indices_of
from dialects.quant import DequantizeCastOp, QuantizeCastOp
from passes.placement.halves import KEPT_IN_FLOAT32

CONVERSIONS = ("quantize", "dequantize", "cast")
"""Kernels that only change the format of numbers."""


@dataclass(frozen=True)
class Border:
    """A conversion of so many elements, and the op that does it: the op itself if it is fused."""

    conversion: Conversion
    elements: int
    by: Operation


def borders_of(op: Operation, precision: Precision | None) -> Iterator[Border]:
    """The conversions that `op`, computing in `precision`, has at its operands and results."""
    if precision is None:
        return
    for value in varying_operands(op):
        found, source = format_of(value), before(value)
        if source is not None and is_conversion(source):
            yield from _border("operand", value, format_of(source.operands[0]), found, source)
        yield from _border("operand", value, found, precision, op, fused=True)
    for value in op.results:
        found = format_of(value)
        yield from _border("result", value, precision, found, op, fused=True)
        for user in dict.fromkeys(after(value)):
            if is_conversion(user):
                yield from _border("result", value, found, format_of(user.results[0]), user)


def _border(
    at: str,
    value: SSAValue,
    source: Precision | None,
    target: Precision | None,
    by: Operation,
    *,
    fused: bool = False,
) -> Iterator[Border]:
    if source is not None and target is not None and source is not target:
        conversion = Conversion(at, source.value, target.value, fused)
        yield Border(conversion, math.prod(kernel.buffer_shape(value)), by)


def is_conversion(op: Operation) -> bool:
    """`op` only changes the format of numbers, and is no op of the model."""
    match op:
        case QuantizeCastOp() | DequantizeCastOp():
            return True
        case CastOp():
            return not indices_of(op)
        case kernel.CallOp():
            return op.callee.data in CONVERSIONS and not indices_of(op)
        case LoopOp():
            return not indices_of(op)
        case _:
            return False


def varying_operands(op: Operation) -> list[SSAValue]:
    """The operands that hold activations in the precision of `op`: no constants, no masks."""
    names: Iterable[str | None]
    names, mnemonic, definition = [None] * len(op.operands), "", None
    if isinstance(op, NnOp):
        names, mnemonic, definition = op.operand_names(), op.mnemonic, type(op)
    elif isinstance(op, kernel.CallOp):
        names, mnemonic = op.names, op.callee.data
        definition = signatures()[mnemonic].op
    kept = set(KEPT_IN_FLOAT32.get(mnemonic, ()))
    if definition is not None and issubclass(definition, NnOp):
        kept |= definition.FLOAT_OPERANDS
    return [
        value
        for name, value in zip(names, op.operands, strict=True)
        if name not in kept and not isinstance(value.owner, nn.ConstantOp | kernel.ConstantOp)
    ]


def is_transparent(op: Operation) -> bool:
    """`op` hands the same numbers on: a view, a join, a copy into another layout."""
    copies = isinstance(op, kernel.CallOp) and op.callee.data == "copy"
    return copies or isinstance(op, kernel.ViewOp | JoinOp | PartOp)


def before(value: SSAValue) -> Operation | None:
    """The op that computes `value`, seen through views and copies; None for inputs and joins."""
    owner = value.owner
    while isinstance(owner, Operation) and is_transparent(owner):
        if isinstance(owner, JoinOp):
            return None
        owner = owner.operands[0].owner
    return owner if isinstance(owner, Operation) else None


def after(value: SSAValue) -> Iterator[Operation]:
    """The ops that use `value`, seen through views, copies and joins."""
    pending, seen = [value], {value}
    while pending:
        for use in pending.pop().uses:
            user = use.operation
            if not is_transparent(user):
                yield user
                continue
            fresh = [result for result in user.results if result not in seen]
            seen.update(fresh)
            pending += fresh

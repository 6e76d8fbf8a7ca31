"""Python's operators on values of compiled code."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types

from runtime.translation.errors import TranslationError
from runtime.translation.values import (
    BOOL,
    I64,
    INT64,
    UINT64,
    Value,
    arithmetic,
    common,
    convert,
    is_float,
    is_integer,
    llvm_type,
)

_INTEGER = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul"}
_FLOAT = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
_BITS = {ast.BitAnd: "and_", ast.BitOr: "or_", ast.BitXor: "xor"}
_COMPARISONS = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


def binary(builder: ir.IRBuilder, operation: type[ast.operator], a: Value, b: Value) -> Value:
    """`a operation b`."""
    if operation in (ast.LShift, ast.RShift):
        return _shift(builder, operation, a, b)
    if operation in _BITS:
        kind = BOOL if a.kind == b.kind == BOOL else arithmetic(a.kind, b.kind)
        if is_float(kind):
            raise TranslationError(f"no {operation.__name__} of floats")
        return _apply(builder, _BITS[operation], kind, a, b)
    kind = arithmetic(a.kind, b.kind)
    if operation is ast.Pow:
        return power(builder, a, b)
    if operation is ast.Div and not is_float(kind):
        kind = types.float64
    if is_float(kind) and operation in _FLOAT:
        return _apply(builder, _FLOAT[operation], kind, a, b)
    if is_integer(kind) and operation in _INTEGER:
        return _apply(builder, _INTEGER[operation], kind, a, b)
    if is_integer(kind) and operation in (ast.FloorDiv, ast.Mod):
        return _divide(builder, operation, kind, a, b)
    raise TranslationError(f"no {operation.__name__} of {a.kind} and {b.kind}")


def _apply(builder: ir.IRBuilder, name: str, kind: Any, a: Value, b: Value) -> Value:
    operands = (convert(builder, value, kind).ir for value in (a, b))
    return Value(kind, getattr(builder, name)(*operands))


def _shift(builder: ir.IRBuilder, operation: type[ast.operator], a: Value, b: Value) -> Value:
    if is_float(a.kind) or is_float(b.kind):
        raise TranslationError("no shift of floats")
    kind = UINT64 if is_integer(a.kind) and not a.kind.signed else INT64
    name = "shl" if operation is ast.LShift else "ashr" if kind.signed else "lshr"
    return _apply(builder, name, kind, a, b)


def _divide(
    builder: ir.IRBuilder, operation: type[ast.operator], kind: Any, a: Value, b: Value
) -> Value:
    """Quotients rounded down, and what is left; both 0 where the divisor is 0."""
    x, y = convert(builder, a, kind).ir, convert(builder, b, kind).ir
    zero, one = I64(0), I64(1)
    quotient = operation is ast.FloorDiv
    if isinstance(y, ir.Constant) and y.constant != 0:
        undefined = None
    else:
        undefined = builder.icmp_signed("==", y, zero)
        y = builder.select(undefined, one, y)
    if not kind.signed:
        result = builder.udiv(x, y) if quotient else builder.urem(x, y)
    else:
        if not isinstance(y, ir.Constant):
            # The least integer by -1: the CPU would trap.
            least = builder.icmp_signed("==", x, I64(-(1 << 63)))
            overflow = builder.and_(least, builder.icmp_signed("==", y, I64(-1)))
            undefined = overflow if undefined is None else builder.or_(undefined, overflow)
            y = builder.select(overflow, one, y)
        rest = builder.srem(x, y)
        negative = builder.icmp_signed("<", builder.xor(rest, y), zero)
        down = builder.and_(negative, builder.icmp_signed("!=", rest, zero))
        if quotient:
            result = builder.add(builder.sdiv(x, y), builder.sext(down, I64))
        else:
            result = builder.add(rest, builder.select(down, y, zero))
    if undefined is not None:
        result = builder.select(undefined, zero, result)
    return Value(kind, result)


def power(builder: ir.IRBuilder, a: Value, b: Value) -> Value:
    """a ** b of floats, by the C library."""
    kind = arithmetic(a.kind, b.kind)
    if not is_float(kind):
        raise TranslationError("no power of integers")
    code = llvm_type(kind)
    function = builder.module.declare_intrinsic("llvm.pow", [code])
    operands = [convert(builder, value, kind).ir for value in (a, b)]
    return Value(kind, builder.call(function, operands))


def compare(builder: ir.IRBuilder, operation: type[ast.cmpop], a: Value, b: Value) -> Value:
    """`a operation b`, a bool."""
    sign = _COMPARISONS.get(operation)
    if sign is None:
        raise TranslationError(f"no {operation.__name__}")
    kind = _compared_as(a, b)
    x, y = convert(builder, a, kind).ir, convert(builder, b, kind).ir
    if is_float(kind):
        # Python's: only != holds of a NaN.
        unordered = sign == "!="
        make = builder.fcmp_unordered if unordered else builder.fcmp_ordered
        return Value(BOOL, make(sign, x, y))
    signed = is_integer(kind) and kind.signed
    return Value(BOOL, (builder.icmp_signed if signed else builder.icmp_unsigned)(sign, x, y))


def _compared_as(a: Value, b: Value) -> Any:
    for value, other in ((a, b), (b, a)):
        # A constant that every type holds is no reason to compare in another.
        constant = isinstance(value.ir, ir.Constant) and value.kind == INT64
        if constant and 0 <= value.ir.constant < 1 << 7 and other.kind != BOOL:
            return other.kind
    return common(a.kind, b.kind)


def negative(builder: ir.IRBuilder, value: Value) -> Value:
    """-value."""
    if is_float(value.kind):
        return Value(value.kind, builder.fneg(value.ir))
    # Of the value as it is: the least integer of a type stays what it is.
    own = convert(builder, value, INT64) if value.kind == BOOL else value
    kind = arithmetic(own.kind, own.kind)
    return convert(builder, Value(own.kind, builder.neg(own.ir)), kind)


def inverted(builder: ir.IRBuilder, value: Value) -> Value:
    """~value."""
    if is_float(value.kind):
        raise TranslationError("no ~ of floats")
    kind = BOOL if value.kind == BOOL else arithmetic(value.kind, value.kind)
    return Value(kind, builder.not_(convert(builder, value, kind).ir))


def absolute(builder: ir.IRBuilder, value: Value) -> Value:
    """abs(value)."""
    if is_float(value.kind):
        return unary_function("llvm.fabs")(builder, value)
    if not value.kind.signed:
        return value
    below = builder.icmp_signed("<", value.ir, value.ir.type(0))
    return Value(value.kind, builder.select(below, builder.neg(value.ir), value.ir))


def smallest(builder: ir.IRBuilder, first: Value, *others: Value) -> Value:
    """min(first, ...): like Python's, with NaNs too."""
    return _extreme(builder, ast.Lt, first, others)


def greatest(builder: ir.IRBuilder, first: Value, *others: Value) -> Value:
    """max(first, ...): like Python's, with NaNs too."""
    return _extreme(builder, ast.Gt, first, others)


def _extreme(
    builder: ir.IRBuilder, operation: type[ast.cmpop], best: Value, others: tuple[Value, ...]
) -> Value:
    for other in others:
        kind = common(best.kind, other.kind)
        best, other = convert(builder, best, kind), convert(builder, other, kind)
        wins = compare(builder, operation, other, best).ir
        best = Value(kind, builder.select(wins, other.ir, best.ir))
    return best


def unary_function(name: str) -> Callable[[ir.IRBuilder, Value], Value]:
    """An LLVM intrinsic of one float."""

    def apply(builder: ir.IRBuilder, value: Value) -> Value:
        if not is_float(value.kind):
            raise TranslationError(f"{name} of {value.kind}; a float is needed")
        function = builder.module.declare_intrinsic(name, [value.ir.type])
        return Value(value.kind, builder.call(function, [value.ir]))

    return apply


def remainder(builder: ir.IRBuilder, a: Value, b: Value) -> Value:
    """fmod(a, b): with the sign of a."""
    kind = arithmetic(a.kind, b.kind)
    if not is_float(kind):
        raise TranslationError("fmod of integers")
    return _apply(builder, "frem", kind, a, b)

"""What expressions stand for: values of compiled code, and conversions between their types.

Types are numba's scalar types, pointers to them, and Python tuples of values.  Everything that is
known while a kernel is translated is a plain Python object and costs no code: numbers, functions,
types, modules.

Which type an operation computes in follows numba's rules, so that a function means the same to
both (`tests/runtime/translation` compares them): integers are widened to 64 bits, a mixture of
signed and unsigned ones is signed.  What numba makes a float64 of without being asked, an integer
and a float or int64 and uint64, is an error here: kernels say which conversion they mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from runtime.translation.errors import TranslationError

I1, I64 = ir.IntType(1), ir.IntType(64)
BOOL: Any = types.boolean
INT64: Any = types.int64
UINT64: Any = types.uint64


@dataclass(slots=True)
class Value:
    """A value that compiled code computes."""

    kind: Any
    """numba's type."""
    ir: Any


def is_integer(kind: Any) -> bool:
    """Whether a type is an integer of any width; bools are not."""
    return isinstance(kind, types.Integer)


def is_float(kind: Any) -> bool:
    return isinstance(kind, types.Float)


@cache
def llvm_type(kind: Any) -> ir.Type:
    """LLVM's type of a numba type."""
    if kind == BOOL:
        return I1
    if is_integer(kind):
        return ir.IntType(kind.bitwidth)
    if is_float(kind):
        return ir.FloatType() if kind.bitwidth == 32 else ir.DoubleType()
    if isinstance(kind, types.CPointer):
        return llvm_type(kind.dtype).as_pointer()
    if isinstance(kind, types.UniTuple):
        return ir.ArrayType(llvm_type(kind.dtype), kind.count)
    if kind == types.none:
        return ir.VoidType()
    raise TranslationError(f"no value of compiled code has the type {kind}")


@cache
def kind_of_dtype(name: str) -> Any:
    """numba's type of a numpy scalar type."""
    return BOOL if name == "bool" else getattr(types, name)


def as_value(builder: ir.IRBuilder, known: Any) -> Value:
    """A value; one that is known as a constant: an int is an int64, a float a float64."""
    if isinstance(known, Value):
        return known
    if isinstance(known, tuple):
        return _as_aggregate(builder, [as_value(builder, item) for item in known])
    if isinstance(known, bool | np.bool_):
        return Value(BOOL, I1(int(known)))
    if isinstance(known, int):
        kind = INT64 if known < 1 << 63 else UINT64
        return Value(kind, I64(known))
    if isinstance(known, float):  # np.float64 is one too
        return Value(types.float64, ir.DoubleType()(float(known)))
    if isinstance(known, np.generic):
        kind = kind_of_dtype(known.dtype.name)
        return Value(kind, llvm_type(kind)(known.item()))
    raise TranslationError(f"{known!r} is no value of compiled code")


def _as_aggregate(builder: ir.IRBuilder, items: list[Value]) -> Value:
    kinds = {item.kind for item in items}
    if len(kinds) != 1:
        raise TranslationError(
            f"a tuple of {sorted(map(str, kinds))} is passed; one type is needed"
        )
    kind = types.UniTuple(kinds.pop(), len(items))
    whole = ir.Constant(llvm_type(kind), ir.Undefined)
    for index, item in enumerate(items):
        whole = builder.insert_value(whole, item.ir, index)
    return Value(kind, whole)


# --- types of results ----------------------------------------------------------------------------


@cache
def arithmetic(a: Any, b: Any) -> Any:
    """The type that `a + b` is computed in, and is of."""
    if is_float(a) and is_float(b):
        return max(a, b, key=lambda kind: kind.bitwidth)
    if not is_float(a) and not is_float(b):
        return UINT64 if _is_unsigned(a) and _is_unsigned(b) else INT64
    raise TranslationError(f"{a} and {b} need a conversion of one to the other's type")


def _is_unsigned(kind: Any) -> bool:
    return is_integer(kind) and not kind.signed


@cache
def common(a: Any, b: Any) -> Any:
    """The type of a value that is either of `a` or of `b`: the narrowest that holds both."""
    if a == b or (b == BOOL and is_integer(a)):
        return a
    if a == BOOL and is_integer(b):
        return b
    if is_float(a) and is_float(b):
        return arithmetic(a, b)
    if is_integer(a) and is_integer(b):
        if a.signed == b.signed:
            return max(a, b, key=lambda kind: kind.bitwidth)
        signed, unsigned = (a, b) if a.signed else (b, a)
        width = max(signed.bitwidth, 2 * unsigned.bitwidth)
        if width <= 64:
            return types.Integer.from_bitwidth(width, signed=True)
    raise TranslationError(f"{a} and {b} need a conversion of one to the other's type")


# --- conversions ---------------------------------------------------------------------------------


def convert(builder: ir.IRBuilder, value: Value, kind: Any) -> Value:
    """The value in another type: integers wrap around, floats are rounded or truncated."""
    if value.kind == kind:
        return value
    return Value(kind, _converted(builder, value, kind))


def _converted(builder: ir.IRBuilder, value: Value, kind: Any) -> Any:
    source, code, target = value.kind, value.ir, llvm_type(kind)
    if isinstance(source, types.UniTuple) or isinstance(kind, types.UniTuple):
        raise TranslationError(f"{source} is no {kind}")
    if kind == BOOL:
        zero = ir.Constant(code.type, 0)
        if is_float(source):
            return builder.fcmp_unordered("!=", code, zero)
        return builder.icmp_signed("!=", code, zero)
    integer, unsigned = is_integer(source), not getattr(source, "signed", False)
    if (integer or source == BOOL) and is_integer(kind):
        width = code.type.width
        if width == kind.bitwidth:
            return code
        if width > kind.bitwidth:
            return builder.trunc(code, target)
        return builder.zext(code, target) if unsigned else builder.sext(code, target)
    if (integer or source == BOOL) and is_float(kind):
        return builder.uitofp(code, target) if unsigned else builder.sitofp(code, target)
    if is_float(source) and is_integer(kind):
        return builder.fptosi(code, target) if kind.signed else builder.fptoui(code, target)
    if is_float(source) and is_float(kind):
        wider = kind.bitwidth > source.bitwidth
        return builder.fpext(code, target) if wider else builder.fptrunc(code, target)
    raise TranslationError(f"{source} cannot be converted to {kind}")

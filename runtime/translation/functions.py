"""The functions that kernels call by name: Python's, numpy's, and numba's intrinsics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from runtime.translation import operators
from runtime.translation.values import BOOL, INT64, Value, convert, kind_of_dtype, llvm_type

_FUNCTIONS: dict[Any, Callable[..., Value]] = {
    abs: operators.absolute,
    min: operators.smallest,
    max: operators.greatest,
    np.sqrt: operators.unary_function("llvm.sqrt"),
    np.floor: operators.unary_function("llvm.floor"),
    np.ceil: operators.unary_function("llvm.ceil"),
    np.trunc: operators.unary_function("llvm.trunc"),
    np.log: operators.unary_function("llvm.log"),
    np.fmod: operators.remainder,
}
_CONVERSIONS = {int: INT64, float: types.float64, bool: BOOL}


def function_named(target: Any) -> Callable[..., Value] | None:
    """What calling a function or scalar type does, `apply(builder, *values)`; None if unknown."""
    return _FUNCTIONS.get(target) or _conversion_to(target)


@cache
def _conversion_to(target: Any) -> Callable[[ir.IRBuilder, Value], Value] | None:
    """What calling a scalar type does; None if it is none."""
    if isinstance(target, type) and issubclass(target, np.generic):
        kind = kind_of_dtype(np.dtype(target).name)
    elif target in _CONVERSIONS:
        kind = _CONVERSIONS[target]
    else:
        return None
    return lambda builder, value: convert(builder, value, kind)


class _Context:
    """What numba's intrinsics ask of the compiler that they are part of."""

    @staticmethod
    def get_value_type(kind: Any) -> ir.Type:
        return llvm_type(kind)

    @staticmethod
    def get_dummy_value() -> None:
        return None


def call_intrinsic(
    builder: ir.IRBuilder, function: Any, arguments: Sequence[Value]
) -> Value | None:
    """A call of a function that numba's `intrinsic` has decorated."""
    signature, generate = function._defn(None, *(value.kind for value in arguments))
    passed = [
        convert(builder, value, kind).ir
        for value, kind in zip(arguments, signature.args, strict=True)
    ]
    result = generate(_Context, builder, signature, passed)
    if signature.return_type == types.void:
        return None
    return Value(signature.return_type, result)

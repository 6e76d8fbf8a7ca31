"""Element-wise ops on one, two or three operands, with numpy broadcasting.

    unary    y[i] = f(x[i])                 floats; neg, abs, relu, clip, sign also on integers
                                            (signed and unsigned, 8 to 64 bits)
    binary   y[i] = f(a[i], b[i])           operands of one type; comparisons give bool
    where    y[i] = a[i] if c[i] else b[i]

Types and special cases follow `runtime.reference.elementwise`: integers wrap around, integer
division truncates, NaN wins in min and max.  An integer division by zero gives 0.  Float32 results
equal the reference in every bit (pow in float64, rounded once), except tanh, erf (2 ulp), log
(1 ulp), elu (4 ulp) and gelu (2 ulp of |x|).  float16 and bfloat16 are widened, computed with in
float32 and rounded once.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import numpy as np

from runtime.kernels import scalar_functions
from runtime.kernels.abi import Call, Kernel, View, f32_bits
from runtime.kernels.any_element import any_power_calls
from runtime.kernels.element_types import INTEGERS, WIDE_INTEGERS
from runtime.kernels.half import FLOATS, WIDEN, element_access
from runtime.kernels.intrinsics import f32_argument
from runtime.kernels.isa import Isa
from runtime.kernels.strided import (
    argument,
    device,
    nest2,
    nest3,
    nest4,
    nest_arguments,
    parameters_at,
)

_COMMUTATIVE = ("add", "mul")
_MIRRORED = {"greater": "less", "greater_equal": "less_equal"}
"""Operations that are others with their operands exchanged."""
_OF_BITS = ("add", "sub", "mul", "equal")
"""Operations that do not care whether an integer has a sign."""

_ALPHA = parameters_at(2)
_BETA = _ALPHA + 1


@cache
def unary_kernel(operation: str, dtype: str) -> Kernel:
    """The kernel of one unary operation on one element type."""
    stored, load, store = element_access(dtype)
    if dtype in FLOATS:
        function = scalar_functions.FLOAT_UNARY[operation]

        @device
        def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
            alpha, beta = f32_argument(row, _ALPHA), f32_argument(row, _BETA)
            if sx == 1 and sy == 1:
                for i in range(n):
                    y[i] = store(function(load(x[i]), alpha, beta))
            else:
                for i in range(n):
                    y[i * sy] = store(function(load(x[i * sx]), alpha, beta))
    else:
        function = scalar_functions.INTEGER_UNARY[operation]
        # Bounds of x's own type: narrow vectors for narrow types, and no u64 compared with i64.
        bound = np.uint8 if dtype == "bool" else np.dtype(dtype).type

        @device
        def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
            alpha, beta = bound(argument(row, _ALPHA)), bound(argument(row, _BETA))
            for i in range(n):
                y[i * sy] = function(x[i * sx], alpha, beta)

    return nest2(unary_kernel, row_function, stored, stored, operation, dtype)


def unary_calls(
    operation: str, x: View, y: View, *, alpha: float = 0.0, beta: float = 0.0
) -> list[Call]:
    """y = operation(x), element by element; `alpha` and `beta` are the operation's attributes, if
    any.

    clip's bounds are alpha and beta.  gelu is "gelu" (erf) or "gelu_tanh".
    """
    if y.size == 0:
        return []
    words = nest_arguments((x, y))
    if y.dtype.name in FLOATS:
        kernel = unary_kernel(operation, y.dtype.name)
        return [Call(kernel, (*words, f32_bits(alpha), f32_bits(beta)))]
    if y.dtype != np.bool_:
        operation, alpha, beta = _as_clip(operation, y.dtype, alpha, beta)
    dtype = _BITS[y.dtype.itemsize] if operation == "neg" else y.dtype.name
    bounds = (_integer_bound(alpha, y.dtype), _integer_bound(beta, y.dtype))
    return [Call(unary_kernel(operation, dtype), (*words, *bounds))]


def _as_clip(
    operation: str, dtype: np.dtype, alpha: float, beta: float
) -> tuple[str, float, float]:
    """An integer operation and its attributes; as a clip, if it is one in the range of the type."""
    unsigned = np.issubdtype(dtype, np.unsignedinteger)
    if operation == "relu" or (operation == "abs" and unsigned):
        return "clip", 0, np.inf
    if operation == "sign" and unsigned:
        return "clip", 0, 1
    return operation, alpha, beta


def _integer_bound(value: float, dtype: np.dtype) -> int:
    """The argument word of an integer bound, limited to the range of `dtype`."""
    if dtype == np.bool_:
        return int(value)
    limits = np.iinfo(dtype)
    if value >= limits.max:
        bound = limits.max
    else:
        bound = limits.min if value <= limits.min else int(value)
    return int(np.array(bound, dtype).astype(np.int64))  # a word is signed: u64 wraps


def clip_calls(x: View, y: View, *, low: float, high: float) -> list[Call]:
    """y = min(max(x, low), high); NaN stays.  Bounds of an integer x are rounded inwards."""
    if y.dtype.name not in FLOATS and np.isfinite(low):
        low = np.ceil(low)
    if y.dtype.name not in FLOATS and np.isfinite(high):
        high = np.floor(high)
    return unary_calls("clip", x, y, alpha=low, beta=high)


@cache
def binary_kernel(operation: str, x: str, y: str) -> Kernel:
    """The kernel of one binary operation on elements of type `x`, with results of type `y`."""
    function = scalar_functions.binary_function(operation, "float32" if x in WIDEN else x)
    stored, load, _ = element_access(x)
    stored_y, _, store = element_access(y)

    if x in FLOATS:

        @device
        def row_function(
            row: int, n: int, a: Any, sa: int, b: Any, sb: int, y: Any, sy: int
        ) -> None:
            if sa == 1 and sb == 1 and sy == 1:
                for i in range(n):
                    y[i] = store(function(load(a[i]), load(b[i])))
            elif sa == 1 and sb == 0 and sy == 1:
                scalar = load(b[0])
                for i in range(n):
                    y[i] = store(function(load(a[i]), scalar))
            else:
                for i in range(n):
                    y[i * sy] = store(function(load(a[i * sa]), load(b[i * sb])))
    else:

        @device
        def row_function(
            row: int, n: int, a: Any, sa: int, b: Any, sb: int, y: Any, sy: int
        ) -> None:
            for i in range(n):
                y[i * sy] = store(function(load(a[i * sa]), load(b[i * sb])))

    return nest3(binary_kernel, row_function, stored, stored, stored_y, operation, x, y)


def binary_calls(operation: str, a: View, b: View, y: View) -> list[Call]:
    """y = operation(a, b) with a and b broadcast to y's shape.

    a and b have one element type (pow: any two); y has it too, or is bool for a comparison.
    """
    if y.size == 0:
        return []
    if operation in _MIRRORED:
        return binary_calls(_MIRRORED[operation], b, a, y)
    if operation in _COMMUTATIVE and a.size < b.size:
        a, b = b, a  # the fast loops expect the scalar, if any, second
    a, b = a.broadcast_to(y.shape), b.broadcast_to(y.shape)
    x = a.dtype.name
    if operation == "pow" and (x not in FLOATS or b.dtype != a.dtype):
        return any_power_calls(a, b, y)
    result = y.dtype.name
    if operation in _OF_BITS and x not in FLOATS:
        x = _BITS[a.dtype.itemsize]
        result = result if operation == "equal" else x
    return [Call(binary_kernel(operation, x, result), nest_arguments((a, b, y)))]


_BITS = {1: "int8", 2: "int16", 4: "int32", 8: "int64"}
"""The integer type that moves elements of a size; moving needs no knowledge of what they mean."""


@cache
def where_kernel(dtype: str) -> Kernel:
    """The kernel of `where` for elements moved as integers of type `dtype`."""

    @device
    def row_function(
        row: int, n: int, c: Any, sc: int, a: Any, sa: int, b: Any, sb: int, y: Any, sy: int
    ) -> None:
        for i in range(n):
            y[i * sy] = a[i * sa] if c[i * sc] != 0 else b[i * sb]

    return nest4(where_kernel, row_function, "bool", dtype, dtype, dtype)


def where_calls(condition: View, a: View, b: View, y: View) -> list[Call]:
    """y = a where the bool `condition` holds, else b; all broadcast to y's shape; any type."""
    if y.size == 0:
        return []
    views = (*(view.broadcast_to(y.shape) for view in (condition, a, b)), y)
    return [Call(where_kernel(_BITS[y.dtype.itemsize]), nest_arguments(views))]


HALVES_COMPUTED = frozenset(
    {
        *("relu", "leaky_relu", "hard_swish", "hard_sigmoid", "neg", "abs", "clip"),
        *("add", "sub", "mul", "div", "min", "max", "prelu"),
    }
)
"""Operations with kernels for 16-bit floats: short ones, which copies would slow down. For the
others, programs widen them; the long ones are tables or loops where `fuse-loops` has been."""

_COMPARISONS = ("less", "less_equal")


def every_kernel(isa: Isa) -> list[Kernel]:
    """Every element-wise kernel that programs ask for; they are the same for all instruction
    sets."""
    unary = [
        *product(scalar_functions.FLOAT_UNARY, ("float32",)),
        *product((name for name in scalar_functions.FLOAT_UNARY if name in HALVES_COMPUTED), WIDEN),
        *(("clip", x) for x in INTEGERS),
        *product(("neg", "abs", "sign"), _BITS.values()),
        ("not", "bool"),
    ]
    of_bits, ordered = ("int32", "int64"), ("float32", *WIDE_INTEGERS)
    binary = [
        *((operation, x, x) for operation, x in product(("add", "sub", "mul"), of_bits)),
        *((operation, x, x) for operation, x in product(("add", "sub", "mul", "prelu"), FLOATS)),
        *((operation, x, x) for operation, x in product(("div", "min", "max"), WIDEN)),
        *((operation, x, x) for operation, x in product(("div", "mod", "min", "max"), ordered)),
        ("pow", "float32", "float32"),
        *(("equal", x, "bool") for x in ("float32", *of_bits, _BITS[1])),  # a bool is a byte
        *((operation, x, "bool") for operation, x in product(_COMPARISONS, (*ordered, "bool"))),
        *((operation, "bool", "bool") for operation in ("and", "or", "xor")),
    ]
    return [
        *(unary_kernel(*member) for member in unary),
        *(binary_kernel(*member) for member in binary),
        *(where_kernel(dtype) for dtype in _BITS.values()),
    ]

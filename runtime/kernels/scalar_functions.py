"""What element-wise kernels compute per element: `f(x, alpha, beta)` or `f(a, b)`, by op name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from runtime.kernels import scalar_math
from runtime.kernels.intrinsics import rint
from runtime.kernels.strided import device

_F = np.float32
_ZERO, _HALF, _ONE = _F(0), _F(0.5), _F(1)
_SIXTH = _F(1.0 / 6.0)
_SQRT_HALF = _F(math.sqrt(0.5))
_SQRT_2_OVER_PI = _F(math.sqrt(2.0 / math.pi))
_GELU_CUBIC = _F(0.044715)

# --- float to integer ----------------------------------------------------------------------------


def saturating(integer: str, floating: type) -> Any:
    """The conversion of a `floating` toward zero, limited to the range of `integer`; NaN to 0."""
    limits = np.iinfo(integer)
    least, greatest = int(limits.min), int(limits.max)
    # Powers of two (or 0): exact in any float type.  The greatest int64 itself is not.
    below, above, zero = floating(least), floating(greatest + 1), floating(0)
    # The narrowest conversion that holds the range and has a vector instruction on most CPUs.
    convert = {"uint64": np.uint64, "uint32": np.int64, "int64": np.int64}.get(integer, np.int32)
    first, last = convert(least), convert(greatest)

    @device
    def saturate(value: Any) -> Any:
        value = np.trunc(value)
        inside = convert(value if value >= below and value < above else zero)
        result = last if value >= above else inside
        return first if value < below else result

    return saturate


# --- one operand ---------------------------------------------------------------------------------


@device
def _relu(x: Any, alpha: Any, beta: Any) -> Any:
    return _ZERO if x < _ZERO else x


@device
def _leaky_relu(x: Any, alpha: Any, beta: Any) -> Any:
    return x if x >= _ZERO else x * alpha


@device
def _elu(x: Any, alpha: Any, beta: Any) -> Any:
    return scalar_math.select(x > _ZERO, x, alpha * scalar_math.expm1(x))


@device
def _unit(x: Any) -> Any:
    """x limited to [0, 1]; NaN stays."""
    x = _ZERO if x < _ZERO else x
    return _ONE if x > _ONE else x


@device
def _hard_swish(x: Any, alpha: Any, beta: Any) -> Any:
    return x * _unit(x * _SIXTH + _HALF)


@device
def _hard_sigmoid(x: Any, alpha: Any, beta: Any) -> Any:
    return _unit(x * alpha + beta)


@device
def _sigmoid(x: Any, alpha: Any, beta: Any) -> Any:
    return scalar_math.sigmoid(x)


@device
def _silu(x: Any, alpha: Any, beta: Any) -> Any:
    return x * scalar_math.sigmoid(x)


@device
def _tanh(x: Any, alpha: Any, beta: Any) -> Any:
    return scalar_math.tanh(x)


@device
def _erf(x: Any, alpha: Any, beta: Any) -> Any:
    return scalar_math.erf(x)


@device
def _gelu(x: Any, alpha: Any, beta: Any) -> Any:
    return _HALF * x * (_ONE + scalar_math.erf(x * _SQRT_HALF))


@device
def _gelu_tanh(x: Any, alpha: Any, beta: Any) -> Any:
    inner = _SQRT_2_OVER_PI * (x + _GELU_CUBIC * x * x * x)
    return _HALF * x * (_ONE + scalar_math.tanh(inner))


@device
def _sqrt(x: Any, alpha: Any, beta: Any) -> Any:
    return np.sqrt(x)


@device
def _exp(x: Any, alpha: Any, beta: Any) -> Any:
    return scalar_math.exp(x)


@device
def _log(x: Any, alpha: Any, beta: Any) -> Any:
    return scalar_math.log(x)


@device
def _neg(x: Any, alpha: Any, beta: Any) -> Any:
    return -x


@device
def _abs(x: Any, alpha: Any, beta: Any) -> Any:
    return abs(x)


@device
def _reciprocal(x: Any, alpha: Any, beta: Any) -> Any:
    return _ONE / x


@device
def _floor(x: Any, alpha: Any, beta: Any) -> Any:
    return np.floor(x)


@device
def _ceil(x: Any, alpha: Any, beta: Any) -> Any:
    return np.ceil(x)


@device
def _round(x: Any, alpha: Any, beta: Any) -> Any:
    return rint(x)


@device
def _sign(x: Any, alpha: Any, beta: Any) -> Any:
    below = -_ONE if x < _ZERO else x * _ZERO  # a zero, or NaN
    return _ONE if x > _ZERO else below


@device
def _clip(x: Any, alpha: Any, beta: Any) -> Any:
    x = alpha if x < alpha else x
    return beta if x > beta else x


@device
def _integer_sign(x: Any, alpha: Any, beta: Any) -> Any:
    return np.int64(x > 0) - np.int64(x < 0)


@device
def _not(x: Any, alpha: Any, beta: Any) -> Any:
    return np.uint8(x == 0)


FLOAT_UNARY: dict[str, Any] = {
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "hard_swish": _hard_swish,
    "hard_sigmoid": _hard_sigmoid,
    "sigmoid": _sigmoid,
    "silu": _silu,
    "tanh": _tanh,
    "erf": _erf,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "sqrt": _sqrt,
    "exp": _exp,
    "log": _log,
    "neg": _neg,
    "abs": _abs,
    "reciprocal": _reciprocal,
    "floor": _floor,
    "ceil": _ceil,
    "round": _round,
    "sign": _sign,
    "clip": _clip,
}

INTEGER_UNARY: dict[str, Any] = {
    "neg": _neg,
    "abs": _abs,
    "sign": _integer_sign,
    "clip": _clip,
    "not": _not,
}

# --- two operands --------------------------------------------------------------------------------


@device
def _add(a: Any, b: Any) -> Any:
    return a + b


@device
def _sub(a: Any, b: Any) -> Any:
    return a - b


@device
def _mul(a: Any, b: Any) -> Any:
    return a * b


@device
def _div(a: Any, b: Any) -> Any:
    return a / b


@device
def _unsigned_div(a: Any, b: Any) -> Any:
    return a // b if b != 0 else b


@device
def _integer_div(a: Any, b: Any) -> Any:
    # The CPU traps on a division by 0 and on the least integer divided by -1.
    if b == 0:
        return np.int64(0)
    if b == -1:
        return np.int64(0) - np.int64(a)
    quotient = np.int64(a) // np.int64(b)
    return quotient + 1 if quotient < 0 and quotient * b != a else quotient


@device
def _fmod(a: Any, b: Any) -> Any:
    return np.fmod(a, b)


@device
def _unsigned_mod(a: Any, b: Any) -> Any:
    return a % b if b != 0 else b


@device
def _integer_mod(a: Any, b: Any) -> Any:
    if b == 0 or b == -1:  # see _integer_div
        return np.int64(0)
    return np.int64(a) % np.int64(b)


@device
def _pow(a: Any, b: Any) -> Any:
    return np.float32(np.float64(a) ** np.float64(b))


@device
def _min(a: Any, b: Any) -> Any:
    return a if a < b or a != a else b


@device
def _max(a: Any, b: Any) -> Any:
    return a if a > b or a != a else b


@device
def _equal(a: Any, b: Any) -> Any:
    return np.uint8(a == b)


@device
def _less(a: Any, b: Any) -> Any:
    return np.uint8(a < b)


@device
def _less_equal(a: Any, b: Any) -> Any:
    return np.uint8(a <= b)


@device
def _and(a: Any, b: Any) -> Any:
    return a & b


@device
def _or(a: Any, b: Any) -> Any:
    return a | b


@device
def _xor(a: Any, b: Any) -> Any:
    return a ^ b


@device
def _prelu(a: Any, b: Any) -> Any:
    return a if a >= _ZERO else a * b


_BINARY: dict[str, Any] = {
    "add": _add,
    "sub": _sub,
    "mul": _mul,
    "min": _min,
    "max": _max,
    "equal": _equal,
    "less": _less,
    "less_equal": _less_equal,
}
_FLOAT_BINARY: dict[str, Any] = {"div": _div, "mod": _fmod, "pow": _pow, "prelu": _prelu}
_SIGNED_BINARY: dict[str, Any] = {"div": _integer_div, "mod": _integer_mod}
_UNSIGNED_BINARY: dict[str, Any] = {
    "div": _unsigned_div,
    "mod": _unsigned_mod,
    "and": _and,
    "or": _or,
    "xor": _xor,
}


def binary_function(operation: str, dtype: str) -> Any:
    """f(a, b) of an operation for operands of a dtype; pow is for floats only."""
    if operation in _BINARY:
        return _BINARY[operation]
    if dtype == "float32":
        return _FLOAT_BINARY[operation]
    return (_SIGNED_BINARY if dtype.startswith("int") else _UNSIGNED_BINARY)[operation]

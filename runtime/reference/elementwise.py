"""Elementwise ops: one numpy expression each.

Types follow ONNX: arithmetic keeps its operands' type, integers wrap around, integer division
truncates toward zero, comparisons give bool. float16 and bfloat16 compute in float32 and round
once. Names that Python or numpy users know as builtins carry a trailing underscore.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from dialects.errors import OctetError

from . import elementary
from .precision import in_float32, is_float, widen

_F32 = np.float32

Activation = tuple[str, float, float]
"""("clip", lo, hi): what an op applies to its result before storing it."""


def activate(x: np.ndarray, activation: Activation | None) -> np.ndarray:
    """Apply a fused activation in the element type of `x`."""
    if activation is None:
        return x
    kind, lo, hi = activation
    if kind != "clip":
        raise OctetError(f"fused activation '{kind}' is not known; expected 'clip' with two bounds")
    return clip(x, min=lo, max=hi)


# Unary


def relu(x: np.ndarray) -> np.ndarray:
    """max(x, 0), any numeric type."""
    return np.asarray(np.maximum(x, np.zeros((), x.dtype)))


@in_float32
def leaky_relu(x: np.ndarray, *, alpha: float) -> np.ndarray:
    """x where x >= 0, else alpha * x."""
    return np.where(x >= 0, x, x * x.dtype.type(alpha))


@in_float32
def elu(x: np.ndarray, *, alpha: float) -> np.ndarray:
    """x where x > 0, else alpha * (exp(x) - 1), the latter in float64 (expm1)."""
    negative = alpha * np.expm1(np.minimum(x, 0).astype(np.float64))
    return np.where(x > 0, x, negative.astype(x.dtype))


@in_float32
def hard_swish(x: np.ndarray) -> np.ndarray:
    """x * clip(x / 6 + 1/2, 0, 1) (Howard et al., "Searching for MobileNetV3", 2019)."""
    return x * np.clip(x * x.dtype.type(1.0 / 6.0) + x.dtype.type(0.5), 0, 1)


@in_float32
def hard_sigmoid(x: np.ndarray, *, alpha: float, beta: float) -> np.ndarray:
    """clip(alpha * x + beta, 0, 1)."""
    return np.clip(x * x.dtype.type(alpha) + x.dtype.type(beta), 0, 1)


@in_float32
def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    return x.dtype.type(1) / (x.dtype.type(1) + exp(-x))


@in_float32
def silu(x: np.ndarray) -> np.ndarray:
    """x * sigmoid(x)."""
    return x * sigmoid(x)


@in_float32
def tanh(x: np.ndarray) -> np.ndarray:
    """tanh in float64, rounded once."""
    return np.tanh(x.astype(np.float64)).astype(x.dtype)


@in_float32
def erf(x: np.ndarray) -> np.ndarray:
    """The error function, accurate to float32 (also for float64 operands)."""
    return elementary.erf(x).astype(x.dtype)


@in_float32
def gelu(x: np.ndarray, *, approximate: Literal["none", "tanh"]) -> np.ndarray:
    """x * Phi(x), exactly ("none") or by the tanh form of Hendrycks and Gimpel (2016)."""
    one, half = x.dtype.type(1), x.dtype.type(0.5)
    if approximate == "none":
        return half * x * (one + erf(x * x.dtype.type(math.sqrt(0.5))))
    if approximate == "tanh":
        inner = x.dtype.type(math.sqrt(2.0 / math.pi)) * (x + x.dtype.type(0.044715) * x * x * x)
        return half * x * (one + tanh(inner))
    raise OctetError(f"gelu: approximate = '{approximate}'; expected 'none' or 'tanh'")


@in_float32
def sqrt(x: np.ndarray) -> np.ndarray:
    """The square root, correctly rounded; NaN below zero."""
    return np.sqrt(x)


@in_float32
def exp(x: np.ndarray) -> np.ndarray:
    """The exponential: `elementary.exp_f32`, or numpy's for float64."""
    return np.exp(x) if x.dtype == np.float64 else elementary.exp_f32(x)


@in_float32
def log(x: np.ndarray) -> np.ndarray:
    """The natural logarithm in float64, rounded once; -inf at 0, NaN below."""
    return np.log(x.astype(np.float64)).astype(x.dtype)


def neg(x: np.ndarray) -> np.ndarray:
    """-x, any signed type."""
    return np.asarray(np.negative(x))


def abs_(x: np.ndarray) -> np.ndarray:
    """|x|, any numeric type."""
    return np.asarray(np.abs(x))


@in_float32
def reciprocal(x: np.ndarray) -> np.ndarray:
    """1 / x."""
    return x.dtype.type(1) / x


@in_float32
def floor(x: np.ndarray) -> np.ndarray:
    """The greatest integer not above x."""
    return np.floor(x)


@in_float32
def ceil(x: np.ndarray) -> np.ndarray:
    """The least integer not below x."""
    return np.ceil(x)


@in_float32
def round_(x: np.ndarray) -> np.ndarray:
    """The nearest integer, halves to even."""
    return np.rint(x)


@in_float32
def sign(x: np.ndarray) -> np.ndarray:
    """-1, 0 or 1; NaN stays NaN."""
    return np.sign(x)


def not_(x: np.ndarray) -> np.ndarray:
    """Logical negation of a bool tensor."""
    return np.asarray(np.logical_not(x))


def clip(x: np.ndarray, *, min: float | None = None, max: float | None = None) -> np.ndarray:
    """min(max(x, min), max); None is no bound. Where min > max the result is max, as ONNX says."""
    if min is not None and not _is_lowest(min, x.dtype):
        x = np.asarray(np.maximum(x, _bound(min, x.dtype, up=True)))
    if max is not None and not _is_highest(max, x.dtype):
        x = np.asarray(np.minimum(x, _bound(max, x.dtype, up=False)))
    return x


def _is_lowest(bound: float, dtype: np.dtype) -> bool:
    return bound == -math.inf if is_float(dtype) else bound <= np.iinfo(dtype).min


def _is_highest(bound: float, dtype: np.dtype) -> bool:
    return bound == math.inf if is_float(dtype) else bound >= np.iinfo(dtype).max


def _bound(bound: float, dtype: np.dtype, *, up: bool) -> np.ndarray:
    """A clip bound in the operand's type: the nearest float, or the first integer inside."""
    if is_float(dtype):
        with np.errstate(over="ignore"):
            return np.asarray(bound, np.float64).astype(dtype)
    limits = np.iinfo(dtype)
    if not math.isfinite(bound):
        return np.asarray(limits.max if bound > 0 else limits.min, dtype)
    whole = math.ceil(bound) if up else math.floor(bound)
    inside = sorted((limits.min, whole, limits.max))[1]
    return np.asarray(inside, dtype)


# Binary, with numpy's broadcasting


@in_float32
def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a + b."""
    return np.add(a, b)


@in_float32
def sub(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a - b."""
    return np.subtract(a, b)


@in_float32
def mul(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a * b."""
    return np.multiply(a, b)


@in_float32
def div(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b; integers truncate toward zero. Raises OctetError for an integer division by zero."""
    if is_float(a.dtype):
        return np.divide(a, b)
    _refuse_zero_divisor("div", b)
    # fmod takes the dividend's sign, so what is left divides exactly: that is truncation.
    return (a - np.fmod(a, b)) // b


@in_float32
def mod(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The remainder: integers take the divisor's sign (ONNX fmod = 0), floats the dividend's (1).

    Raises OctetError for an integer remainder by zero.
    """
    if is_float(a.dtype):
        return np.fmod(a, b)
    _refuse_zero_divisor("mod", b)
    return np.mod(a, b)


def _refuse_zero_divisor(op: str, divisor: np.ndarray) -> None:
    if not np.all(divisor):
        raise OctetError(f"{op}: integer division by zero; check the divisor's values")


def pow_(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a ** b in the type of a, whatever the type of b.

    Integers to non-negative integer powers wrap around; everything else is computed in float64
    and converted once (to an integer toward zero, saturating: 0 to the power -1 is the greatest).
    """
    if not is_float(a.dtype) and not is_float(b.dtype):
        return _integer_pow(a, b)
    with np.errstate(all="ignore"):
        power = np.power(widen(a).astype(np.float64), widen(b).astype(np.float64))
    return cast(np.asarray(power), dtype=a.dtype)


def _integer_pow(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    # In 64 bits, whose low bits are those of every narrower type.
    power = np.power(a.astype(np.uint64), b.astype(np.uint64)).astype(a.dtype)
    # Truncated, 1 / a^|b| depends on the parity of b alone: it is 0 but for a of -1, 0 and 1.
    with np.errstate(divide="ignore"):
        inverse = np.power(a.astype(np.float64), np.where(b % 2 == 0, -2.0, -1.0))
    return np.where(b >= 0, power, cast(np.asarray(inverse), dtype=a.dtype))


@in_float32
def min_(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smaller of a and b; NaN wins."""
    return np.minimum(a, b)


@in_float32
def max_(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The larger of a and b; NaN wins."""
    return np.maximum(a, b)


def equal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a == b, as bool."""
    return np.asarray(np.equal(a, b))


def less(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a < b, as bool."""
    return np.asarray(np.less(a, b))


def less_equal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a <= b, as bool."""
    return np.asarray(np.less_equal(a, b))


def greater(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a > b, as bool."""
    return np.asarray(np.greater(a, b))


def greater_equal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a >= b, as bool."""
    return np.asarray(np.greater_equal(a, b))


def and_(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Logical and of bool tensors."""
    return np.asarray(np.logical_and(a, b))


def or_(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Logical or of bool tensors."""
    return np.asarray(np.logical_or(a, b))


def xor(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Logical exclusive or of bool tensors."""
    return np.asarray(np.logical_xor(a, b))


@in_float32
def prelu(x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """x where x >= 0, else slope * x; slope broadcasts to x."""
    return np.where(x >= 0, x, np.multiply(x, slope))


def where(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x where the condition holds, else y."""
    return np.asarray(np.where(condition, x, y))


# Element types


def cast(x: np.ndarray, *, dtype: np.dtype) -> np.ndarray:
    """Convert the element type.

    To a float: nearest, halves to even (to bfloat16 by way of float32, like `ml_dtypes` and ONNX
    Runtime). Float to integer: toward zero, saturating, NaN to 0
    (ONNX leaves the last two undefined). Integer to integer: modulo 2^bits. To bool: x != 0.
    """
    dtype = np.dtype(dtype)
    if dtype == np.bool_:
        return np.asarray(x != np.zeros((), x.dtype))
    if not is_float(x.dtype) or is_float(dtype):
        with np.errstate(all="ignore"):
            return x.astype(dtype)
    limits = np.iinfo(dtype)
    wide = np.nan_to_num(np.trunc(x.astype(np.float64)), nan=0.0, posinf=np.inf, neginf=-np.inf)
    # float64(2^63 - 1) is 2^63, which no longer fits: compare with the exclusive power of two.
    above = wide >= float(limits.max) + 1.0
    below = wide < float(limits.min)
    inside = np.where(above | below, 0.0, wide).astype(dtype)
    inside = np.where(below, dtype.type(limits.min), inside)
    return np.where(above, dtype.type(limits.max), inside)

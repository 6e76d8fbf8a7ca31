"""float16 and bfloat16 as bit patterns: to float32, and back with one rounding (half to even).

In integer arithmetic, because not every CPU converts float16, and LLVM would call a library that
is not there.  The float16 algorithms are those of F. Giesen, "float->half variants" (2012),
https://gist.github.com/rygorous/2156668; bfloat16 is the upper half of a float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from runtime.kernels.intrinsics import bits_to_f32, f32_to_bits
from runtime.kernels.isa import cpu_features
from runtime.kernels.strided import device
from runtime.kernels.vector_ir import HalfKind

_U = np.uint32

_SIGN, _MAGNITUDE = _U(0x80000000), _U(0x7FFFFFFF)
_F32_INFINITY = _U(0x7F800000)

_HALF_SIGN, _HALF_MAGNITUDE = _U(0x8000), _U(0x7FFF)
_HALF_INFINITY, _HALF_NAN = _U(0x7C00), _U(0x7E00)
_MANTISSA = _U(23 - 10)
"""How much longer float32's mantissa is."""
_REBIAS = _U((127 - 15) << 23)
"""The difference of the exponents' biases, as float32 exponent bits."""
_HALF_EXPONENT = _U(0x1F << 23)
"""A float16's exponent bits, shifted to where float32 has its own."""
_ONE_EXPONENT = _U(1 << 23)
_SMALLEST_NORMAL = _U((127 - 14) << 23)
"""2^-14, below which a float16 is subnormal, as float32 bits; 2^16 is beyond float16's range."""
_TOO_LARGE = _U((127 + 16) << 23)
_ALIGN = _U((127 - 1) << 23)
"""0.5, whose last bit is worth as much as that of a subnormal float16: adding it rounds."""
_BELOW_HALF = _U((1 << 12) - 1)

_BF16_SHIFT, _BF16_BELOW_HALF, _BF16_NAN = _U(16), _U(0x7FFF), _U(0x7FC0)
_ONE = _U(1)


@device
def _bits(value: Any) -> Any:
    return _U(f32_to_bits(value))


@device
def float16_to_f32(half: Any) -> Any:
    """The float32 of a float16's bits (exact)."""
    bits = _U((_U(half) & _HALF_MAGNITUDE) << _MANTISSA)
    exponent = _U(bits & _HALF_EXPONENT)
    # Infinity and NaN: to the greatest exponent, by the same step once more.
    rebias = _U(_REBIAS + _REBIAS) if exponent == _HALF_EXPONENT else _REBIAS
    normal = _U(bits + rebias)
    # Subnormal: give it an implicit one, and take that away as a float.
    shifted = bits_to_f32(_U(normal + _ONE_EXPONENT)) - bits_to_f32(_SMALLEST_NORMAL)
    magnitude = _bits(shifted) if exponent == _U(0) else normal
    return bits_to_f32(_U(magnitude | _U((_U(half) & _HALF_SIGN) << _U(16))))


@device
def f32_to_float16(value: Any) -> Any:
    """The bits of the float16 nearest to a float32; beyond its range infinity."""
    bits = _bits(value)
    magnitude = _U(bits & _MAGNITUDE)
    special = _HALF_NAN if magnitude > _F32_INFINITY else _HALF_INFINITY
    aligned = bits_to_f32(magnitude) + bits_to_f32(_ALIGN)
    subnormal = _U(_bits(aligned) - _ALIGN)
    odd = _U((magnitude >> _MANTISSA) & _ONE)
    # A carry into the exponent is right: it gives the next power of two, or infinity.
    normal = _U(_U(magnitude - _REBIAS + _BELOW_HALF + odd) >> _MANTISSA)
    half = subnormal if magnitude < _SMALLEST_NORMAL else normal
    half = special if magnitude >= _TOO_LARGE else half
    return _U(half | _U((bits & _SIGN) >> _U(16)))


@device
def bfloat16_to_f32(half: Any) -> Any:
    """The float32 of a bfloat16's bits (exact)."""
    return bits_to_f32(_U(_U(half) << _BF16_SHIFT))


@device
def f32_to_bfloat16(value: Any) -> Any:
    """The bits of the bfloat16 nearest to a float32."""
    bits = _bits(value)
    odd = _U((bits >> _BF16_SHIFT) & _ONE)
    rounded = _U(_U(bits + _BF16_BELOW_HALF + odd) >> _BF16_SHIFT)
    nan = _U(_U((bits & _SIGN) >> _BF16_SHIFT) | _BF16_NAN)
    return nan if _U(bits & _MAGNITUDE) > _F32_INFINITY else rounded


@device
def f64_to_f32_odd(value: Any) -> Any:
    """A float64 as float32, rounded to odd: rounding that again is rounding once (S. Boldo and
    G. Melquiond, "Emulation of a FMA and correctly rounded sums", 2008)."""
    nearest = np.float32(value)
    bits = _bits(nearest)
    toward_zero = _U(bits - _ONE) if abs(np.float64(nearest)) > abs(value) else bits
    return nearest if np.float64(nearest) == value else bits_to_f32(_U(toward_zero | _ONE))


HALF_KINDS: dict[str, HalfKind] = {"bfloat16": "bf16", "float16": "f16"}
"""The short name of each 16-bit type, by numpy name."""

STORED = {"float16": "uint16", "bfloat16": "uint16"}
"""The type as which kernels load and store each 16-bit type: its bits."""

WIDEN: dict[str, Any] = {"float16": float16_to_f32, "bfloat16": bfloat16_to_f32}
NARROW: dict[str, Any] = {"float16": f32_to_float16, "bfloat16": f32_to_bfloat16}
HALF_WIDEN: dict[HalfKind, Any] = {"f16": float16_to_f32, "bf16": bfloat16_to_f32}


FLOATS = ("float32", *WIDEN)
"""The element types that are computed with in float32."""


def has_vectors(dtype: str) -> bool:
    """Whether vectors of the type can be widened in LLVM's IR: float16 needs F16C, or LLVM would
    call a library."""
    return dtype != "float16" or "+f16c" in cpu_features().split(",")


@device
def itself(value: Any) -> Any:
    """The value: what loading and storing anything but 16-bit floats comes to."""
    return value


def element_access(dtype: str) -> tuple[str, Any, Any]:
    """How loops get at elements of a type: (the type they load and store, what makes the loaded
    value a number to compute with, what makes a result one to store)."""
    return STORED.get(dtype, dtype), WIDEN.get(dtype, itself), NARROW.get(dtype, itself)

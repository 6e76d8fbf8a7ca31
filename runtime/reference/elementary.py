"""The float32 building blocks whose every bit is fixed: `exp`, fused multiply-add, ordered sum.

Kernels on every instruction set repeat these very operations in this very order, which is what
makes a program that ends in softmax or layer normalization reproducible to the bit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial import Chebyshev
from numpy.typing import ArrayLike

_F32 = np.float32

# exp(x) = 2^k * exp(r), k = rint(x * log2(e)), r = x - k * ln(2).
# ln(2) is split as Cody and Waite do ("Software Manual for the Elementary Functions", 1980, ch. 6):
# LN2_HI has 9 significant bits, so k * LN2_HI is exact for every |k| < 2^15.
EXP_LOG2E = _F32(1.44269504088896341)
EXP_LN2_HI = _F32(0.693359375)
EXP_LN2_LO = _F32(-2.12194440e-4)
# Adding and subtracting 1.5 * 2^23 rounds a float32 below 2^22 to the nearest integer, half to
# even; the integer also stands in the low bits of the sum.
EXP_ROUND = _F32(12582912.0)
# exp(r) = 1 + r + r^2 * p(r) on |r| <= ln(2)/2: the degree-5 minimax p of `expf` in the Cephes
# library (S. Moshier, 1989), highest power first.
EXP_POLYNOMIAL = (
    _F32(1.9875691500e-4),
    _F32(1.3981999507e-3),
    _F32(8.3334519073e-3),
    _F32(4.1665795894e-2),
    _F32(1.6666665459e-1),
    _F32(5.0000001201e-1),
)
# 2^k is written as (2 * 2^(k - 1)): with k <= 128 both factors are normal numbers. Its exponent
# field is 0 for k = -126, the k of EXP_MIN: results below 2^-125.5 (1.7e-38, where x < -86.99) are
# 0, so that no subnormal number ever appears, which takes CPUs a hundred cycles to handle (masked
# scores in softmax are all there). Above exp(89) everything overflows.
EXP_MIN = _F32(-87.5)
EXP_MAX = _F32(89.0)

EXP_HALF_BITS = np.int32(126 << 23)
"""The bit pattern of 1/2, to which a k in the exponent field is added."""

LANES = 16


@np.errstate(all="ignore")
def exp_f32(x: np.ndarray) -> np.ndarray:
    """exp(x) in float32, error below 1 ulp, monotone; 0 where it is below 2^-125.5.

    Plain float32 multiplies and adds, none of them fused:

        x = EXP_MIN if x < EXP_MIN else x ; x = EXP_MAX if x > EXP_MAX else x     (NaN stays)
        t = x * EXP_LOG2E + EXP_ROUND ; k = t - EXP_ROUND                          (k = rint)
        r = (x - k * EXP_LN2_HI) - k * EXP_LN2_LO
        p = ((((c0*r + c1)*r + c2)*r + c3)*r + c4)*r + c5
        y = (p * (r*r) + r) + 1
        (y + y) * 2^(k - 1)                              (0 for k = -126)
    """
    x = np.asarray(x, dtype=_F32)
    x = np.where(x < EXP_MIN, EXP_MIN, x)
    x = np.where(x > EXP_MAX, EXP_MAX, x)
    t = x * EXP_LOG2E + EXP_ROUND
    k = t - EXP_ROUND
    r = (x - k * EXP_LN2_HI) - k * EXP_LN2_LO
    p = np.full_like(r, EXP_POLYNOMIAL[0])
    for coefficient in EXP_POLYNOMIAL[1:]:
        p = p * r + coefficient
    y = (p * (r * r) + r) + _F32(1.0)
    # The low 9 bits of EXP_ROUND are 0: what is left of t after the shift is k.
    power = (t.view(np.int32) << np.int32(23)) + EXP_HALF_BITS
    return (y + y) * power.view(_F32)


def _erf_over_x() -> Chebyshev:
    """erf(x)/x as a polynomial in x^2 on [0, 16].

    The function is entire in x^2 (DLMF 7.6.1), so Chebyshev interpolation converges
    geometrically: degree 30 reproduces `math.erf` to 1e-14, far below a float32 ulp.
    """
    two_over_sqrt_pi = 2.0 / math.sqrt(math.pi)

    def value(square: float) -> float:
        x = math.sqrt(square)
        return math.erf(x) / x if x > 0.0 else two_over_sqrt_pi

    return Chebyshev.interpolate(np.vectorize(value, otypes=[np.float64]), 30, domain=[0.0, 16.0])


_ERF_OVER_X = _erf_over_x()
# 1 - erf(4) = 1.5e-8 is less than half an ulp below 1, so float32 erf is 1 from here on.
_ERF_ONE = 4.0


@np.errstate(all="ignore")
def erf(x: np.ndarray) -> np.ndarray:
    """The error function: evaluated in float64, rounded once to float32 (NaN stays NaN)."""
    wide = np.clip(np.asarray(x, dtype=np.float64), -_ERF_ONE, _ERF_ONE)
    return (wide * _ERF_OVER_X(wide * wide)).astype(_F32)


@np.errstate(all="ignore")
def fma_f32(a: ArrayLike, b: ArrayLike, c: ArrayLike) -> np.ndarray:
    """float32 a * b + c rounded once, as the hardware's fused multiply-add does (broadcasting).

    The product of two float32 is exact in float64. The float64 sum is rounded *to odd* (Boldo and
    Melquiond, "Emulation of a FMA and correctly rounded sums", IEEE ToC 2008): with 53 >= 24 + 2
    bits, rounding that to float32 then equals rounding the exact value.
    """
    product = np.asarray(a, _F32).astype(np.float64) * np.asarray(b, _F32).astype(np.float64)
    addend = np.asarray(c, _F32).astype(np.float64)
    total = np.asarray(product + addend)
    # Knuth's TwoSum: `error` is exactly what rounding the sum lost.
    back = total - product
    error = (product - (total - back)) + (addend - back)
    inexact = np.isfinite(total) & (error != 0.0)
    even = (total.view(np.int64) & 1) == 0
    toward = np.where(error > 0.0, np.inf, -np.inf)
    total = np.where(inexact & even, np.nextafter(total, toward), total)
    return total.astype(_F32)


def lane_sum(x: np.ndarray) -> np.ndarray:
    """Sum over the last axis in the fixed order of a 16-lane vector loop.

    Lane j starts at +0 and adds x[j], x[j + 16], ... in this order (a missing tail adds zero);
    then lanes j and j + 8 are added, then j and j + 4, j + 2, j + 1.

    Parameters: x, floats of shape [..., n], n >= 0. Returns shape [...], the dtype of x.
    """
    *outer, length = x.shape
    steps = -(-length // LANES)
    padded = np.zeros((*outer, steps * LANES), dtype=x.dtype)
    padded[..., :length] = x
    rows = padded.reshape(*outer, steps, LANES)
    lanes = np.zeros((*outer, LANES), dtype=x.dtype)
    with np.errstate(all="ignore"):
        for step in range(steps):
            lanes = lanes + rows[..., step, :]
        for width in (8, 4, 2, 1):
            lanes = lanes[..., :width] + lanes[..., width : 2 * width]
    return lanes[..., 0]

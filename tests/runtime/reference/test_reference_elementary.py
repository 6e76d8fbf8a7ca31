"""exp, erf, fma and the lane sum against exact or float64 arithmetic."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from runtime.reference.elementary import LANES, erf, exp_f32, fma_f32, lane_sum

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def float32_patterns(low: float, high: float, step: int) -> np.ndarray:
    """Every `step`-th float32 between two values of one sign, from the smaller magnitude on."""
    first, last = (int(np.float32(value).view(np.uint32)) for value in (low, high))
    return np.arange(first, last + 1, step, dtype=np.uint32).view(np.float32)


def ulp_error(value: np.ndarray, exact: np.ndarray) -> float:
    """The largest distance in units of the last place of the exact value rounded to float32."""
    ulp = np.spacing(exact.astype(np.float32)).astype(np.float64)
    return float(np.max(np.abs(value.astype(np.float64) - exact) / np.abs(ulp)))


def test_exp_is_within_one_ulp_and_monotone_on_a_dense_sample():
    positive = float32_patterns(2.0**-30, 88.72, 97)
    negative = float32_patterns(-(2.0**-30), -86.98, 97)
    for x in (positive, negative):
        y = exp_f32(x)
        assert ulp_error(y, np.exp(x.astype(np.float64))) < 1.0
        steps = np.diff(y) * np.sign(x[0])
        assert steps.min() >= 0.0


def test_every_bit_of_exp_is_fixed():
    x = np.arange(0, 2**32, 65521, dtype=np.uint64).astype(np.uint32).view(np.float32)
    y = exp_f32(x[~np.isnan(x)]).astype("<f4")
    digest = hashlib.sha256(y.tobytes()).hexdigest()
    assert digest == "147dad8f54d85cee1c6b771c175592556333908082dbad33ea1c9fb967f9d6b7"


def test_exp_at_the_edges():
    x = np.array([-np.inf, -1e30, -87, -86.98, 0, 88.72283, 88.72284, 1e30, np.inf, np.nan])
    y = exp_f32(x.astype(np.float32))
    assert y[:3].tolist() == [0, 0, 0]
    assert y[3] >= 2.0**-125.5
    assert y[4] == 1
    assert np.isfinite(y[5])
    assert np.all(np.isposinf(y[6:9]))
    assert np.isnan(y[9])
    assert y.dtype == np.float32


def test_erf_rounds_the_true_value():
    x = np.concatenate([float32_patterns(1e-30, 6.0, 4001), np.zeros(1, np.float32)])
    x = np.concatenate([x, -x])
    exact = np.array([math.erf(v) for v in x])
    assert ulp_error(erf(x), exact) <= 0.5001
    assert erf(np.array([np.inf, -np.inf], np.float32)).tolist() == [1, -1]
    assert np.isnan(erf(np.array(np.nan, np.float32)))


def rounded_to_float32(value: Fraction) -> np.float32:
    """The nearest float32 to an exact rational, halves to even, from the definition."""
    if value == 0:
        return np.float32(0)
    exponent = max(-149, value.numerator.bit_length() - value.denominator.bit_length() - 25)
    while abs(value) >= Fraction(2) ** (exponent + 24):
        exponent += 1
    scaled = round(value / Fraction(2) ** exponent)  # Python rounds halves to even
    return np.float32(math.ldexp(scaled, exponent))


@given(FLOATS, FLOATS, FLOATS)
@example(1.0 + 2.0**-23, 1.0 + 2.0**-23, 2.0**-60)
@example(1.0 + 2.0**-12, 1.0 + 2.0**-12, -(2.0**-80))
@example(2.0**-75, 2.0**-75, 2.0**-149)
@example(3.0 * 2.0**-76, 2.0**-75, -(2.0**-149))
@example(16777217.0 - 1.0, 1.0 + 2.0**-23, 2.0**-100)
def test_fma_rounds_the_exact_value_once(a: float, b: float, c: float):
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    result = fma_f32(*(np.float32(v) for v in (a, b, c)))
    if abs(exact) >= (Fraction(2) - Fraction(1, 2**24)) * 2**127:
        assert np.isinf(result)
        return
    assert result == rounded_to_float32(exact)


@given(
    st.integers(1, 60).map(lambda n: 2 * n + 1),
    st.integers(0, 2**20),
    st.sampled_from([-1.0, 0.0, 1.0]),
    st.integers(-120, -1),
    st.sampled_from([-1, 1]),
)
def test_fma_sees_a_tiny_addend_beside_a_halfway_product(a, offset, c, shift, sign):
    # An odd product of 25 bits lies halfway between two float32; only c tells which one is nearer,
    # and below 2^-28 a float64 sum has already lost it.
    b = (2**24 // a + 1 + offset % (2**24 // a - 1)) | 1
    b = b if a * b < 2**25 else b - 2
    assert 2**24 < a * b < 2**25
    small = math.ldexp(c, shift)
    exact = sign * Fraction(a) * Fraction(b) + Fraction(small)
    result = fma_f32(np.float32(sign * a), np.float32(b), np.float32(small))
    assert result == rounded_to_float32(exact)


def test_fma_handles_infinities_and_broadcasts():
    result = fma_f32(np.array([np.inf, 1, 1]), np.float32(2), np.array([1, -np.inf, np.nan]))
    assert np.isposinf(result[0])
    assert np.isneginf(result[1])
    assert np.isnan(result[2])
    assert fma_f32(np.ones((3, 1)), np.ones(4), 0.0).shape == (3, 4)


@given(st.lists(FLOATS.filter(lambda v: abs(v) < 1e30), max_size=70))
def test_lane_sum_adds_in_the_stated_order(values: list[float]):
    lanes = [np.float32(0)] * LANES
    for i, value in enumerate(values):
        lanes[i % LANES] = lanes[i % LANES] + np.float32(value)
    for width in (8, 4, 2, 1):
        lanes = [lanes[j] + lanes[j + width] for j in range(width)]
    x = np.array([values, values], dtype=np.float32).reshape(2, -1)
    assert lane_sum(x).tolist() == [lanes[0], lanes[0]]

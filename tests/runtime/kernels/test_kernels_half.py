"""Conversions of 16-bit floats, bit by bit against ml_dtypes and numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.elements import bfloat16
from runtime.executor import Table
from runtime.kernels.abi import View
from runtime.kernels.convert import cast_calls

HALVES = [bfloat16, np.dtype(np.float16)]
FLOAT32 = np.dtype(np.float32)

every_half = pytest.mark.parametrize("dtype", HALVES, ids=str)

BOUNDARIES = [
    0x00000000, 0x80000000, 0x00000001, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x7F7F8000, 0x7F7F7FFF,
    0x7F800000, 0xFF800000, 0x7F800001, 0x7FC00000, 0xFFC12345, 0x3F808000, 0x3F818000, 0x3F808001,
    0x38800000, 0x387FFFFF, 0x33000000, 0x33000001, 0x32FFFFFF, 0x477FE000, 0x477FEFFF, 0x477FF000,
]  # fmt: skip
"""float32 bits around zeros, subnormals, ties, overflow and NaNs of both types."""


def cast(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    y = np.zeros(x.shape, dtype)
    Table(cast_calls(View.of(x), View.of(y))).run()
    return y


def bits(x: np.ndarray) -> np.ndarray:
    """The bits; every NaN of a sign counts as one."""
    words = x.view(f"uint{8 * x.itemsize}").copy()
    with np.errstate(invalid="ignore"):
        nan = np.isnan(x)
    words[nan] = words[nan] >> (8 * x.itemsize - 1)
    return words


@every_half
def test_every_16_bit_number_is_widened_exactly(dtype: np.dtype) -> None:
    x = np.arange(1 << 16, dtype=np.uint16).view(dtype)
    wide = cast(x, FLOAT32)
    np.testing.assert_array_equal(bits(wide), bits(x.astype(np.float32)))
    np.testing.assert_array_equal(bits(cast(wide, dtype)), bits(x))


def rounded(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with np.errstate(all="ignore"):
        return x.astype(dtype)


@every_half
@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.integers(0, 2**32 - 1), st.sampled_from(BOUNDARIES)), min_size=1))
def test_float32_is_rounded_to_nearest_even(dtype: np.dtype, words: list[int]) -> None:
    x = np.array(words, np.uint32).view(np.float32)
    np.testing.assert_array_equal(bits(cast(x, dtype)), bits(rounded(x, dtype)))


@every_half
def test_boundaries_and_their_negatives(dtype: np.dtype) -> None:
    words = np.array(BOUNDARIES, np.uint32)
    x = np.concatenate([words, words ^ np.uint32(1 << 31)]).view(np.float32)
    y = cast(x, dtype)
    np.testing.assert_array_equal(bits(y), bits(rounded(x, dtype)))
    if dtype == bfloat16:  # there even NaNs agree to the bit
        np.testing.assert_array_equal(y.view(np.uint16), rounded(x, dtype).view(np.uint16))


@every_half
@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 7), st.integers(1, 70), st.booleans())
def test_transposing_casts(
    dtype: np.dtype, n: int, channels: int, pixels: int, narrowing: bool
) -> None:
    """From channels first to channels last, as a program's input is cast, and back."""
    random = np.random.default_rng(n * 100 + channels)
    x = random.standard_normal((n, channels, pixels)).astype(np.float32)
    source, target = (FLOAT32, dtype) if narrowing else (dtype, FLOAT32)
    x = x.astype(source)
    y = np.zeros((n, pixels, channels), target)
    Table(cast_calls(View.of(x), View.of(y.transpose(0, 2, 1)))).run()
    np.testing.assert_array_equal(y.transpose(0, 2, 1), x.astype(target))

"""Images moved and cast to interleaved pixels against the reference, to the bit."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.kernels.abi import View
from runtime.kernels.convert import cast_calls
from runtime.kernels.copy import copy_calls
from runtime.kernels.interleave_pixels import (
    MOVED,
    ROUNDED,
    casts_pixels,
    every_kernel,
    interleave_pixel_kernel,
    moves_pixels,
)
from runtime.kernels.isa import PORTABLE
from runtime.reference.precision import narrow
from tests.runtime.kernels.strided_arrays import assert_computes, bordered, empty, nhwc

BF16 = np.dtype(ml_dtypes.bfloat16)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(2, 4),
    st.sampled_from([1, 15, 16, 17, 37]),
    st.sampled_from([bordered, nhwc]),
)
def test_casts_any_bits(
    seed: int, channels: int, width: int, layout: Callable[..., np.ndarray]
) -> None:
    """Floats of all magnitudes, NaN, and ties: half of the lower 16 bits are 0x8000."""
    bits = np.random.default_rng(seed).integers(0, 1 << 32, (2, channels, 3, width), np.uint32)
    bits[::2] = (bits[::2] & np.uint32(0xFFFF0000)) | np.uint32(0x8000)
    x = bits.view(np.float32)
    y = empty(x.shape, BF16, layout)
    assert casts_pixels(View.of(x), View.of(y))
    with np.errstate(all="ignore"):
        expected = narrow(x, BF16)
    calls = cast_calls(View.of(x), View.of(y))
    assert [call.kernel for call in calls] == [interleave_pixel_kernel(channels, ROUNDED)]
    assert calls[0].kernel in every_kernel(PORTABLE)
    assert_computes(calls, y.view(np.uint16), expected.view(np.uint16))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(2, 4),
    st.sampled_from([1, 15, 16, 17, 37]),
    st.sampled_from([bordered, nhwc]),
    st.sampled_from([np.float32, np.int32, np.uint32]),
)
def test_moves_any_bits(
    seed: int, channels: int, width: int, layout: Callable[..., np.ndarray], dtype: type
) -> None:
    bits = np.random.default_rng(seed).integers(0, 1 << 32, (2, channels, 3, width), np.uint32)
    x = bits.view(dtype)
    y = empty(x.shape, dtype, layout)
    assert moves_pixels(View.of(x), View.of(y))
    calls = copy_calls(View.of(x), View.of(y))
    assert [call.kernel for call in calls] == [interleave_pixel_kernel(channels, MOVED)]
    assert calls[0].kernel in every_kernel(PORTABLE)
    assert_computes(calls, y.view(np.uint32), bits)


def test_only_planes_to_pixels() -> None:
    x, y = np.zeros((1, 3, 4, 4), np.float32), empty((1, 3, 4, 4), BF16, nhwc)
    assert not casts_pixels(View.of(x), View.of(np.zeros(x.shape, BF16)))
    assert not casts_pixels(View.of(x.astype(np.float16)), View.of(y))
    assert not casts_pixels(View.of(x), View.of(empty(x.shape, np.float16, nhwc)))
    assert not moves_pixels(View.of(x), View.of(np.zeros(x.shape, np.float32)))
    assert not moves_pixels(View.of(x.astype(np.int64)), View.of(empty(x.shape, np.int64, nhwc)))
    wide = np.zeros((1, 5, 4, 4), np.float32)
    assert not moves_pixels(View.of(wide), View.of(empty(wide.shape, np.float32, nhwc)))

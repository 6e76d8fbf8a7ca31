"""Quantization of images against the reference, to the bit, also where quotients are ties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.kernels.abi import Call, View
from runtime.kernels.convert import quantize_calls
from runtime.kernels.isa import PORTABLE
from runtime.kernels.quantize_pixels import every_kernel, packs_pixels, pixel_calls, pixel_kernel
from runtime.reference.quantization import QuantParams, quantize
from tests.runtime.kernels.strided_arrays import assert_computes, bordered, empty, nhwc

F32 = np.float32


def near_ties(rng: np.random.Generator, shape: tuple[int, ...], scale: np.float32) -> np.ndarray:
    """Values whose quotients lie at, or a few floats beside, k and k + 1/2."""
    exact = rng.integers(-600, 600, shape).astype(F32) * F32(0.5) * scale
    steps = rng.integers(-3, 4, shape).astype(np.int32)
    return (exact.view(np.int32) + steps).view(F32)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(2.0**-60, 2.0**60, width=32),
    st.integers(0, 1000),
    st.integers(2, 4),
    st.sampled_from([1, 15, 16, 17, 37]),
    st.sampled_from([(0, np.uint8), (255, np.uint8), (3, np.uint8), (-128, np.int8)]),
    st.booleans(),
)
def test_ties(scale, seed, channels, width, storage, fma: bool) -> None:
    zero_point, dtype = storage
    rng = np.random.default_rng(seed)
    x = near_ties(rng, (2, channels, 5, width), F32(scale))
    expected = quantize(x, QuantParams.of(dtype, F32(scale), zero_point))
    y = empty(x.shape, dtype, bordered)
    limits = np.iinfo(dtype)
    (call,) = pixel_calls(
        View.of(x),
        View.of(y),
        scale=scale,
        zero_point=zero_point,
        low=int(limits.min),
        high=int(limits.max),
    )
    assert_computes([Call(pixel_kernel(channels, fma), call.arguments)], y, expected)


@pytest.mark.parametrize("scale", [1e-30, 1e30, 0.25])
def test_not_a_number_and_infinities(scale: float) -> None:
    x = np.zeros((1, 3, 1, 20), F32)
    x[..., 3:9] = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45]
    expected = quantize(x, QuantParams.of(np.uint8, scale, 7))
    y = empty(x.shape, np.uint8, nhwc)
    assert_computes(quantize_calls(View.of(x), View.of(y), scale=scale, zero_point=7), y, expected)


def test_only_scales_that_divide_exactly() -> None:
    x, y = np.zeros((1, 3, 4, 4), F32), empty((1, 3, 4, 4), np.uint8, nhwc)
    assert packs_pixels(View.of(x), View.of(y), 0.1)
    assert not packs_pixels(View.of(x), View.of(y), 1e-30)
    assert not packs_pixels(View.of(x), View.of(x), 0.1)


def test_the_kernels_are_listed() -> None:
    x, y = np.zeros((1, 3, 4, 4), F32), empty((1, 3, 4, 4), np.uint8, nhwc)

    calls = quantize_calls(View.of(x), View.of(y), scale=0.1, zero_point=7)
    assert [call.kernel for call in calls] == [
        kernel for kernel in every_kernel(PORTABLE) if kernel == calls[0].kernel
    ]

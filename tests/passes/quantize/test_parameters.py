from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from passes.quantize.parameters import (
    activation_element,
    bounds_of,
    fits,
    safe_scale,
    union,
    weight_element,
)
from runtime.reference.evaluate import params_of
from runtime.reference.quantization import dequantize, quantize

bound = st.floats(-(2.0**60), 2.0**60, width=32)
storage: Any = st.sampled_from(["u8", "s8"])


@given(bound, bound, storage, st.booleans(), st.integers(0, 2**31))
def test_every_value_of_the_range_is_within_half_a_step(
    a: float, b: float, storage: Any, symmetric: bool, seed: int
) -> None:
    low, high = min(a, b, 0.0), max(a, b, 0.0)
    element = activation_element(low, high, storage, symmetric=symmetric)
    params = params_of(element)
    x = np.random.default_rng(seed).uniform(low, high, 50)
    x = np.array([*x, low, high, 0.0], np.float32)
    error = np.abs(dequantize(quantize(x, params), params).astype(np.float64) - x)
    # The scale itself is rounded to float32, which 255 steps may show.
    assert np.all(error <= float(params.scale) * (0.5 + 255 * 2.0**-23))
    assert error[-1] == 0.0


@given(bound, bound, storage)
def test_symmetric_zero_point(a: float, b: float, storage: Any) -> None:
    low, high = min(a, b, 0.0), max(a, b, 0.0)
    element = activation_element(low, high, storage, symmetric=True)
    expected = 128 if storage == "u8" and low < 0.0 else 0
    assert element.zero_points.get_values() == (expected,)


def test_known_parameters() -> None:
    element = activation_element(0.0, 25.5, "u8")
    assert str(element) == "!quant.uniform<u8:f32, 0.10000000149011612>"
    element = activation_element(-1.0, 254.0, "u8")
    assert element.zero_points.get_values() == (1,)
    assert bounds_of(activation_element(-128.0, 127.0, "s8")) == (-128.0, 127.0)
    assert union([(0.0, 1.0), (-2.0, 0.5)]) == (-2.0, 1.0)


@pytest.mark.parametrize("storage", ["u8", "s8"])
def test_a_range_of_nothing_has_a_safe_scale(storage: Any) -> None:
    element = activation_element(0.0, 0.0, storage)
    assert element.scales.get_values() == (1.0,)
    assert quantize(np.zeros(1, np.float32), params_of(element)) == element.zero_points.get_values()


def test_scales_are_bounded() -> None:
    assert safe_scale(1e-300) == 2.0**-60
    assert not fits(0.0, np.inf)
    assert not fits(-1e30, 0.0)
    assert fits(-1e9, 1e9)


@given(
    arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=5),
           elements=st.floats(-1000, 1000, width=32)),
    st.sampled_from([None, 0, 1]),
    storage,
    st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_weights_are_within_half_a_step(
    weight: np.ndarray, axis: int | None, storage: Any, symmetric: bool, reduce_range: bool
) -> None:
    element = weight_element(weight, axis, storage, symmetric=symmetric, reduce_range=reduce_range)
    params = params_of(element)
    stored = quantize(weight, params)
    scale, _ = params.broadcast(weight.ndim)
    error = np.abs(dequantize(stored, params).astype(np.float64) - weight)
    assert np.all(error <= scale.astype(np.float64) * (0.5 + 255 * 2.0**-23))
    if reduce_range:
        assert params.qmax - params.qmin <= 127
    if symmetric:
        assert set(element.zero_points.get_values()) == {(params.qmin + params.qmax) // 2}
        assert np.array_equal(quantize(-weight, params) + stored.astype(int), 2 * np.broadcast_to(
            np.asarray(params.zero_point).flat[0], weight.shape))  # fmt: skip


def test_a_channel_of_zeros() -> None:
    weight = np.array([[0.0, 0.0], [12.7, -1.0]], np.float32)
    assert weight_element(weight, 0, "s8").scales.get_values() == pytest.approx((0.1, 0.1))
    element = weight_element(weight, 0, "s8", least_scale=np.array([0.5, 0.5]))
    assert element.scales.get_values() == (0.5, 0.5)
    element = weight_element(np.zeros((2, 2), np.float32), 0, "s8")
    assert element.scales.get_values() == (1.0, 1.0)

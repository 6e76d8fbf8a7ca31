"""Softmax and normalizations against runtime.reference, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.kernels import normalization as kernels
from runtime.kernels.abi import View
from runtime.kernels.softmax import log_softmax_calls, softmax_calls
from runtime.reference import normalization as reference
from tests.runtime.kernels.strided_arrays import LAYOUTS, assert_computes, empty, nchw, values

SHAPE = (2, 33, 13, 17)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axis", [0, 1, 3])
def test_softmax(rng, layout, axis: int) -> None:
    x = layout(values(rng, SHAPE, np.float32) * 10)
    for y in (empty(SHAPE, np.float32, layout), empty(SHAPE, np.float32, nchw)):
        calls = softmax_calls(View.of(x), View.of(y), axis)
        assert_computes(calls, y, reference.softmax(x, axis=axis))
        calls = log_softmax_calls(View.of(x), View.of(y), axis)
        assert_computes(calls, y, reference.log_softmax(x, axis=axis))


def test_softmax_of_infinities(rng) -> None:
    x = values(rng, (4, 40), np.float32)
    x[0, 3], x[1, 5], x[2, :], x[3, 39] = np.inf, -np.inf, -np.inf, np.nan
    y = np.zeros_like(x)
    with np.errstate(all="ignore"):
        expected = reference.softmax(x, axis=1)
    assert_computes(softmax_calls(View.of(x), View.of(y), 1), y, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axis", [1, 2, 3, -1])
def test_layer_norm(rng, layout, axis: int) -> None:
    x = layout(values(rng, SHAPE, np.float32))
    scale, bias = (values(rng, SHAPE[axis:], np.float32) for _ in range(2))
    for y in (empty(SHAPE, np.float32, layout), empty(SHAPE, np.float32, nchw)):
        options = {"axis": axis, "epsilon": 1e-5}
        calls = kernels.layer_norm_calls(
            View.of(x), View.of(y), scale=View.of(scale), bias=View.of(bias), **options
        )
        assert_computes(calls, y, reference.layer_norm(x, scale, bias, **options))
        calls = kernels.layer_norm_calls(View.of(x), View.of(y), scale=None, bias=None, **options)
        assert_computes(calls, y, reference.layer_norm(x, **options))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_per_channel(rng, layout) -> None:
    x = layout(values(rng, SHAPE, np.float32))
    scale, bias, mean = (values(rng, SHAPE[1:2], np.float32) for _ in range(3))
    variance = np.abs(values(rng, SHAPE[1:2], np.float32))
    y = empty(SHAPE, np.float32, layout)
    calls = kernels.instance_norm_calls(
        View.of(x), View.of(y), scale=View.of(scale), bias=View.of(bias), epsilon=1e-3
    )
    assert_computes(calls, y, reference.instance_norm(x, scale, bias, epsilon=1e-3))
    statistics = {"scale": scale, "bias": bias, "mean": mean, "variance": variance}
    calls = kernels.batch_norm_calls(View.of(x), View.of(y), **statistics, epsilon=1e-3)
    assert_computes(calls, y, reference.batch_norm(x, **statistics, epsilon=1e-3))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [1, 4, 5])
def test_lrn(rng, layout, size: int) -> None:
    x = layout(values(rng, SHAPE, np.float32))
    y = empty(SHAPE, np.float32, layout)
    options = {"size": size, "alpha": 0.3, "beta": 0.75, "bias": 1.5}
    calls = kernels.lrn_calls(View.of(x), View.of(y), **options)
    assert_computes(calls, y, reference.lrn(x, **options))

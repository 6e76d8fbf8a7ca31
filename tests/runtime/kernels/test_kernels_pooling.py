"""Pooling kernels against runtime.reference, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime.kernels.abi import View
from runtime.kernels.pooling import Window, average_pool_calls, max_pool_calls
from runtime.kernels.quantized_elementwise import Quantization
from runtime.reference import pooling
from runtime.reference.integer import means
from runtime.reference.quantization import QuantParams
from tests.runtime.kernels.strided_arrays import LAYOUTS, assert_computes, empty, nhwc, values

CASES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((1, 64, 14, 15), {"kernel": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1)}),
    (
        (2, 67, 13, 11),
        {"kernel": (3, 2), "strides": (2, 1), "pads": (1, 0, 2, 1), "dilations": (2, 1)},
    ),
    ((1, 130, 7, 7), {"kernel": (7, 7)}),
    ((2, 5, 31), {"kernel": (4,), "strides": (3,), "pads": (2, 1)}),
]


def window(geometry: dict[str, Any], ceil_mode: bool) -> tuple[Window, dict[str, Any]]:
    rank = len(geometry["kernel"])
    full = {"strides": (1,) * rank, "pads": (0,) * 2 * rank, "dilations": (1,) * rank} | geometry
    return Window(**full), full | {"ceil_mode": ceil_mode}


@pytest.mark.parametrize(("shape", "geometry"), CASES)
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_max(shape, geometry, ceil_mode: bool, dtype: str) -> None:
    place, attributes = window(geometry, ceil_mode)
    for layout in LAYOUTS:
        x = layout(values(np.random.default_rng(0), shape, dtype))
        expected = pooling.max_pool(x, **attributes)
        y = empty(expected.shape, dtype, layout)
        assert_computes(max_pool_calls(View.of(x), View.of(y), place), y, expected)


def test_max_of_nan_is_nan() -> None:
    x = np.array([[[1, np.nan, 2, 3, 0]]], np.float32)
    place, attributes = window({"kernel": (2,)}, False)
    y = np.zeros((1, 1, 4), np.float32)
    calls = max_pool_calls(View.of(x), View.of(y), place)
    assert_computes(calls, y, pooling.max_pool(x, **attributes))


@pytest.mark.parametrize(("shape", "geometry"), CASES)
@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_average(shape, geometry, ceil_mode: bool, padded: bool) -> None:
    place, attributes = window(geometry, ceil_mode)
    attributes["count_include_pad"] = padded
    qx, qy = Quantization(0.1, 77), Quantization(0.06, 60)
    for layout in LAYOUTS:
        x = layout(values(np.random.default_rng(1), shape, np.float32))
        expected = pooling.avg_pool(x, **attributes)
        y = empty(expected.shape, np.float32, layout)
        calls = average_pool_calls(View.of(x), View.of(y), place, count_include_pad=padded)
        assert_computes(calls, y, expected)

        x = layout(values(np.random.default_rng(2), shape, np.uint8))
        expected = means.avg_pool(
            x,
            x_params=QuantParams.of(np.uint8, *qx),
            result_params=QuantParams.of(np.uint8, *qy),
            **attributes,
        )
        y = empty(expected.shape, np.uint8, layout)
        calls = average_pool_calls(
            View.of(x), View.of(y), place, count_include_pad=padded, qx=qx, qy=qy
        )
        assert_computes(calls, y, expected)


small = st.integers(1, 3)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.tuples(small, small),
    st.tuples(small, small),
    st.tuples(small, small),
    st.lists(st.integers(0, 4), min_size=4, max_size=4),
    st.booleans(),
)
def test_any_window(size, kernel, strides, dilations, pads, ceil_mode: bool) -> None:
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    assume(all(size[i] + pads[i] + pads[2 + i] >= spans[i] for i in range(2)))
    place = Window(kernel, strides, pads, dilations)
    attributes = {"kernel": kernel, "strides": strides, "pads": pads, "dilations": dilations}
    x = nhwc(values(np.random.default_rng(3), (1, 70, *size), np.uint8))
    expected = pooling.max_pool(x, **attributes, ceil_mode=ceil_mode)
    y = empty(expected.shape, np.uint8, nhwc)
    assert_computes(max_pool_calls(View.of(x), View.of(y), place), y, expected)

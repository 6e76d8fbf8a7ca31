"""Pooling against ONNX Runtime over random windows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.reference import REFERENCE

RNG = np.random.default_rng(13)


@st.composite
def poolings(draw) -> tuple[list[int], dict]:
    """An operand shape and window attributes, the padding smaller than the window."""
    rank = draw(st.sampled_from([1, 2]))

    def axes(low: int, high: int) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank))

    kernel, dilations = axes(1, 4), axes(1, 2)
    pads = [draw(st.integers(0, k - 1)) for k in kernel * 2]
    size = [
        (k - 1) * d + 1 + extra for k, d, extra in zip(kernel, dilations, axes(0, 7), strict=True)
    ]
    attributes = {
        "kernel": kernel,
        "strides": axes(1, 3),
        "pads": pads,
        "dilations": dilations,
        "ceil_mode": draw(st.booleans()),
    }
    return [2, 3, *size], attributes


def onnx_names(attributes: dict) -> dict:
    renamed = {"kernel": "kernel_shape"}
    return {
        renamed.get(name, name): int(value) if isinstance(value, bool) else value
        for name, value in attributes.items()
    }


@settings(deadline=None, max_examples=100)
@given(case=poolings())
def test_max_pool(run_onnx, case):
    shape, attributes = case
    x = RNG.standard_normal(shape, dtype=np.float32)
    expected = run_onnx("MaxPool", [x], **onnx_names(attributes))
    np.testing.assert_array_equal(REFERENCE["max_pool"](x, **attributes), expected)


@settings(deadline=None, max_examples=100)
@given(case=poolings(), include=st.booleans())
def test_avg_pool(run_onnx, case, include):
    shape, attributes = case
    attributes = {**attributes, "count_include_pad": include}
    x = RNG.standard_normal(shape, dtype=np.float32)
    expected = run_onnx("AveragePool", [x], **onnx_names(attributes))
    result = REFERENCE["avg_pool"](x, **attributes)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_max_pool_of_integers(run_onnx, dtype):
    x = RNG.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (1, 2, 7, 9)).astype(dtype)
    attributes = {"kernel": [3, 3], "strides": [2, 2], "pads": [1] * 4, "dilations": [1, 1]}
    expected = run_onnx("MaxPool", [x], **onnx_names(attributes))
    result = REFERENCE["max_pool"](x, ceil_mode=False, **attributes)
    np.testing.assert_array_equal(result, expected)

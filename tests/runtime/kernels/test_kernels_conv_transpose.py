"""The transposed convolution kernel against the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.executor import run_calls
from runtime.kernels.conv_transpose import conv_transpose_calls
from runtime.kernels.epilogue import Epilogue
from runtime.reference import linear
from tests.runtime.kernels.kernel_arrays import channels_last, filled


def check(rank: int, draw: Any, threads: int = 1) -> None:
    rng = np.random.default_rng(draw(0, 100))
    groups, channels, out = draw(1, 3), draw(1, 6), draw(1, 20)
    kernel = [draw(1, 4) for _ in range(rank)]
    strides = [draw(1, 3) for _ in range(rank)]
    dilations = [draw(1, 2) for _ in range(rank)]
    x = rng.standard_normal((draw(1, 2), groups * channels, *(draw(2, 6) for _ in range(rank))))
    w = rng.standard_normal((groups * channels, out, *kernel)).astype(np.float32)
    bias = rng.standard_normal(groups * out).astype(np.float32)
    smallest = [
        (n - 1) * s + 1 + (k - 1) * d
        for n, s, k, d in zip(x.shape[2:], strides, kernel, dilations, strict=True)
    ]
    pads = [min(draw(0, 2), (size - 1) // 2) for size in smallest] * 2
    geometry: dict[str, Any] = {
        "strides": strides,
        "pads": pads,
        "dilations": dilations,
        "groups": groups,
    }
    padding = [draw(0, s - 1) for s in strides]
    exact = linear.conv_transpose(x, w, bias, **geometry, output_padding=padding)

    source = filled(x.astype(np.float32))
    target = channels_last(exact.shape, np.float32)
    epilogue = Epilogue("f32", lo=-1.0, hi=3.0)
    calls = conv_transpose_calls(source.view, w, bias, target.view, **geometry, epilogue=epilogue)
    run_calls(calls, threads)
    np.testing.assert_allclose(target.array, np.clip(exact, -1, 3), atol=1e-4)
    target.assert_guards()


@pytest.mark.parametrize("rank", [1, 2])
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_shapes(rank: int, data: st.DataObject) -> None:
    check(rank, lambda low, high: data.draw(st.integers(low, high)))


def test_threads_share_the_lines() -> None:
    check(2, lambda low, high: high, threads=2)

"""Depthwise 3x3 convolutions, whose columns of pixels are shared, and the list of kernels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.kernels.conv import conv_calls
from runtime.kernels.depthwise import every_kernel
from runtime.kernels.epilogue import Epilogue
from runtime.kernels.isa import Isa
from tests.runtime.kernels.kernel_arrays import channels_last, filled
from tests.runtime.kernels.test_kernels_conv import FIXED, Shape, check_float, check_integer


@st.composite
def windows(draw: st.DrawFn) -> Shape:
    """3 x 3 windows: pairs of rows and single ones, all ways to share columns, odd channels."""
    return Shape(
        batch=draw(st.integers(1, 2)),
        groups=draw(st.sampled_from([1, 3, 16, 24, 32, 64, 72, 96, 130, 144])),
        group_in=1,
        group_out=1,
        kernel=(3, 3),
        strides=(draw(st.integers(1, 3)), draw(st.integers(1, 3))),
        dilations=(draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from([1, 1, 2]))),
        pads=tuple(draw(st.integers(0, 1)) for _ in range(4)),
        output=(draw(st.integers(1, 6)), draw(st.integers(1, 7))),
        extra=draw(st.sampled_from([0, 0, 6])),
        seed=draw(st.integers(0, 1000)),
    )


@settings(FIXED, max_examples=60)
@given(shape=windows(), residual=st.booleans(), threads=st.integers(1, 3))
def test_bytes(isa: Isa, shape: Shape, residual: bool, threads: int) -> None:
    check_integer(shape, isa, "u8", residual and shape.seed % 3 == 0, threads=threads)


@settings(FIXED, max_examples=40)
@given(shape=windows(), residual=st.booleans())
def test_floats(isa: Isa, shape: Shape, residual: bool) -> None:
    check_float(shape, isa, residual and shape.seed % 3 == 0)


@pytest.mark.parametrize("kind", ["f32", "i32"])
def test_other_results(isa: Isa, kind: str) -> None:
    shape = Shape(2, 96, 1, 1, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), (5, 6))
    check_integer(shape, isa, kind)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("multiplier", [0.01, 1e9])
def test_every_planned_kernel_is_listed(isa: Isa, dtype: type, multiplier: float) -> None:
    known = set(every_kernel(isa))
    for channels in (1, 24, 32, 64, 80, 144):
        for size, stride in ((3, 1), (3, 2), (3, 3), (5, 1), (1, 1)):
            x = filled(np.zeros((1, channels, 11, 11), dtype))
            bytes_ = dtype is np.uint8
            y = channels_last(
                (1, channels, (11 - size) // stride + 1, (11 - size) // stride + 1), dtype
            )
            epilogue = Epilogue("u8", np.array(multiplier)) if bytes_ else Epilogue("f32")
            calls = conv_calls(
                x.view,
                np.ones((channels, 1, size, size), np.int8 if bytes_ else dtype),
                None,
                y.view,
                strides=(stride, stride),
                pads=(0, 0, 0, 0),
                dilations=(1, 1),
                groups=channels,
                epilogue=epilogue,
                isa=isa,
            )
            assert known >= {call.kernel for call in calls}

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from xdsl.dialects.builtin import f32

from dialects.elements import i8, ui8
from dialects.quant import UniformQuantizedType
from passes.integer.proofs import (
    BIAS_LIMIT,
    accumulator_bounds,
    channel_magnitudes,
    greatest_input,
    least_weight_scale,
    quantized_bias,
)
from runtime.reference.integer.linear import conv_accumulators, matmul_accumulators


@given(st.integers(0, 255), st.integers(-5, 5), st.integers(0, 2**31))
def test_no_input_exceeds_the_bound_of_a_convolution_and_one_reaches_it(
    zero_point: int, weight_zero: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    weight = random.integers(-128, 128, (3, 2, 2, 2)).astype(np.int8)
    bias = random.integers(-1000, 1000, 3).astype(np.int32)
    x_type = UniformQuantizedType(ui8, f32, [1.0], [zero_point])
    w_type = UniformQuantizedType(i8, f32, [1.0] * 3, [weight_zero] * 3, axis=0)
    magnitudes = channel_magnitudes(weight, w_type, 0)
    bound = accumulator_bounds(magnitudes, greatest_input(x_type), bias)
    # The worst input of channel c: the stored value farthest from zero, with the weight's sign.
    centered = weight.astype(int) - weight_zero
    for channel in range(3):
        sums = []
        for sign in (1, -1):
            positive = 255 if 255 - zero_point >= zero_point else 0
            x = np.where(centered[channel] * sign >= 0, 255, 0)
            for candidate in (x, np.full_like(x, positive)):
                accumulators = conv_accumulators(
                    candidate[None].astype(np.uint8), weight, bias,
                    x_zero_point=zero_point, weight_zero_point=weight_zero,
                    strides=[1, 1], pads=[0] * 4, dilations=[1, 1], groups=1,
                )  # fmt: skip
                sums.append(abs(int(accumulators[0, channel, 0, 0])))
        assert max(sums) <= bound[channel]
        # Within a factor of 2 of it: the other end of the storage may be nearer.
        assert 2 * max(sums) + 2000 >= bound[channel]


@given(st.integers(0, 2**31))
def test_a_batched_matrix_counts_its_worst_product(seed: int) -> None:
    random = np.random.default_rng(seed)
    b = random.integers(-127, 128, (3, 5, 4)).astype(np.int8)
    element = UniformQuantizedType(i8, f32, [1.0] * 4, [0] * 4, axis=2)
    bound = accumulator_bounds(channel_magnitudes(b, element, -1), 255, None)
    a = random.integers(0, 256, (3, 2, 5)).astype(np.uint8)
    sums = np.abs(matmul_accumulators(a, b, None, a_zero_point=0, b_zero_point=0))
    assert np.all(sums.max(axis=(0, 1)) <= bound)
    assert bound.shape == (4,)


@given(st.floats(-1e9, 1e9, width=32), st.floats(2.0**-60, 1e3, width=32))
def test_the_least_weight_scale_keeps_the_bias_in_range(bias: float, input_scale: float) -> None:
    array = np.array([bias], np.float32)
    scale = np.float32(least_weight_scale(array, input_scale)[0])
    product = np.float32(input_scale) * scale
    if product >= np.finfo(np.float32).tiny:
        steps = quantized_bias(array, np.array([product]))
        assert steps is not None
        assert abs(int(steps[0])) <= BIAS_LIMIT


def test_a_bias_beyond_the_limit_is_refused() -> None:
    assert quantized_bias(np.array([1.0]), np.array([2.0**-31])) is None
    steps = quantized_bias(np.array([1.0]), np.array([2.0**-30]))
    assert steps is not None
    assert steps.tolist() == [BIAS_LIMIT]

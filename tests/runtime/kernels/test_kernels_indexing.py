"""Gather, resize and the ops with run-time zero points against runtime.reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.executor import run_calls
from runtime.kernels import dynamic
from runtime.kernels.abi import View
from runtime.kernels.gather import bad_index, gather_calls
from runtime.kernels.resize import Sampling, resize_calls
from runtime.reference import movement, resize
from runtime.reference.integer import runtime_zero_points as integer
from runtime.reference.quantization import dynamic_quantize
from tests.runtime.kernels.strided_arrays import (
    LAYOUTS,
    assert_computes,
    empty,
    nhwc,
    shapes,
    strided,
    values,
)


@settings(max_examples=60, deadline=None)
@given(
    shapes,
    st.sampled_from([(), (1,), (3,), (2, 3)]),
    st.sampled_from(["int32", "int64"]),
    st.data(),
)
def test_gather(shape: tuple[int, ...], index_shape, dtype: str, data: st.DataObject) -> None:
    rng = np.random.default_rng(0)
    axis = data.draw(st.integers(0, len(shape) - 1))
    x = data.draw(strided(shape))(values(rng, shape, np.float32))
    indices = np.asarray(rng.integers(-shape[axis], shape[axis], index_shape), dtype)
    expected = movement.gather(x, indices, axis=axis)
    y = np.zeros(expected.shape, np.float32)
    calls = gather_calls(View.of(x), View.of(indices), View.of(y), axis)
    assert_computes(calls, y, expected)
    assert bad_index(calls) is None


@pytest.mark.parametrize("axis", [0, 1])
def test_index_outside_the_axis_is_reported_and_not_followed(axis: int) -> None:
    x = values(np.random.default_rng(1), (5, 5), np.uint8)
    indices = np.array([0, 4, -5, 5])
    y = np.zeros((4, 5) if axis == 0 else (5, 4), np.uint8)
    calls = gather_calls(View.of(x), View.of(indices), View.of(y), axis)
    run_calls(calls)
    np.testing.assert_array_equal(y, np.take(x, [0, 4, 0, 4], axis=axis))
    assert bad_index(calls) == (5, calls[0])
    assert bad_index(calls) is None
    indices[3] = -(2**62)
    run_calls(calls)
    assert bad_index(calls) == (-(2**62), calls[0])


def sampling(axis: int, size: int, new_size: int, mode: str, coordinates: str) -> Sampling:
    scale = np.float32(new_size) / np.float32(size)
    source = resize.source_coordinates(size, new_size, scale, coordinates)
    if mode == "nearest":
        return Sampling(axis, resize.nearest_index(source, size, "floor")[None])
    base = np.floor(source)
    fraction = source - base
    linear = mode == "linear"
    distance = np.abs(np.arange(-1, 3)[:, None] - fraction)
    weight = np.stack([1 - fraction, fraction]) if linear else resize.cubic(distance, -0.75)
    taps = base.astype(np.int64) - (not linear) + np.arange(len(weight))[:, None]
    return Sampling(axis, np.clip(taps, 0, size - 1), weight)


@pytest.mark.parametrize(
    ("mode", "dtype"),
    [("nearest", "float32"), ("nearest", "uint8"), ("linear", "float32"), ("cubic", "float32")],
)
@pytest.mark.parametrize("coordinates", ["asymmetric", "half_pixel", "align_corners"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_resize(mode: str, dtype: str, coordinates: str, layout) -> None:
    x = layout(values(np.random.default_rng(2), (2, 24, 13, 17), dtype))
    sizes = (2, 24, 26, 11)
    expected = resize.resize(
        x, mode=mode, coordinate_transformation=coordinates, nearest_mode="floor", sizes=sizes
    )
    steps = [sampling(a, x.shape[a], sizes[a], mode, coordinates) for a in (2, 3)]
    y = empty(sizes, dtype, layout)
    assert_computes(resize_calls(View.of(x), View.of(y), steps), y, expected)


def test_resize_refuses_a_table_that_leaves_the_axis() -> None:
    x, y = np.zeros((4, 3), np.float32), np.zeros((2, 3), np.float32)
    index = np.array([[0, 4]])
    for weight in (None, np.ones((1, 2), np.float32)):
        with pytest.raises(ValueError, match="does not fit"):
            resize_calls(View.of(x), View.of(y), [Sampling(0, index, weight)])


@pytest.mark.parametrize(("low", "high"), [(-3, 5), (2, 3), (-5, -2), (0, 0)])
@pytest.mark.parametrize("size", [7, 5000])
def test_dynamic_quantize(low: float, high: float, size: int) -> None:
    x = nhwc(
        (np.random.default_rng(3).random((1, 3, size)) * (high - low) + low).astype(np.float32)
    )
    stored, scale, zero_point = dynamic_quantize(x)
    y = np.zeros(x.shape, np.uint8)
    own_scale, own_zero = np.zeros((), np.float32), np.zeros((), np.uint8)
    calls = dynamic.dynamic_quantize_calls(*map(View.of, (x, y, own_scale, own_zero)))
    assert_computes(calls, y, stored)
    assert own_scale == scale
    assert own_zero == zero_point


def test_dynamic_quantize_of_nothing() -> None:
    x, y = np.zeros((0, 3), np.float32), np.zeros((0, 3), np.uint8)
    scale, zero_point = np.zeros((), np.float32), np.ones((), np.uint8)
    run_calls(dynamic.dynamic_quantize_calls(*map(View.of, (x, y, scale, zero_point))))
    assert scale == 1
    assert zero_point == 0


def optional(x: np.ndarray | None) -> View | None:
    return None if x is None else View.of(x)


@pytest.mark.parametrize("x_type", ["uint8", "int8"])
@pytest.mark.parametrize("weight_type", ["uint8", "int8"])
@pytest.mark.parametrize("zeros", ["none", "scalar", "channel"])
def test_conv_integer(x_type: str, weight_type: str, zeros: str) -> None:
    rng = np.random.default_rng(4)
    x_zero = None if zeros == "none" else values(rng, (), x_type)
    w_zero = {"none": None, "scalar": values(rng, (), weight_type)}.get(
        zeros, values(rng, (8,), weight_type)
    )
    for shape, kernel, options in [
        ((2, 6, 9, 11), (3, 2), {"strides": (2, 1), "pads": (1, 0, 2, 1), "dilations": (1, 2)}),
        ((2, 6, 11), (3,), {"strides": (2,), "pads": (1, 2), "dilations": (1,)}),
    ]:
        x = nhwc(values(rng, shape, x_type))
        weight = values(rng, (8, 3, *kernel), weight_type)
        expected = integer.conv_integer(x, weight, x_zero, w_zero, groups=2, **options)
        y = np.zeros_like(expected)
        calls = dynamic.conv_integer_calls(
            *map(View.of, (x, weight, y)),
            x_zero_point=optional(x_zero),
            weight_zero_point=optional(w_zero),
            groups=2,
            **options,
        )
        assert_computes(calls, y, expected)


@pytest.mark.parametrize(
    ("a_shape", "b_shape"),
    [
        ((3, 5, 7), (7, 4)),
        ((5, 7), (2, 7, 4)),
        ((7,), (7, 4)),
        ((5, 7), (7,)),
        ((2, 1, 5, 7), (3, 7, 4)),
    ],
)
@pytest.mark.parametrize("types", [("uint8", "int8"), ("int8", "uint8")])
def test_matmul_integer(a_shape, b_shape, types: tuple[str, str]) -> None:
    rng = np.random.default_rng(5)
    a, b = values(rng, a_shape, types[0]), values(rng, b_shape, types[1])
    column = b_shape[-1:] if len(b_shape) > 1 else ()
    row = a_shape[-2:-1] if len(a_shape) == 2 and len(b_shape) == 2 else ()
    for a_zero, b_zero in [
        (None, None),
        (values(rng, row, types[0]), values(rng, column, types[1])),
    ]:
        expected = np.asarray(integer.matmul_integer(a, b, a_zero, b_zero))
        y = np.zeros(expected.shape, np.int32)
        calls = dynamic.matmul_integer_calls(
            *map(View.of, (a, b, y)), a_zero_point=optional(a_zero), b_zero_point=optional(b_zero)
        )
        assert_computes(calls, y, expected)


def test_matmul_integer_with_a_zero_point_per_row() -> None:
    rng = np.random.default_rng(6)
    a, b, zero = (
        values(rng, (5, 7), "uint8"),
        values(rng, (7, 4), "uint8"),
        values(rng, (5,), "uint8"),
    )
    expected = np.asarray(integer.matmul_integer(a, b, zero, None))
    y = np.zeros((5, 4), np.int32)
    calls = dynamic.matmul_integer_calls(
        *map(View.of, (a, b, y)), a_zero_point=View.of(zero), b_zero_point=None
    )
    assert_computes(calls, y, expected)

"""Reductions, selections, softmax and normalizations against runtime.reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.executor import run_calls
from runtime.kernels.abi import View
from runtime.kernels.quantized_elementwise import Quantization
from runtime.kernels.reduction import Operation, quantized_mean_calls, reduce_calls
from runtime.kernels.selection import arg_calls, topk_calls
from runtime.reference import reduction
from runtime.reference.integer import means
from runtime.reference.quantization import QuantParams
from tests.runtime.kernels.strided_arrays import (
    LAYOUTS,
    assert_computes,
    empty,
    nchw,
    nhwc,
    shapes,
    strided,
    values,
)

OPERATIONS = ["sum", "mean", "max", "min"]
AXES = [(3,), (2, 3), (1,), (0, 2), (0, 1, 2, 3), ()]


def reference_of(operation: str, x: np.ndarray, axes, keepdims: bool = False) -> np.ndarray:
    return np.asarray(getattr(reduction, f"reduce_{operation}")(x, axes=axes, keepdims=keepdims))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_float_equals_reference_in_every_bit(operation: str, axes, layout) -> None:
    x = layout(values(np.random.default_rng(0), (2, 65, 13, 17), np.float32))
    for keepdims in (False, True):
        expected = reference_of(operation, x, axes, keepdims)
        y = np.zeros_like(expected)
        assert_computes(reduce_calls(operation, View.of(x), View.of(y), axes), y, expected)


@settings(max_examples=60, deadline=None)
@given(shapes, st.sampled_from(OPERATIONS), st.data())
def test_any_strides(shape: tuple[int, ...], operation: str, data: st.DataObject) -> None:
    axes = tuple(data.draw(st.sets(st.integers(0, len(shape) - 1))))
    x = data.draw(strided(shape))(values(np.random.default_rng(1), shape, np.float32))
    expected = reference_of(operation, x, axes, True)
    y = data.draw(strided(expected.shape))(np.zeros(expected.shape, np.float32))
    assert_computes(reduce_calls(operation, View.of(x), View.of(y), axes), y, expected)


def test_nan_wins() -> None:
    x = np.zeros((3, 40), np.float32)
    x[1, 37] = x[2, 0] = np.nan
    y = np.zeros(3, np.float32)
    for operation in ("max", "min"):
        calls = reduce_calls(operation, View.of(x), View.of(y), (1,))
        assert_computes(calls, y, np.array([0, np.nan, np.nan], np.float32))


@pytest.mark.parametrize("axes", AXES)
def test_product_is_within_rounding(axes) -> None:
    x = nhwc(1 + values(np.random.default_rng(2), (2, 6, 5, 7), np.float32) / 30)
    y = np.zeros(reference_of("prod", x, axes).shape, np.float32)
    run_calls(reduce_calls("prod", View.of(x), View.of(y), axes))
    wide = np.prod(x.astype(np.float64), axis=axes)
    np.testing.assert_allclose(y, wide, rtol=1e-7 * x.size)


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint16", "uint64"])
@pytest.mark.parametrize("operation", [*OPERATIONS, "prod"])
def test_integers(dtype: str, operation: str) -> None:
    x = values(np.random.default_rng(3), (4, 5, 6, 7), dtype)
    if dtype.endswith("64"):
        x //= 1000  # numpy's mean of these would wrap
    if operation in ("max", "min"):
        x[0, 0, 0, 0], x[1, 1, 1, 1] = np.iinfo(dtype).max, np.iinfo(dtype).min
    for axes in ((1, 3), (0, 1, 2, 3)):
        expected = reference_of(operation, x, axes)
        y = np.zeros_like(expected)
        assert_computes(reduce_calls(operation, View.of(x), View.of(y), axes), y, expected)


@pytest.mark.parametrize("axes", [(2, 3), (1,), (0, 3)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_quantized_mean(axes, layout) -> None:
    x = layout(values(np.random.default_rng(4), (2, 130, 7, 7), np.uint8))
    qx, qy = Quantization(0.1, 77), Quantization(0.02, 60)
    expected = means.reduce_mean(
        x,
        x_params=QuantParams.of(np.uint8, *qx),
        result_params=QuantParams.of(np.uint8, *qy),
        axes=axes,
        keepdims=True,
    )
    y = np.zeros_like(expected)
    calls = quantized_mean_calls(View.of(x), View.of(y), axes, qx=qx, qy=qy)
    assert_computes(calls, y, expected)


@pytest.mark.parametrize(("operation", "expected"), [("max", False), ("min", True)])
def test_bool(operation: Operation, expected: bool) -> None:
    x = np.array([[True, True], [False, False], [True, False]])
    y = np.zeros(3, bool)
    assert_computes(
        reduce_calls(operation, View.of(x), View.of(y), (1,)),
        y,
        reference_of(operation, x, (1,)).reshape(3),
    )
    nothing = np.zeros((3, 0), bool)
    run_calls(reduce_calls(operation, View.of(nothing), View.of(y), (1,)))
    assert (y == expected).all()


def with_ties_and_nan(dtype: str) -> np.ndarray:
    x = np.random.default_rng(5).integers(0, 5, (2, 33, 5, 7)).astype(dtype)
    if dtype == "float32":
        x[0, 3, 2, 1] = x[0, 6, 2, 1] = np.nan
    if dtype == "uint64":
        x[0, 3, 2, 1] = x[0, 6, 2, 1] = 2**64 - 1
    return x


@pytest.mark.parametrize("dtype", ["float32", "uint8", "uint64"])
@pytest.mark.parametrize("axis", [0, 1, 3])
def test_argmax_and_argmin(dtype: str, axis: int) -> None:
    for layout in LAYOUTS:
        x = layout(with_ties_and_nan(dtype))
        for operation in ("argmax", "argmin"):
            for last in (False, True):
                options = {"axis": axis, "select_last_index": last}
                expected = getattr(reduction, operation)(x, keepdims=last, **options)
                y = np.zeros_like(expected)
                assert_computes(
                    arg_calls(operation, View.of(x), View.of(y), **options), y, expected
                )


@pytest.mark.parametrize("dtype", ["float32", "uint8", "uint64"])
@pytest.mark.parametrize("axis", [1, 3])
@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("k", [1, 6])
def test_topk(dtype: str, axis: int, largest: bool, k: int) -> None:
    x = nhwc(with_ties_and_nan(dtype))
    expected = reduction.topk(x, k=k, axis=axis, largest=largest, sorted=True)
    results = [
        empty(e.shape, e.dtype, layout) for e, layout in zip(expected, (nhwc, nchw), strict=True)
    ]
    calls = topk_calls(View.of(x), *map(View.of, results), axis, largest=largest)
    for y, e in zip(results, expected, strict=True):
        assert_computes(calls, y, e)

"""Reductions and selections against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.reference import REFERENCE

RNG = np.random.default_rng(29)


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [(0,), (-1,), (1, 2), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("name", ["mean", "sum", "max", "min", "prod"])
def test_reduce(run_onnx, name, dtype, axes, keepdims):
    x = (RNG.standard_normal((3, 4, 37)) * 3).astype(dtype)
    expected = run_onnx(
        f"Reduce{name.capitalize()}", [x, np.array(axes, np.int64)], keepdims=int(keepdims)
    )
    result = REFERENCE[f"reduce_{name}"](x, axes=axes, keepdims=keepdims)
    assert result.dtype == dtype
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def test_reducing_no_axes_changes_nothing():
    x = RNG.standard_normal((2, 3), dtype=np.float32)
    for name in ("mean", "sum", "max", "min", "prod"):
        result = REFERENCE[f"reduce_{name}"](x, axes=(), keepdims=False)
        np.testing.assert_array_equal(result, x)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_arg_select_with_ties(run_onnx, name, keepdims, last):
    x = RNG.integers(0, 3, (4, 9)).astype(np.float32)
    op_type = {"argmax": "ArgMax", "argmin": "ArgMin"}[name]
    for axis in (0, -1):
        expected = run_onnx(
            op_type, [x], axis=axis, keepdims=int(keepdims), select_last_index=int(last)
        )
        result = REFERENCE[name](x, axis=axis, keepdims=keepdims, select_last_index=last)
        assert result.dtype == np.int64
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_topk_with_ties(run_onnx, dtype, largest):
    x = RNG.integers(0, 4, (3, 11)).astype(dtype)
    for k, axis in ((4, -1), (11, 1), (2, 0)):
        values, indices = REFERENCE["topk"](x, k=k, axis=axis, largest=largest, sorted=True)
        expected = run_onnx(
            "TopK", [x, np.array([k])], 2, axis=axis, largest=int(largest), sorted=1
        )
        np.testing.assert_array_equal(values, expected[0])
        np.testing.assert_array_equal(indices, expected[1])
        assert values.dtype == dtype

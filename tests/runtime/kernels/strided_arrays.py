"""Arrays of odd strides, and the check that all tests of strided kernels share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from runtime.executor import Table
from runtime.kernels.abi import Call


def nhwc(x: np.ndarray) -> np.ndarray:
    """The same values with the channels (axis 1) contiguous in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


def nchw(x: np.ndarray) -> np.ndarray:
    """The same values in C order."""
    return np.ascontiguousarray(x)


def bordered(x: np.ndarray) -> np.ndarray:
    """The same values channels-last inside a larger buffer: the spatial axes do not join."""
    border = [(0, 0), (0, 0)] + [(1, 2)] * (x.ndim - 2)
    inside = (slice(None), slice(None)) + (slice(1, -2),) * (x.ndim - 2)
    return nhwc(np.pad(x, border))[inside]


LAYOUTS = (nchw, nhwc, bordered)


def assert_computes(calls: Sequence[Call], y: np.ndarray, expected: np.ndarray) -> None:
    """Running `calls` with 1, 2 and 3 threads makes `y` equal `expected`, and touches nothing else.

    y must be a view of (part of) a C-ordered array that owns its memory.
    """
    assert y.shape == expected.shape
    assert y.dtype == expected.dtype
    memory = (y if y.base is None else y.base).reshape(-1).view(np.uint8)
    table = Table(calls)
    for threads in (1, 2, 3):
        memory[...] = 0x5A
        y.view(f"int{8 * y.itemsize}")[...] = -1
        around = memory == 0x5A
        table.run(threads)
        np.testing.assert_array_equal(y, expected)
        assert (memory[around] == 0x5A).all(), "wrote outside"


def empty(shape: Sequence[int], dtype: Any, layout: Any = nchw) -> np.ndarray:
    """A result array in a layout, whose base owns the memory."""
    return layout(np.zeros(shape, dtype))


def values(rng: np.random.Generator, shape: Sequence[int], dtype: Any) -> np.ndarray:
    """Random values over the whole range of an integer type, or a normal distribution."""
    dtype = np.dtype(dtype)
    if dtype == np.bool_:
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype.kind == "f":
        return (rng.standard_normal(shape) * 3).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)


def ulps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many float32 lie between a and b, element by element; NaN equals NaN."""

    def place(x: np.ndarray) -> np.ndarray:
        bits = x.astype(np.float32).view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)

    return np.where(np.isnan(a) & np.isnan(b), 0, np.abs(place(a) - place(b)))


@st.composite
def strided(draw: st.DrawFn, shape: Sequence[int]) -> Any:
    """A function that stores an array of this shape with drawn axis order, steps and directions."""
    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, 1, 2, -1, -3])) for _ in shape]

    def store(x: np.ndarray) -> np.ndarray:
        sizes = [x.shape[axis] * abs(steps[axis]) for axis in order]
        memory = np.zeros(sizes, x.dtype)
        window = memory.transpose(np.argsort(order))
        window = window[tuple(slice(None, None, step) for step in steps)]
        window[...] = x
        return window

    return store


shapes = st.lists(st.sampled_from([1, 2, 3, 5, 17]), min_size=1, max_size=5).map(tuple)

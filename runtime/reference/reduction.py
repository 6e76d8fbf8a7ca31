"""Reductions over axes, and the ops that select by order: argmax, argmin, topk."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .elementary import lane_sum
from .precision import in_float32, is_float


def reduced_axes(axes: Sequence[int], rank: int) -> tuple[int, ...]:
    """The axes in increasing order, counted from the front; () reduces nothing."""
    return tuple(sorted(axis % rank for axis in axes))


def lanes_sum_over(x: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """`lane_sum` over the elements of `axes` in row-major order; the axes are kept with size 1."""
    axes = reduced_axes(axes, x.ndim)
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    count = math.prod(x.shape[axis] for axis in axes)
    flat = x.transpose(*kept, *axes).reshape(*(x.shape[axis] for axis in kept), count)
    shape = [1 if axis in axes else x.shape[axis] for axis in range(x.ndim)]
    return lane_sum(flat).reshape(shape)


def mean_over(x: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """The float mean over `axes`, kept with size 1: the 16-lane sum divided by the count."""
    count = np.prod([x.shape[axis] for axis in axes], dtype=np.int64)
    return lanes_sum_over(x, axes) / x.dtype.type(count)


@in_float32
def reduce_mean(x: np.ndarray, *, axes: Sequence[int], keepdims: bool) -> np.ndarray:
    """The mean over `axes`; integers truncate toward zero."""
    axes = reduced_axes(axes, x.ndim)
    if is_float(x.dtype):
        mean = mean_over(x, axes)
    else:
        wide = np.uint64 if x.dtype.kind == "u" else np.int64
        count = np.prod([x.shape[axis] for axis in axes], dtype=wide)
        total = np.sum(x, axis=axes, keepdims=True, dtype=wide)
        mean = (total - np.fmod(total, count)) // count
    return _drop(mean, axes, keepdims).astype(x.dtype)


@in_float32
def reduce_sum(x: np.ndarray, *, axes: Sequence[int], keepdims: bool) -> np.ndarray:
    """The sum over `axes`: floats in the 16-lane order, integers modulo 2^bits."""
    axes = reduced_axes(axes, x.ndim)
    if not is_float(x.dtype):
        return np.sum(x, axis=axes, keepdims=keepdims, dtype=x.dtype)
    return _drop(lanes_sum_over(x, axes), axes, keepdims)


@in_float32
def reduce_max(x: np.ndarray, *, axes: Sequence[int], keepdims: bool) -> np.ndarray:
    """The largest element over `axes`; NaN wins. Of nothing: the least value of the type."""
    least, _ = _limits(x.dtype)
    return np.max(x, axis=reduced_axes(axes, x.ndim), keepdims=keepdims, initial=least)


@in_float32
def reduce_min(x: np.ndarray, *, axes: Sequence[int], keepdims: bool) -> np.ndarray:
    """The smallest element over `axes`; NaN wins. Of nothing: the greatest value of the type."""
    _, greatest = _limits(x.dtype)
    return np.min(x, axis=reduced_axes(axes, x.ndim), keepdims=keepdims, initial=greatest)


def _limits(dtype: np.dtype) -> tuple[float, float]:
    if dtype == np.bool_:
        return False, True
    if is_float(dtype):
        return -math.inf, math.inf
    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


@in_float32
def reduce_prod(x: np.ndarray, *, axes: Sequence[int], keepdims: bool) -> np.ndarray:
    """The product over `axes`; integers modulo 2^bits."""
    return np.prod(x, axis=reduced_axes(axes, x.ndim), keepdims=keepdims, dtype=x.dtype)


def _drop(x: np.ndarray, axes: tuple[int, ...], keepdims: bool) -> np.ndarray:
    return x if keepdims else np.squeeze(x, axis=axes)


def argmax(x: np.ndarray, *, axis: int, keepdims: bool, select_last_index: bool) -> np.ndarray:
    """Index (int64) of the largest element; of equals the first, or the last if asked."""
    return _arg_select(np.argmax, x, axis, keepdims, select_last_index)


def argmin(x: np.ndarray, *, axis: int, keepdims: bool, select_last_index: bool) -> np.ndarray:
    """Index (int64) of the smallest element; of equals the first, or the last if asked."""
    return _arg_select(np.argmin, x, axis, keepdims, select_last_index)


def _arg_select(select, x: np.ndarray, axis: int, keepdims: bool, last: bool) -> np.ndarray:
    if last:
        index = x.shape[axis] - 1 - select(np.flip(x, axis), axis=axis, keepdims=keepdims)
    else:
        index = select(x, axis=axis, keepdims=keepdims)
    return np.asarray(index, dtype=np.int64)


def topk(
    x: np.ndarray, *, k: int, axis: int, largest: bool, sorted: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The k largest (or smallest) elements and their int64 indices; of equals the lower index.

    ONNX leaves the order open when `sorted` is false; here the result is sorted either way.
    """
    if largest:
        # A stable ascending sort of the mirrored tensor, mirrored back, is a descending sort in
        # which equals keep their order; negating would overflow for the lowest integer.
        mirrored = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
        order = x.shape[axis] - 1 - np.flip(mirrored, axis)
    else:
        order = np.argsort(x, axis=axis, kind="stable")
    indices = np.take(order, np.arange(k), axis=axis)
    return np.take_along_axis(x, indices, axis=axis), indices.astype(np.int64)

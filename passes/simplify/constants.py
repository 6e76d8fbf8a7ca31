"""Reading float constants out of a program, and writing them back."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from xdsl.ir import Attribute, SSAValue

from dialects.elements import dtype_of, is_float
from dialects.nn.base import element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.weights import WeightStore


def is_constant(value: SSAValue) -> bool:
    """The value comes from an nn.constant."""
    return isinstance(value.owner, ConstantOp)


def float_array(value: SSAValue, weights: WeightStore) -> np.ndarray | None:
    """The elements of a float constant as float64; None for anything else."""
    constant = value.owner
    if not isinstance(constant, ConstantOp) or not is_float(element_of_value(value)):
        return None
    return constant.array(weights).astype(np.float64)


def scalar(value: SSAValue, weights: WeightStore) -> float | None:
    """The number in a float constant of one element; None for anything else."""
    if math.prod(shape_of(value)) != 1:
        return None
    array = float_array(value, weights)
    return None if array is None else float(array.reshape(()))


def per_channel(array: np.ndarray, shape: Sequence[int], axis: int) -> np.ndarray | None:
    """The vector that `array`, broadcast to `shape`, holds along `axis`.

    None if the array varies along another dimension or would make the result larger.
    """
    rank = len(shape)
    if array.ndim > rank:
        return None
    axis %= rank
    padded = (1,) * (rank - array.ndim) + array.shape
    if any(size != 1 for i, size in enumerate(padded) if i != axis):
        return None
    if padded[axis] not in (1, shape[axis]):
        return None
    return np.broadcast_to(array.reshape(-1), (shape[axis],))


def rounded(array: np.ndarray, element: Attribute) -> np.ndarray | None:
    """Float64 results rounded once to a float element type; None if that is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        result = array.astype(dtype_of(element))
    return result if bool(np.isfinite(result.astype(np.float64)).all()) else None

"""ONNX ConvInteger and MatMulInteger: int32 sums with zero points given at run time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..linear import along_axis
from .linear import conv_accumulators, matmul_accumulators


def conv_integer(
    x: np.ndarray,
    weight: np.ndarray,
    x_zero_point: np.ndarray | None = None,
    weight_zero_point: np.ndarray | None = None,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
) -> np.ndarray:
    """ONNX ConvInteger: the int32 sums; the weight's zero point is a scalar or one per channel."""
    zero = 0 if weight_zero_point is None else weight_zero_point.astype(np.int64)
    if isinstance(zero, np.ndarray) and zero.ndim == 1:
        zero = along_axis(zero, 0, weight.ndim)
    return conv_accumulators(
        x,
        weight,
        None,
        x_zero_point=0 if x_zero_point is None else int(x_zero_point.item()),
        weight_zero_point=zero,
        strides=strides,
        pads=pads,
        dilations=dilations,
        groups=groups,
    )


def matmul_integer(
    a: np.ndarray,
    b: np.ndarray,
    a_zero_point: np.ndarray | None = None,
    b_zero_point: np.ndarray | None = None,
) -> np.ndarray:
    """ONNX MatMulInteger: int32 sums; zero points are scalars, per row of a or column of b."""
    za = 0 if a_zero_point is None else a_zero_point.astype(np.int64)
    zb = 0 if b_zero_point is None else b_zero_point.astype(np.int64)
    if isinstance(za, np.ndarray) and za.ndim == 1 and za.size > 1:
        za = za[:, None]
    return matmul_accumulators(a, b, None, a_zero_point=za, b_zero_point=zb)

"""Resize, as ONNX operator `Resize` defines it: nearest, linear and cubic sampling.

Coordinates are computed in float32 in the order of the formulas in the ONNX specification, so
that ties between two source pixels fall as they do in other float32 implementations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dialects import shapes
from dialects.errors import OctetError

from .linear import along_axis
from .precision import in_float32, is_float

_F32 = np.float32


def resize(
    x: np.ndarray,
    *,
    mode: str,
    coordinate_transformation: str,
    nearest_mode: str,
    cubic_coeff: float = -0.75,
    exclude_outside: bool = False,
    extrapolation_value: float = 0.0,
    scales: Sequence[float] | None = None,
    sizes: Sequence[int] | None = None,
    roi: Sequence[float] | None = None,
) -> np.ndarray:
    """Sample x on a grid of another size.

    Parameters
    - mode: "nearest" (any element type), "linear" or "cubic" (floats).
    - coordinate_transformation: "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",
      "asymmetric", "align_corners" or "tf_crop_and_resize".
    - nearest_mode: "round_prefer_floor", "round_prefer_ceil", "floor" or "ceil".
    - scales, sizes: one entry per axis; at least one is given, and sizes (which may be coded,
      see `dialects.shapes`) win.
    - roi: all starts, then all ends, as fractions; only for "tf_crop_and_resize", where samples
      outside the operand take `extrapolation_value`.
    """
    samplings = plan_sampling(
        x.shape,
        mode=mode,
        coordinate_transformation=coordinate_transformation,
        nearest_mode=nearest_mode,
        cubic_coeff=cubic_coeff,
        exclude_outside=exclude_outside,
        scales=scales,
        sizes=sizes,
        roi=roi,
    )
    for sampling in samplings:
        x = _sample(x, sampling)
    for sampling in samplings:
        if sampling.outside is not None:
            outside = along_axis(sampling.outside, sampling.axis, x.ndim)
            x = np.where(outside, x.dtype.type(extrapolation_value), x)
    return x


@dataclass(frozen=True)
class AxisSampling:
    """How one axis is sampled: sample i is the sum over t of x[taps[t, i]] * weights[t, i].

    - taps: int64 [taps, samples], inside the axis; weights: float32 of that shape, or None for
      nearest, which has one tap.
    - outside: bool [samples], which samples lie outside the operand; None unless cropping.
    """

    axis: int
    taps: np.ndarray
    weights: np.ndarray | None
    outside: np.ndarray | None


def plan_sampling(
    shape: Sequence[int],
    *,
    mode: str,
    coordinate_transformation: str,
    nearest_mode: str,
    cubic_coeff: float,
    exclude_outside: bool,
    scales: Sequence[float] | None = None,
    sizes: Sequence[int] | None = None,
    roi: Sequence[float] | None = None,
) -> list[AxisSampling]:
    """The sampling of every axis that `resize` changes, in order."""
    target, factors = _target_and_factors(shape, scales, sizes, coordinate_transformation, roi)
    crops = coordinate_transformation == "tf_crop_and_resize"
    if crops and roi is None:
        raise OctetError("resize: 'tf_crop_and_resize' needs a roi")
    samplings: list[AxisSampling] = []
    for axis, size in enumerate(shape):
        bounds = (roi[axis], roi[len(shape) + axis]) if crops and roi is not None else (0.0, 1.0)
        if target[axis] == size and factors[axis] == 1 and bounds == (0.0, 1.0):
            continue
        source = source_coordinates(
            size, target[axis], factors[axis], coordinate_transformation, bounds
        )
        outside = (source < 0) | (source > size - 1) if crops else None
        if mode == "nearest":
            taps, weights = nearest_index(source, size, nearest_mode)[None], None
        else:
            taps, weights = _interpolation(source, size, mode, cubic_coeff, exclude_outside)
        samplings.append(AxisSampling(axis, taps.astype(np.int64), weights, outside))
    return samplings


def _sample(x: np.ndarray, sampling: AxisSampling) -> np.ndarray:
    if sampling.weights is None:
        return np.take(x, sampling.taps[0], axis=sampling.axis)
    if not is_float(x.dtype):
        raise OctetError(f"resize: interpolation needs floats, the operand holds {x.dtype}")
    result = np.zeros((), x.dtype)
    for tap, weight in zip(sampling.taps, sampling.weights.astype(x.dtype), strict=True):
        taken = np.take(x, tap, axis=sampling.axis)
        result = result + taken * along_axis(weight, sampling.axis, x.ndim)
    return result


def _target_and_factors(
    shape: Sequence[int],
    scales: Sequence[float] | None,
    sizes: Sequence[int] | None,
    coordinate_transformation: str,
    roi: Sequence[float] | None,
) -> tuple[list[int], list[np.float32]]:
    """The result's shape and the scale of each axis, from whichever of the two is given."""
    if scales is None and sizes is None:
        raise OctetError("resize: neither scales nor sizes given; one of them is needed")
    target = list(
        shapes.resize(
            tuple(shape),
            scales=scales or (),
            sizes=sizes or (),
            coordinate_transformation=coordinate_transformation,
            roi=roi,
        )[0]
    )
    if scales is not None:
        return target, [_F32(scale) for scale in scales]
    return target, [_F32(new) / _F32(old) for new, old in zip(target, shape, strict=True)]


def source_coordinates(
    size: int,
    new_size: int,
    scale: float | np.float32,
    coordinate_transformation: str,
    roi: tuple[float, float] = (0.0, 1.0),
) -> np.ndarray:
    """Where on an axis of `size` elements each of the `new_size` samples lies (float32)."""
    position = np.arange(new_size, dtype=_F32)
    factor, half, one = _F32(scale), _F32(0.5), _F32(1)
    match coordinate_transformation:
        case "half_pixel":
            return (position + half) / factor - half
        case "half_pixel_symmetric":
            # The output size is floor(size * scale); what was cut off is shared by both sides.
            center = _F32(size) / _F32(2)
            offset = center * (one - _F32(new_size) / (_F32(size) * factor))
            return offset + (position + half) / factor - half
        case "pytorch_half_pixel":
            return (position + half) / factor - half if new_size > 1 else np.zeros(1, _F32)
        case "asymmetric":
            return position / factor
        case "align_corners":
            return position * _F32(size - 1) / _F32(max(new_size - 1, 1))
        case "tf_crop_and_resize":
            start, end = _F32(roi[0]), _F32(roi[1])
            last = _F32(size - 1)
            if new_size > 1:
                return start * last + position * (end - start) * last / _F32(new_size - 1)
            return np.full(1, half * (start + end) * last, _F32)
    raise OctetError(
        f"resize: coordinate_transformation '{coordinate_transformation}'; expected half_pixel, "
        "half_pixel_symmetric, pytorch_half_pixel, asymmetric, align_corners or tf_crop_and_resize"
    )


def nearest_index(source: np.ndarray, size: int, nearest_mode: str) -> np.ndarray:
    """The element that stands for each source coordinate, kept inside the axis."""
    match nearest_mode:
        case "round_prefer_floor":
            index = np.ceil(source - _F32(0.5))
        case "round_prefer_ceil":
            index = np.floor(source + _F32(0.5))
        case "floor":
            index = np.floor(source)
        case "ceil":
            index = np.ceil(source)
        case _:
            raise OctetError(
                f"resize: nearest_mode '{nearest_mode}'; expected round_prefer_floor, "
                "round_prefer_ceil, floor or ceil"
            )
    return np.clip(index, 0, size - 1).astype(np.int64)


@in_float32
def _interpolation(
    source: np.ndarray, size: int, mode: str, cubic_coeff: float, exclude_outside: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Taps and weights of the 2 (linear) or 4 (cubic) elements around each source coordinate."""
    base = np.floor(source)
    fraction = source - base
    if mode == "linear":
        weights, first = np.stack([1 - fraction, fraction]), 0
    elif mode == "cubic":
        weights, first = cubic_weights(fraction, cubic_coeff), -1
    else:
        raise OctetError(f"resize: mode '{mode}'; expected nearest, linear or cubic")
    taps = base.astype(np.int64) + first + np.arange(len(weights))[:, None]
    if exclude_outside:
        weights = np.where((taps >= 0) & (taps < size), weights, 0)
        weights = weights / weights.sum(axis=0)
    return np.clip(taps, 0, size - 1), weights.astype(_F32)


def cubic_weights(fraction: np.ndarray, a: float) -> np.ndarray:
    """The four weights of cubic convolution (R. Keys, IEEE TASSP 1981), shape [4, n]."""
    near = np.stack([fraction, 1 - fraction])
    far = near + 1
    inner = ((a + 2) * near - (a + 3)) * near * near + 1
    outer = ((a * far - 5 * a) * far + 8 * a) * far - 4 * a
    return np.stack([outer[0], inner[0], inner[1], outer[1]])

"""Resize, as ONNX operator `Resize` defines it: nearest, linear and cubic sampling.

Coordinates are computed in float32 in the order of the formulas in the ONNX specification, so
that ties between two source pixels fall as they do in other float32 implementations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dialects import shapes
from dialects.errors import OctetError

from .linear import along_axis
from .precision import in_float32, is_float

_F32 = np.float32


@in_float32
def resize(
    x: np.ndarray,
    *,
    mode: str,
    coordinate_transformation: str,
    nearest_mode: str,
    cubic_coeff: float = -0.75,
    exclude_outside: bool = False,
    extrapolation_value: float = 0.0,
    antialias: bool = False,
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
    - antialias: "linear" and "cubic" average over all elements that a smaller sample covers.
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
        antialias=antialias,
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
    antialias: bool = False,
    scales: Sequence[float] | None = None,
    sizes: Sequence[int] | None = None,
    roi: Sequence[float] | None = None,
) -> list[AxisSampling]:
    """The sampling of every axis that `resize` changes, in order."""
    target, factors = _target_and_factors(shape, scales, sizes, coordinate_transformation, roi)
    if antialias and mode == "nearest":
        raise OctetError("resize: antialias needs mode linear or cubic; nearest does not average")
    crops = coordinate_transformation == "tf_crop_and_resize"
    if crops and roi is None:
        raise OctetError("resize: 'tf_crop_and_resize' needs a roi")
    samplings: list[AxisSampling] = []
    for axis, size in enumerate(shape):
        bounds = (roi[axis], roi[len(shape) + axis]) if crops and roi is not None else (0.0, 1.0)
        if target[axis] == size and factors[axis] == 1 and bounds == (0.0, 1.0):
            continue
        length = target[axis] if scales is None else _F32(size) * factors[axis]
        source = source_coordinates(
            size, target[axis], factors[axis], coordinate_transformation, bounds, length
        )
        outside = (source < 0) | (source > size - 1) if crops else None
        if mode == "nearest":
            taps, weights = nearest_index(source, size, nearest_mode)[None], None
        else:
            stretch = max(1.0, 1.0 / float(factors[axis])) if antialias else 1.0
            taps, weights = _interpolation(
                source, size, mode, cubic_coeff, exclude_outside, stretch
            )
        samplings.append(AxisSampling(axis, taps, weights, outside))
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
    length: float | np.float32 | None = None,
) -> np.ndarray:
    """Where on an axis of `size` elements each of the `new_size` samples lies (float32).

    `length` is the result's length before it was rounded down to `new_size` (default: that).
    "align_corners" puts the last element at `length - 1`, as ONNX's reference implementation and
    its conformance tests do; ONNX Runtime puts it at `new_size - 1`.
    """
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
            last = _F32(new_size if length is None else length) - one
            return position * _F32(size - 1) / last if last != 0 else np.zeros(new_size, _F32)
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


RADIUS = {"linear": 1, "cubic": 2}
"""How far the interpolation kernels of the modes reach, in elements."""


def _interpolation(
    source: np.ndarray,
    size: int,
    mode: str,
    cubic_coeff: float,
    exclude_outside: bool,
    stretch: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Taps and weights of the elements around each source coordinate: 2 (linear) or 4 (cubic).

    The kernel is `stretch` times as wide, and reaches as many more elements; its weights are then
    made to add up to 1.
    """
    if mode not in RADIUS:
        raise OctetError(f"resize: mode '{mode}'; expected nearest, linear or cubic")
    reach = math.ceil(RADIUS[mode] * stretch)
    base = np.floor(source)
    offsets = np.arange(1 - reach, 1 + reach)[:, None]
    distance = np.abs(offsets - (source - base).astype(np.float64)) / stretch
    weights = np.maximum(1 - distance, 0) if mode == "linear" else cubic(distance, cubic_coeff)
    taps = base.astype(np.int64) + offsets
    if exclude_outside:
        weights = np.where((taps >= 0) & (taps < size), weights, 0)
    if exclude_outside or stretch > 1:
        with np.errstate(all="ignore"):  # samples beyond the borders have no elements at all
            weights = weights / weights.sum(axis=0)
    return np.clip(taps, 0, size - 1), weights.astype(_F32)


def cubic(distance: np.ndarray, a: float) -> np.ndarray:
    """The kernel of cubic convolution (R. Keys, IEEE TASSP 1981), 0 from a distance of 2 on."""
    inner = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    outer = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, inner, np.where(distance < 2, outer, 0))

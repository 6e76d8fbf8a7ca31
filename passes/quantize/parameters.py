"""Chooses scales and zero points.

Scales are computed in float64 and rounded once to float32, the precision they are used in.
Zero always has an exact integer: padding, ReLU and masks depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import IntegerType, f32

from dialects.elements import i8, ui8
from dialects.nn.scheme import MAX_SCALE, MIN_SCALE, Scheme, Storage
from dialects.quant import UniformQuantizedType, storage_limits


def storage_of(name: Storage) -> IntegerType:
    return ui8 if name == "u8" else i8


def fits(low: float, high: float) -> bool:
    """An 8-bit type can express [low, high] with a scale below `MAX_SCALE`."""
    return bool(np.isfinite([low, high]).all()) and max(-low, high) / 127 <= MAX_SCALE


def activation_element(
    low: float,
    high: float,
    storage: Storage,
    *,
    symmetric: bool = False,
    limits: tuple[int, int] | None = None,
) -> UniformQuantizedType:
    """The 8-bit type for values in [low, high], which is widened to hold 0.

    Asymmetric: scale = (high - low) / (qmax - qmin), zero point = rint(qmin - low / scale).
    Symmetric: the zero point is the middle of the storage range, or its minimum for unsigned
    values without a sign, and the scale covers the greater magnitude. `limits` narrow the storage
    range.
    """
    storage_type = storage_of(storage)
    qmin, qmax = limits or storage_limits(storage_type)
    low, high = min(low, 0.0), max(high, 0.0)
    if not symmetric:
        scale = safe_scale((high - low) / (qmax - qmin))
        zero_point = int(np.clip(np.rint(qmin - low / scale), qmin, qmax))
    elif low == 0.0 and storage == "u8":
        scale, zero_point = safe_scale(high / qmax), qmin
    else:
        zero_point = (qmin + qmax + 1) // 2
        scale = safe_scale(max(-low, high) / (qmax - zero_point))
    return UniformQuantizedType(
        storage_type, f32, [scale], [zero_point], storage_range=(qmin, qmax)
    )


def element_by_scheme(
    scheme: Scheme, bounds: tuple[float, float], storage: Storage, *, symmetric: bool
) -> UniformQuantizedType:
    """The type of an activation of range `bounds`; `storage` and `symmetric` are the defaults."""
    storage = scheme.storage or storage
    if scheme.scale is not None:
        return fixed_element(scheme, storage, axis=None)
    return activation_element(
        *bounds,
        storage,
        symmetric=symmetric if scheme.symmetric is None else scheme.symmetric,
        limits=scheme.limits(storage),
    )


def fixed_element(scheme: Scheme, storage: Storage, axis: int | None) -> UniformQuantizedType:
    """The type that a scheme with a scale and zero point spells out."""
    assert scheme.scale is not None
    assert scheme.zero_point is not None
    return UniformQuantizedType(
        storage_of(storage),
        f32,
        [safe_scale(scale) for scale in scheme.scale],
        scheme.zero_point,
        axis=axis,
        storage_range=scheme.limits(storage),
    )


def expressed_bounds(scheme: Scheme) -> tuple[float, float] | None:
    """The real numbers that a fixed scheme lets a value take; None if it fixes nothing."""
    if scheme.range is not None:
        return scheme.range
    if scheme.scale is None:
        return None
    assert scheme.storage is not None
    return bounds_of(fixed_element(scheme, scheme.storage, axis=None))


def weight_element(
    weight: np.ndarray,
    axis: int | None,
    storage: Storage,
    *,
    symmetric: bool = True,
    reduce_range: bool = False,
    least_scale: np.ndarray | float = 0.0,
    limits: tuple[int, int] | None = None,
    bounds: tuple[float, float] | None = None,
) -> UniformQuantizedType:
    """The 8-bit type for a constant: one scale per index of `axis`, or one in all.

    Symmetric: scale = max|w| / 127 with the storage range narrowed to -127..127, so that the
    negated weight exists too. `reduce_range` leaves one bit unused (for multiply-add instructions
    that saturate at 16 bits). `least_scale` is a lower bound per channel. A channel of zeros takes
    its lower bound, or the greatest scale of the tensor. `limits` replace the storage range, and
    `bounds` the extremes of the weight, which is then clamped.
    """
    storage_type = storage_of(storage)
    qmin, qmax = limits or _weight_limits(storage_type, symmetric, reduce_range)
    low, high = channel_bounds(weight if bounds is None else np.clip(weight, *bounds), axis)
    if bounds is not None and axis is None:
        low, high = np.asarray(bounds[0]), np.asarray(bounds[1])
    if symmetric:
        # Unsigned: 128 is zero, and 128 +- 127 the ends.
        zero = (qmin + qmax + 1) // 2
        wanted = np.maximum(-low, high) / (qmax - zero)
    else:
        wanted = (high - low) / (qmax - qmin)
    wanted = np.where(wanted > 0.0, wanted, np.where(least_scale > 0.0, 0.0, wanted.max()))
    scales = np.array([safe_scale(s) for s in np.atleast_1d(np.maximum(wanted, least_scale))])
    if symmetric:
        zero_points = np.full(scales.shape, (qmin + qmax + 1) // 2)
    else:
        zero_points = np.clip(np.rint(qmin - np.atleast_1d(low) / scales), qmin, qmax)
    return UniformQuantizedType(
        storage_type,
        f32,
        scales.tolist(),
        [int(zero_point) for zero_point in zero_points],
        axis=axis,
        storage_range=(qmin, qmax),
    )


def weight_element_by_scheme(
    weight: np.ndarray,
    axis: int | None,
    scheme: Scheme,
    storage: Storage,
    *,
    symmetric: bool,
    reduce_range: bool,
    least_scale: np.ndarray | float,
) -> UniformQuantizedType:
    """As `weight_element`, whose arguments are the defaults of what the scheme leaves open."""
    storage = scheme.storage or storage
    if scheme.scale is not None:
        return fixed_element(scheme, storage, axis)
    said = scheme.storage_range is not None or scheme.narrow_range is not None
    return weight_element(
        weight,
        axis,
        storage,
        symmetric=symmetric if scheme.symmetric is None else scheme.symmetric,
        reduce_range=reduce_range if scheme.reduce_range is None else scheme.reduce_range,
        least_scale=least_scale,
        limits=scheme.limits(storage) if said else None,
        bounds=scheme.range,
    )


def channel_bounds(weight: np.ndarray, axis: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The least and greatest element per index of `axis` (or in all), widened to hold 0."""
    others = tuple(i for i in range(weight.ndim) if i != axis) if axis is not None else None
    wide = weight.astype(np.float64)
    low, high = wide.min(axis=others, initial=0.0), wide.max(axis=others, initial=0.0)
    return np.asarray(low), np.asarray(high)


def safe_scale(scale: float) -> float:
    """`scale` as a float32 value within the bounds that keep products of scales finite.

    Nothing to express (a range of zero) gives 1.
    """
    if scale <= 0.0:
        return 1.0
    return float(np.float32(min(max(float(scale), MIN_SCALE), MAX_SCALE)))


def bounds_of(element: UniformQuantizedType) -> tuple[float, float]:
    """The real numbers between which a per-tensor quantized type can express values."""
    (scale,), (zero_point,) = element.scales.get_values(), element.zero_points.get_values()
    qmin, qmax = element.limits
    return scale * (qmin - zero_point), scale * (qmax - zero_point)


def union(ranges: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The least range that holds all of `ranges`."""
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _weight_limits(storage: IntegerType, symmetric: bool, reduce_range: bool) -> tuple[int, int]:
    low, high = storage_limits(storage)
    if reduce_range:
        # Halve around the middle: 8 bits to 7.
        low, high = low // 2 if low else 0, high // 2
    return (low + 1, high) if symmetric else (low, high)

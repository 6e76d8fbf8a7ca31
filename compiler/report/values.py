"""What is known of each value: its range, how its numbers are spread and how they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, SSAValue

from compiler.accuracy.decibels import Decibels
from compiler.accuracy.pairs import Placed, quantized_values
from compiler.report.document import Histogram, Stored, Value
from dialects.elements import is_quantized
from dialects.nn.base import element_of_value, shape_of
from dialects.program import range_of
from dialects.quant import QuantizeCastOp, UniformQuantizedType
from passes.calibrate.measuring.histogram import Histogram as Observed

SHOWN_BINS = 48


def values_of(
    placed: Placed,
    quantized: ModuleOp | None,
    histograms: Mapping[SSAValue, Observed],
    sqnr: Mapping[int, Decibels],
) -> list[Value]:
    """The values of the placed program; `histograms` are keyed by them, `sqnr` by their ids."""
    stored = {} if quantized is None else quantized_values(placed, quantized)
    found: list[Value] = []
    for index, value in enumerate(placed.values):
        range = range_of(value)
        # A value that turned out infinite lost its range, and what was counted before is partial.
        histogram = histograms.get(value) if range is not None else None
        found.append(
            Value(
                id=index,
                name=placed.names[index],
                type=type_text(value),
                range=range,
                histogram=None if histogram is None else shown(histogram),
                stored=_stored(stored.get(index), histogram),
                sqnr_db=sqnr.get(index),
            )
        )
    return found


def type_text(value: SSAValue) -> str:
    """`1x3x224x224 f32`; of quantized values the type they are stored in."""
    element, sizes = element_of_value(value), "x".join(map(str, shape_of(value)))
    return f"{sizes} {_storage_text(element) if is_quantized(element) else element}".strip()


def _storage_text(element: Attribute) -> str:
    """`u8`, `i8` or `i32`, as in the text of quantized types."""
    return str(cast(UniformQuantizedType, element).storage).replace("ui", "u")


def _stored(value: SSAValue | None, histogram: Observed | None) -> Stored | None:
    element = None if value is None else _quantized_element(value)
    if element is None:
        return None
    scales, zero_points = element.scales.get_values(), element.zero_points.get_values()
    lowest, highest = element.limits
    scale, zero_point = float(np.max(scales)), int(zero_points[0])
    low, high = (lowest - zero_point) * scale, (highest - zero_point) * scale
    return Stored(
        type=_storage_text(element),
        low=low,
        high=high,
        scale=scale,
        zero_point=zero_point,
        clipped=None if histogram is None else _clipped(histogram, low, high, scale),
    )


def _quantized_element(value: SSAValue) -> UniformQuantizedType | None:
    """The type of a quantized value, or of what int8 ops use in place of a float one."""
    users = (use.operation for use in value.uses)
    quantized = (user.result for user in users if isinstance(user, QuantizeCastOp))
    for candidate in (value, *quantized):
        element = element_of_value(candidate)
        if isinstance(element, UniformQuantizedType):
            return element
    return None


def _clipped(histogram: Observed, low: float, high: float, scale: float) -> float:
    """The share of values beyond the range by more than half a step, which rounding forgives."""
    edges = (histogram.start + np.arange(len(histogram.counts) + 1)) * histogram.width
    outside = (edges[1:] <= low - scale / 2) | (edges[:-1] >= high + scale / 2)
    return float(histogram.counts[outside].sum() / histogram.counts.sum())


def shown(histogram: Observed) -> Histogram:
    """The occupied bins, merged evenly until they are few enough to show."""
    occupied = np.flatnonzero(histogram.counts)
    first, last = int(occupied[0]), int(occupied[-1])
    merged = -(-(last - first + 1) // SHOWN_BINS)
    bins = -(-(last - first + 1) // merged)
    counts = np.zeros(bins * merged, np.int64)
    counts[: last - first + 1] = histogram.counts[first : last + 1]
    low = (histogram.start + first) * histogram.width
    return Histogram(
        low=low,
        high=low + bins * merged * histogram.width,
        counts=tuple(counts.reshape(bins, merged).sum(axis=1).tolist()),
    )

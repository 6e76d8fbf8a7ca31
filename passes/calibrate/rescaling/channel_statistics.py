"""What is measured of values for passes that rescale channels: extremes per channel, and samples.

Batches are streamed: memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.program import FIXED_SHAPE, main_function
from passes.calibrate.measuring.feeds import check_feed
from runtime.reference.evaluate import evaluate

ROWS = 512
"""Rows of a value kept as a sample for a matrix product."""
IMAGES = 8
"""Elements of a batch kept as a sample for a convolution."""


@dataclass
class ChannelStatistics:
    """The least and greatest element of each channel, and a sample.

    `axis` is the channel dimension. With channels last, each row is one item of the sample, else
    each element of the batch; at most `limit` items are kept, evenly spaced over all batches.
    """

    axis: int
    limit: int = 0
    finite: bool = True
    low: np.ndarray = field(default_factory=lambda: np.zeros(0))
    high: np.ndarray = field(default_factory=lambda: np.zeros(0))
    kept: list[np.ndarray] = field(default_factory=list[np.ndarray])
    _stride: int = 1
    _seen: int = 0

    def update(self, array: np.ndarray) -> None:
        if not np.isfinite(array).all():
            self.finite = False
            return
        others = tuple(i for i in range(array.ndim) if i != self.axis % array.ndim)
        low, high = array.min(axis=others), array.max(axis=others)
        first = not self.low.size
        self.low = low if first else np.minimum(self.low, low)
        self.high = high if first else np.maximum(self.high, high)
        if self.limit:
            self._keep(array.reshape(-1, array.shape[-1]) if self.axis == -1 else array)

    def _keep(self, items: np.ndarray) -> None:
        """Every `_stride`-th item of all batches; the stride doubles when too many are kept."""
        first = -self._seen % self._stride
        self.kept += [item.copy() for item in items[first :: self._stride]]
        self._seen += len(items)
        while len(self.kept) > self.limit:
            self.kept = self.kept[::2]
            self._stride *= 2

    @property
    def sample(self) -> np.ndarray:
        """The items that were kept, stacked."""
        return np.stack(self.kept)

    @property
    def magnitudes(self) -> np.ndarray:
        """The greatest magnitude of each channel, float64."""
        return np.maximum(-self.low, self.high).astype(np.float64)


def measure(
    ctx: OctetContext,
    module: ModuleOp,
    statistics: Mapping[SSAValue, ChannelStatistics],
    who: str,
) -> None:
    """Streams the calibration data through the program. Raises OctetError where there are none, or
    they do not fit; `who` is the pass that asks."""
    if ctx.calibration_data is None:
        raise OctetError(f"{who}: no calibration data was given; pass the inputs for `calibrate`")
    function = main_function(module)
    fixed = FIXED_SHAPE in module.attributes

    def observe(value: SSAValue, array: np.ndarray) -> None:
        if value in statistics and array.size:
            statistics[value].update(array)

    batches = 0
    for index, feed in enumerate(ctx.calibration_data()):
        check_feed(function, feed, index, fixed)
        evaluate(module, feed, ctx.weights, observe)
        batches += 1
    if not batches:
        raise OctetError(f"{who}: the calibration data holds no batch; give at least one")


def are_finite(statistics: Iterable[ChannelStatistics]) -> bool:
    """Every one was measured, on finite values alone."""
    return all(one.finite and one.low.size for one in statistics)

"""Calibrated ranges of values whose channels were rescaled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from xdsl.dialects.builtin import DenseArrayBase, f64
from xdsl.ir import SSAValue

from dialects.nn.base import NnOp
from dialects.program import range_of
from passes.calibrate.rescaling.channel_statistics import ChannelStatistics
from passes.calibrate.rescaling.channels import Link, Site


def watched(sites: Iterable[Site]) -> dict[SSAValue, ChannelStatistics]:
    """What has to be measured to rescale `sites`: their values, and those on the way that carry a
    range or end a clamp."""
    statistics: dict[SSAValue, ChannelStatistics] = {}
    for site in sites:
        statistics[site.value] = ChannelStatistics(site.axis)
        clamped = {producer.op.results[0] for producer in site.producers if producer.clamps}
        for link in site.path:
            if range_of(link.value) is not None or link.value in clamped:
                statistics.setdefault(link.value, ChannelStatistics(link.axis))
    return statistics


def rescale_ranges(
    path: Sequence[Link], factors: np.ndarray, statistics: Mapping[SSAValue, ChannelStatistics]
) -> None:
    """Ranges of values that now are what they were, divided by `factors` [channels]."""
    for link in path:
        bounds = range_of(link.value)
        maker = link.value.owner
        if bounds is None or not isinstance(maker, NnOp):
            continue
        divided = divided_range(bounds, statistics[link.value], factors[link.channels])
        maker.range = DenseArrayBase.from_list(f64, list(divided))


def divided_range(
    bounds: tuple[float, float], seen: ChannelStatistics, factors: np.ndarray
) -> tuple[float, float]:
    """The range of a value divided by `factors`: what it leaves of the extremes of each channel."""
    low = np.clip(seen.low.astype(np.float64), *bounds) / factors
    high = np.clip(seen.high.astype(np.float64), *bounds) / factors
    return min(float(low.min()), 0.0), max(float(high.max()), 0.0)


def limited(
    site: Site, factors: np.ndarray, statistics: Mapping[SSAValue, ChannelStatistics]
) -> np.ndarray:
    """`factors`, changed so that no clamp of the producers acts otherwise than before.

    A clamp at 6 does not scale along. Channels that reach it keep their factor of 1; the others are
    never scaled up beyond it, so that it goes on not acting on anything the data hold.
    """
    limited = factors.copy()
    for producer in site.producers:
        if not producer.clamps:
            continue
        seen, channels = statistics[producer.op.results[0]], producer.channels
        high, low = seen.high.astype(np.float64), seen.low.astype(np.float64)
        acts = high >= producer.upper
        least = np.maximum(high / producer.upper, 0.0)
        if producer.lower != 0.0:
            acts |= low <= producer.lower
            # A clamp whose lower end is above 0, or upper end below, leaves nothing to scale.
            acts |= producer.lower > 0.0 or producer.upper < 0.0
            least = np.maximum(least, low / producer.lower)
        limited[channels] = np.where(acts, 1.0, np.maximum(limited[channels], least))
    return limited

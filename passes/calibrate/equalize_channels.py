"""Pass `equalize-channels`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from xdsl.dialects.builtin import ModuleOp, UnitAttr
from xdsl.ir import SSAValue

from dialects.context import OctetContext
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.program import range_of
from passes.base import Numerics, OctetPass
from passes.calibrate.rescaling.channel_statistics import ChannelStatistics, are_finite, measure
from passes.calibrate.rescaling.channels import Linear, Site, sites
from passes.calibrate.rescaling.rescale import (
    MOST,
    input_magnitudes,
    inputs_scaled,
    output_magnitudes,
    outputs_scaled,
    rescale_consumers,
    rescale_producers,
    usable,
    weight_array,
)
from passes.calibrate.rescaling.rescaled_ranges import limited, rescale_ranges, watched

EQUALIZED = "equalized"
"""Attribute of a linear op whose input channels were equalized: they are not again."""

SWEEPS = 100
"""Most sweeps over all pairs; chains of ten layers settle within a few dozen."""
SETTLED = 1e-4
"""Factors nearer to 1 than this end the sweeps."""

Statistics = Mapping[SSAValue, ChannelStatistics]


@dataclass(frozen=True)
class EqualizeChannelsPass(OctetPass):
    """Scale the channels between two linear layers so that all have like ranges.

    Before, where channels of %w1 and %y differ widely:

        %y = nn.conv %x, %w1, bias = %b1 <.., activation = #nn.activation<relu>> : ..
        %z = nn.conv %y, %w2 <..> : ..

    After:

        %y = nn.conv %x, %w1_over_s, bias = %b1_over_s <..> : ..
        %z = nn.conv %y, %w2_times_s <..> : ..

    Dividing the output channels of one layer by s > 0 and multiplying the input channels of the
    next changes nothing, since relu(y / s) = relu(y) / s. By `weights`, s = sqrt(r1 / r2) makes the
    greatest weights r1 of each channel before, and r2 behind, alike; sweeps over all pairs go on
    until factors settle, so that chains of layers are equalized together (Nagel et al., "Data-free
    quantization through weight equalization and bias correction", 2019, section 4.1). That helps
    weights with one scale per tensor. With one scale per channel, r1 costs nothing, while the
    activation in between still has one scale: by `activations`, r1 is its greatest magnitude on the
    calibration data, or s = r1 if only depthwise layers, whose every channel has a scale, follow.
    By `off` does nothing.

    ReLU, pools, padding with 0 and concatenation stand between the layers. A clamp at 6 does not
    scale along; channels that reach it on the data keep a factor of 1, others are scaled so that it
    acts on none of the data; without data it is a border.

    It does not fire when anything else uses a value on the way (a residual, an output), when a
    weight is shared, quantized, or has numbers fixed by a scheme, on ops placed in float, or twice
    on one op. It stands before `calibrate`; behind it, ranges follow, which takes data.
    """

    name = "equalize-channels"
    NUMERICS: ClassVar = Numerics.ROUNDING
    READS_DATA: ClassVar = True

    by: Literal["weights", "activations", "off"] = "weights"

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        if self.by == "off":
            return
        chosen = [site for site in sites(module) if _is_pair(site)]
        if self.by == "weights" and ctx.calibration_data is None:
            chosen = [site for site in chosen if not any(p.clamps for p in site.producers)]
        statistics = watched(chosen)
        if self.by == "weights":
            needed = {value for site in chosen for value in _measured_on_the_way(site)}
            statistics = {value: one for value, one in statistics.items() if value in needed}
        if statistics:
            measure(ctx, module, statistics, self.name)
        chosen = [
            site
            for site in chosen
            if are_finite(one for value, one in statistics.items() if value in site.values)
        ]
        found = (
            weight_factors(ctx, chosen, statistics)
            if self.by == "weights"
            else [activation_factors(ctx, site, statistics) for site in chosen]
        )
        for site, factors in zip(chosen, found, strict=True):
            for op in site.consumers:
                op.attributes[EQUALIZED] = UnitAttr()
            if np.all(factors == 1.0):
                continue
            rescale_consumers(site, factors, ctx.weights)
            rescale_producers(site, factors, ctx.weights)
            rescale_ranges(site.path, factors, statistics)
            self.count(ctx, "pairs")


def _is_pair(site: Site) -> bool:
    linear = all(isinstance(producer.op, ConvOp | MatmulOp) for producer in site.producers)
    again = any(EQUALIZED in op.attributes for op in site.consumers)
    return site.can_be_taken_up and linear and not again


def _measured_on_the_way(site: Site) -> set[SSAValue]:
    """What has to be known of the values of a pair even to equalize by weights."""
    found = {p.op.results[0] for p in site.producers if p.clamps}
    found |= {link.value for link in site.path if range_of(link.value) is not None}
    return found


def weight_factors(
    ctx: OctetContext, pairs: list[Site], statistics: Statistics
) -> list[np.ndarray]:
    """The factors of all pairs, [channels] each, after which ranges of weights agree."""
    weights: dict[Linear, np.ndarray] = {}
    for site in pairs:
        for op in (*site.consumers, *(p.op for p in site.producers)):
            if isinstance(op, ConvOp | MatmulOp):
                weights[op] = weight_array(op, ctx.weights)
    factors = [np.ones(site.channels) for site in pairs]
    for _ in range(SWEEPS):
        moved = 0.0
        for index, site in enumerate(pairs):
            before, behind = _before(site, weights), _behind(site, weights)
            wanted = np.clip(factors[index] * balanced(before, behind), 1 / MOST, MOST)
            wanted = limited(site, wanted, statistics)
            step, factors[index] = wanted / factors[index], wanted
            moved = max(moved, float(np.abs(np.log(step)).max()))
            for op in site.consumers:
                weights[op] = inputs_scaled(op, weights[op], step)
            for producer in site.producers:
                assert isinstance(producer.op, ConvOp | MatmulOp)
                weights[producer.op] = outputs_scaled(
                    producer.op, weights[producer.op], 1.0 / step[producer.channels]
                )
        if moved < SETTLED:
            break
    return factors


def activation_factors(ctx: OctetContext, site: Site, statistics: Statistics) -> np.ndarray:
    """The factors of one pair, [channels], after which its activation and weights agree."""
    magnitudes = statistics[site.value].magnitudes
    if all(isinstance(op, ConvOp) and op.is_depthwise for op in site.consumers):
        known = usable(magnitudes)
        ratio = np.where(known, magnitudes, 1.0)
    else:
        behind = _behind(site, {op: weight_array(op, ctx.weights) for op in site.consumers})
        ratio, known = balanced(magnitudes, behind), usable(magnitudes) & usable(behind)
    # A common factor changes nothing: without it numbers stay near what they were.
    common = np.exp(np.mean(np.log(ratio[known]))) if known.any() else 1.0
    factors = np.where(known, np.clip(ratio / common, 1 / MOST, MOST), 1.0)
    return limited(site, factors, statistics)


def balanced(before: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """sqrt(before / behind): dividing the first by it, and multiplying the second, makes them
    alike; 1 where either is 0."""
    known = usable(before) & usable(behind)
    return np.sqrt(np.where(known, before, 1.0) / np.where(known, behind, 1.0))


def _before(site: Site, weights: Mapping[Linear, np.ndarray]) -> np.ndarray:
    ranges = np.zeros(site.channels)
    for producer in site.producers:
        assert isinstance(producer.op, ConvOp | MatmulOp)
        ranges[producer.channels] = output_magnitudes(producer.op, weights[producer.op])
    return ranges


def _behind(site: Site, weights: Mapping[Linear, np.ndarray]) -> np.ndarray:
    return np.max([input_magnitudes(op, weights[op]) for op in site.consumers], axis=0)

"""Pass `smooth-activations`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, StringAttr, UnitAttr, f64
from xdsl.ir import SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.nn.attributes import Precision, PrecisionAttr
from dialects.nn.base import NnOp, Quantization, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import MulOp
from dialects.origin import set_indices
from dialects.program import range_of
from passes.base import Numerics, OctetPass
from passes.calibrate.rescaling.channel_statistics import (
    IMAGES,
    ROWS,
    ChannelStatistics,
    are_finite,
    measure,
)
from passes.calibrate.rescaling.channels import Site, sites
from passes.calibrate.rescaling.rescale import (
    MOST,
    input_magnitudes,
    rescale_consumers,
    rescale_producers,
    usable,
    weight_array,
)
from passes.calibrate.rescaling.rescaled_ranges import divided_range, rescale_ranges, watched
from passes.calibrate.rescaling.simulation import output_error, product

SMOOTHED = "smoothed"
"""Attribute of a linear op whose input was smoothed: it is not smoothed again."""

GRID = tuple(step / 20 for step in range(6, 18))
"""The strengths that `alpha=auto` tries."""


@dataclass(frozen=True)
class SmoothActivationsPass(OctetPass):
    """Move outliers of activation channels into the weights that multiply them.

    Before, with outliers in channel 7 of %x, which a residual takes as well:

        %x = nn.layer_norm %0, scale = %g, bias = %b <..> : ..
        %q = nn.matmul %x, %wq : ..
        %k = nn.matmul %x, %wk : ..
        %y = nn.add %x, ..

    After:

        %x = nn.layer_norm %0, scale = %g, bias = %b <..> : ..
        %r = nn.constant <value = ..> : tensor<..xf32>          1 / s, one factor for each channel
        %s = nn.mul %x, %r : ..
        %q = nn.matmul %s, %wq_times_s : ..
        %k = nn.matmul %s, %wk_times_s : ..
        %y = nn.add %x, ..

    One scale for all channels of an activation is as coarse as its widest channel needs. Dividing
    channel c by s[c] = max|x[c]|^alpha / max|w[c]|^(1 - alpha) leaves products as they are and
    shares the difficulty with the weights, whose scales are per output channel (Xiao et al.,
    "SmoothQuant", 2023, section 4). Linear ops that share an activation get one common factor.
    `alpha=auto` takes, for each activation, the strength with the least squared error of the
    results of its ops, simulated on a sample of the calibration data; not smoothing is among the
    candidates. `alpha=off` does nothing.

    Where nothing else uses the activation, what makes it takes up 1 / s: the scale and bias of a
    layer norm, or the weights of linear ops, through ReLU, pools and concat.
    Otherwise `insert` says behind which ops a multiplication may stand: `float` ops that have no
    int8 form, such as a layer norm, with which it becomes one loop; `always`; or `never`.

    It does not fire on weights that several ops share, values that are quantized or have numbers
    fixed by a scheme, ops placed in float, or twice on one op. It stands before `calibrate`;
    behind it, the ranges of rescaled values follow.
    """

    name = "smooth-activations"
    NUMERICS: ClassVar = Numerics.ROUNDING
    NEEDS_DATA: ClassVar = True

    alpha: int | float | Literal["auto", "off"] = 0.5
    insert: Literal["never", "float", "always"] = "float"

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        if self.alpha == "off":
            return
        if not isinstance(self.alpha, str) and not 0.0 <= self.alpha <= 1.0:
            raise OctetError(f"smooth-activations: alpha is 0 to 1, auto or off, got {self.alpha}")
        chosen = [site for site in sites(module) if self._applies(site)]
        if not chosen:
            return
        statistics = watched(chosen)
        for site in chosen:
            if self.alpha == "auto":
                statistics[site.value].limit = ROWS if site.axis == -1 else IMAGES
        measure(ctx, module, statistics, self.name)
        for site in chosen:
            if not are_finite(one for value, one in statistics.items() if value in site.values):
                continue
            factors = self._factors(ctx, site, statistics[site.value])
            for op in site.consumers:
                op.attributes[SMOOTHED] = UnitAttr()
            if not np.all(factors == 1.0):
                self._smooth(ctx, site, factors, statistics)

    def _applies(self, site: Site) -> bool:
        if any(SMOOTHED in op.attributes for op in site.consumers):
            return False
        if site.can_be_taken_up and not any(p.clamps for p in site.producers):
            return True
        maker = site.value.owner
        if not isinstance(maker, NnOp) or isinstance(maker, ConstantOp):
            return False
        has_no_int8_form = maker.QUANTIZATION is Quantization.FLOAT
        return self.insert == "always" or (self.insert == "float" and has_no_int8_form)

    def _factors(self, ctx: OctetContext, site: Site, seen: ChannelStatistics) -> np.ndarray:
        weights = [weight_array(op, ctx.weights) for op in site.consumers]
        if not isinstance(self.alpha, str):
            return smoothing_factors(site, seen.magnitudes, weights, float(self.alpha))
        candidates = [np.ones(site.channels)]
        candidates += [smoothing_factors(site, seen.magnitudes, weights, a) for a in GRID]
        layers = [
            (op, weight, product(op, seen.sample, weight.astype(np.float32)))
            for op, weight in zip(site.consumers, weights, strict=True)
        ]
        errors = [
            sum(output_error(op, seen, weight, factors, exact) for op, weight, exact in layers)
            for factors in candidates
        ]
        return candidates[int(np.argmin(errors))]

    def _smooth(
        self,
        ctx: OctetContext,
        site: Site,
        factors: np.ndarray,
        statistics: dict[SSAValue, ChannelStatistics],
    ) -> None:
        rescale_consumers(site, factors, ctx.weights)
        if site.can_be_taken_up and not any(p.clamps for p in site.producers):
            rescale_producers(site, factors, ctx.weights)
            rescale_ranges(site.path, factors, statistics)
            self.count(ctx, "taken up")
            return
        insert_division(ctx, site, factors, statistics)
        self.count(ctx, "multiplications")


def smoothing_factors(
    site: Site, magnitudes: np.ndarray, weights: Sequence[np.ndarray], alpha: float
) -> np.ndarray:
    """s = max|x|^alpha / max|w|^(1 - alpha), [channels] float64, of geometric mean 1.

    The weights are those of all consumers. Channels that are 0 in either are left
    as they are.
    """
    greatest = np.max(
        [input_magnitudes(op, w) for op, w in zip(site.consumers, weights, strict=True)], axis=0
    )
    known = usable(magnitudes) & usable(greatest)
    x, w = np.where(known, magnitudes, 1.0), np.where(known, greatest, 1.0)
    factors = np.where(known, x**alpha / w ** (1.0 - alpha), 1.0)
    # A common factor changes nothing in 8 bits: without it numbers stay near what they were.
    common = np.exp(np.mean(np.log(factors[known]))) if known.any() else 1.0
    return np.where(known, np.clip(factors / common, 1 / MOST, MOST), 1.0)


def insert_division(
    ctx: OctetContext,
    site: Site,
    factors: np.ndarray,
    statistics: dict[SSAValue, ChannelStatistics],
) -> None:
    """Gives the consumers of a site its value times 1 / `factors`, in a value of its own."""
    rank = 1 if site.axis == -1 else len(shape_of(site.value)) - 1
    inverse = (1.0 / factors).astype(np.float32).reshape(-1, *(1,) * (rank - 1))
    constant = ConstantOp.of(inverse, ctx.weights)
    multiply = MulOp.make(site.value, constant.result)
    maker = site.value.owner
    if isinstance(maker, NnOp):
        if maker.layer is not None:
            multiply.layer = StringAttr(f"{maker.layer.data}/smooth")
        if maker.precision is not None:
            multiply.precision = PrecisionAttr(Precision.F32)
            multiply.placed_by = StringAttr(f"smooth-activations: {maker.source_name} is f32")
            set_indices(multiply, maker)
    Rewriter.insert_op([constant, multiply], InsertPoint.before(site.consumers[0]))
    for op in site.consumers:
        op.operands[0] = multiply.result
    bounds = range_of(site.value)
    if bounds is not None:
        divided = divided_range(bounds, statistics[site.value], factors)
        multiply.range = DenseArrayBase.from_list(f64, list(divided))

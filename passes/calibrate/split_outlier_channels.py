"""Pass `split-outlier-channels`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import ModuleOp, UnitAttr, f32
from xdsl.ir import SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.nn.base import NnOp, Quantization, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.linear import MatmulOp
from dialects.program import nn_ops, scheme_of, sole_user
from passes.base import Numerics, OctetPass
from passes.dataflow import quantizations
from passes.facts import RANGES_KNOWN
from passes.quantize.correction.side_by_side import first_batches
from passes.simplify.rebuild import rebuild
from runtime.reference.evaluate import evaluate

SPLIT = "outliers_split"
"""Attribute of a product whose outlier channels were split off: it is not looked at again."""

LEAST_GAIN = 2.0
"""How many times smaller the power of the rounding noise must become: 3 dB."""


FEW = 32
"""At most one channel in so many is an outlier."""


@dataclass(frozen=True)
class SplitOutlierChannelsPass(OctetPass):
    """Gives the few channels of a feed-forward layer that are far greater than all others integers
    of their own.

    Before:

        %1 = nn.matmul %0, %up, bias = %b : (tensor<1x128x384xf32>, ..) -> tensor<1x128x1536xf32>
        %2 = nn.gelu %1 : ..
        %3 = nn.matmul %2, %down, bias = %c : ..

    After, where channel 7 of %2 reaches 25 and no other one 6:

        %1 = nn.matmul %0, %up', bias = %b' : ..       column 7 is zeros
        %2 = nn.gelu %1 : ..
        %4 = nn.matmul %0, %up7, bias = %b7 : ..       column 7 alone
        %5 = nn.gelu %4 : ..
        %6 = nn.matmul %5, %down7 : ..                 row 7 alone
        %3 = nn.matmul %2, %down', bias = %c, residual = %6 : ..

    The scale of an 8-bit tensor follows its greatest value. In trained transformers a channel or
    two of the layers between two products are several times greater than the rest (Bondarenko et
    al., "Understanding and Overcoming the Challenges of Efficient Transformer Quantization", 2021).
    Behind a function that is not linear no scale can be moved into weights, but the sum over
    channels can be computed in two parts, each with its scale (as in Dettmers et al., "LLM.int8()",
    2022, which computes one part in float).

    Extremes of channels are measured on `samples` samples of calibration data. The channels split
    off, at most `channels` and one in 32, are those that leave the least rounding noise behind the
    function, which is as the sum over channels of the squared step; nothing happens where that
    gains less than 3 dB. Only between two products of constant weights whose values nothing else
    uses; of two pairs that share a product only the first. `samples=0` turns the pass off. With a
    table of ranges and no data it does nothing.
    """

    name = "split-outlier-channels"
    NUMERICS: ClassVar = Numerics.ROUNDING
    INVALIDATES: ClassVar = frozenset({RANGES_KNOWN})
    NEEDS_DATA: ClassVar = True

    samples: int = 64
    channels: int = 16

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        if self.samples < 0:
            raise OctetError(f"split-outlier-channels: samples is at least 0, got {self.samples}")
        if self.channels < 1:
            raise OctetError(f"split-outlier-channels: channels is at least 1, got {self.channels}")
        sites = [site for op in nn_ops(module) if (site := site_of(op)) is not None]
        sites = [site for site in sites if site.width >= FEW]
        if not sites or not self.samples or _has_only_ranges(ctx):
            return
        extremes = self._measure(ctx, module, sites)
        for site in sites:
            if site.up.parent is None:
                continue  # the second product of a site that was split
            before, behind = (extremes[value] for value in site.values)
            found = outliers(before, behind, min(self.channels, site.width // FEW))
            if found.size:
                split(site, found, ctx)
                self.count(ctx, "channels", len(found))

    def _measure(
        self, ctx: OctetContext, module: ModuleOp, sites: list[Site]
    ) -> Mapping[SSAValue, Extremes]:
        extremes: dict[SSAValue, Extremes] = {
            value: Extremes()
            for site in sites
            for value in (site.up.result, *site.function.results)
        }

        def observe(value: SSAValue, array: np.ndarray) -> None:
            if value in extremes:
                extremes[value].update(array)

        for feed in first_batches(ctx, self.samples, self.name):
            evaluate(module, feed, ctx.weights, observe)
        return extremes


def _has_only_ranges(ctx: OctetContext) -> bool:
    """Ranges were measured before, and channels cannot be. The calibrator checks that the ranges
    are of a program of which none was split."""
    known = ctx.calibrator is not None and ctx.calibrator.replaces_data
    return known and ctx.calibration_data is None


@dataclass(frozen=True)
class Site:
    """Two products with a function of each element between them."""

    up: MatmulOp
    function: NnOp
    down: MatmulOp

    @property
    def values(self) -> tuple[SSAValue, SSAValue]:
        """What the function takes and gives."""
        return self.up.result, self.function.results[0]

    @property
    def width(self) -> int:
        """Channels between the two."""
        return shape_of(self.up.result)[-1]


@dataclass
class Extremes:
    """The least and the greatest element of each channel, the last dimension."""

    low: np.ndarray = field(default_factory=lambda: np.zeros(0))
    high: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def update(self, array: np.ndarray) -> None:
        rows = array.reshape(-1, array.shape[-1])
        if not len(rows):
            return
        low, high = rows.min(axis=0), rows.max(axis=0)
        self.low = np.minimum(self.low, low) if self.low.size else np.minimum(low, 0.0)
        self.high = np.maximum(self.high, high) if self.high.size else np.maximum(high, 0.0)

    def width(self, channels: np.ndarray) -> float:
        """What a scale that `channels` share has to cover."""
        return float(self.high[channels].max(initial=0) - self.low[channels].min(initial=0))


def site_of(down: NnOp) -> Site | None:
    """The site that ends in `down`, or None."""
    if not isinstance(down, MatmulOp) or not _has_own_weight(down):
        return None
    function = down.a.owner
    if not isinstance(function, NnOp) or function.QUANTIZATION is not Quantization.TABLE:
        return None
    up = function.operands[0].owner
    if not isinstance(up, MatmulOp) or not _has_own_weight(up) or up.residual is not None:
        return None
    if up.activation is not None or (up.bias is not None and not _is_float_constant(up.bias)):
        return None
    between = (up.result, function.results[0])
    free = all(sole_user(value) is not None and _is_free(value) for value in between)
    return Site(up, function, down) if free and SPLIT not in up.attributes else None


def _has_own_weight(op: MatmulOp) -> bool:
    """A float matrix of its own, and nobody asked for anything but int8."""
    own = _is_float_constant(op.b) and sole_user(op.b) is op and len(shape_of(op.b)) == 2
    scheme = op.weight_scheme.scheme if op.weight_scheme is not None else None
    return own and (op.precision is None or op.is_int8) and not (scheme and scheme.is_fixed)


def _is_float_constant(value: SSAValue) -> bool:
    return isinstance(value.owner, ConstantOp) and element_of_value(value) == f32


def _is_free(value: SSAValue) -> bool:
    """float32, and neither the model nor a recipe gives it numbers."""
    unquantized = next(quantizations(value), None) is None
    return element_of_value(value) == f32 and unquantized and not scheme_of(value).is_fixed


def outliers(before: Extremes, behind: Extremes, limit: int) -> np.ndarray:
    """The channels to split off, in order; none where that does not pay."""
    if not before.low.size:
        return np.zeros(0, np.int64)
    every = np.arange(len(before.low))
    finite = all(np.isfinite([e.width(every)]).all() for e in (before, behind))
    whole = behind.width(every)
    if not finite or whole == 0:
        return np.zeros(0, np.int64)
    order = np.argsort(-np.maximum(behind.high, -behind.low), kind="stable")
    noise = [
        count * behind.width(order[:count]) ** 2
        + (len(every) - count) * behind.width(order[count:]) ** 2
        for count in range(limit + 1)
    ]
    count = int(np.argmin(noise))
    return np.sort(order[:count]) if noise[0] >= LEAST_GAIN * noise[count] else every[:0]


def split(site: Site, channels: np.ndarray, ctx: OctetContext) -> None:
    """Computes `channels` between the two products on their own."""
    up, function, down = site.up, site.function, site.down
    up.attributes[SPLIT] = UnitAttr()
    taken = (up.b, up.bias, down.b)
    replaced = [value.owner for value in taken if value and isinstance(value.owner, ConstantOp)]

    def constant(array: np.ndarray, like: SSAValue) -> ConstantOp:
        made = ConstantOp.of(np.ascontiguousarray(array), ctx.weights)
        made.layer = like.owner.layer if isinstance(like.owner, ConstantOp) else None
        new.append(made)
        return made

    def contents(value: SSAValue) -> np.ndarray:
        assert isinstance(value.owner, ConstantOp)
        return value.owner.array(ctx.weights)

    new: list[NnOp] = []
    wide, narrow = contents(up.b), contents(down.b)
    rest_up, rest_down = wide.copy(), narrow.copy()
    rest_up[:, channels], rest_down[channels] = 0, 0
    bias_of_few: SSAValue | None = None
    bias_of_rest: SSAValue | None = None
    if up.bias is not None:
        bias = contents(up.bias)
        rest = bias.copy()
        rest[channels] = 0
        bias_of_few = constant(bias[channels], up.bias).result
        bias_of_rest = constant(rest, up.bias).result
    few = MatmulOp.make(up.a, constant(wide[:, channels], up.b).result, bias_of_few, layer=up.layer)
    _take_attributes(few, up)
    new.append(few)
    few_behind = type(function).make(few.result, layer=function.layer, **function.values())
    _take_attributes(few_behind, function)
    new.append(few_behind)
    part = MatmulOp.make(
        few_behind.results[0], constant(narrow[channels], down.b).result, None, down.residual,
        layer=down.layer,
    )  # fmt: skip
    _take_attributes(part, down)
    new.append(part)
    changed = {"b": constant(rest_up, up.b).result}
    if bias_of_rest is not None:
        changed["bias"] = bias_of_rest
    smaller = rebuild(up, operands=changed)
    rest = rebuild(
        down, operands={"b": constant(rest_down, down.b).result, "residual": part.result}
    )
    Rewriter.insert_op([op for op in new if isinstance(op, ConstantOp)], InsertPoint.before(up))
    Rewriter.replace_op(up, smaller)
    others = [op for op in new if not isinstance(op, ConstantOp)]
    Rewriter.insert_op(others, InsertPoint.before(down))
    Rewriter.replace_op(down, rest)
    for constant_op in replaced:
        if not constant_op.result.uses:
            Rewriter.erase_op(constant_op)


def _take_attributes(part: NnOp, whole: NnOp) -> None:
    """A part answers to the names of the whole, and is placed and quantized like it."""
    for name, attribute in whole.attributes.items():
        if name != "range":
            part.attributes[name] = attribute

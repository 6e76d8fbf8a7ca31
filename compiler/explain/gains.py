"""What an op's precision gains over float32, by the cost model (docs/cost-model.md).

    gain = time in float32 - time in its precision - its share of the conversions at its borders

A conversion is shared by the ops it stands between, so gains add up to that of the whole program
over one that is all float32. A float op between int8 ones therefore has a loss.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from xdsl.ir import Operation

from compiler.explain.borders import Border, borders_of
from compiler.explain.placement import Placement
from dialects.cost import ELEMENT_BYTES, conversion_work, nanoseconds
from dialects.kernel.loops import LoopOp
from dialects.nn.attributes import HALF_PRECISIONS, Precision
from dialects.nn.base import NnOp, Quantization
from dialects.rates import Rates
from dialects.target import Target
from dialects.weights import WeightStore
from passes.dataflow import carries_reals
from passes.kernel.check_required import ended_in
from passes.placement.capabilities import obstacle
from passes.placement.cost_model import CostModel
from passes.placement.halves import half_obstacle


class ModelledTimes:
    """Times of ops in every precision that the target has for them, in nanoseconds."""

    def __init__(self, target: Target | None, weights: WeightStore):
        self.target = target
        self.weights = weights
        self.model = CostModel(target)

    def __call__(self, op: NnOp) -> Mapping[str, float]:
        if not any(carries_reals(value) for value in (*op.operands, *op.results)):
            return {}
        return {
            precision.value: self.model.op_ns(op, precision)
            for precision in Precision
            if self._can(op, precision)
        }

    def _can(self, op: NnOp, precision: Precision) -> bool:
        placed = op.precision is not None and op.precision.data is precision
        if placed or precision is Precision.F32 or op.QUANTIZATION is Quantization.MOVES:
            return True
        if precision in HALF_PRECISIONS:
            return half_obstacle(op, precision, self.target, self.weights) is None
        return obstacle(op, self.target) is None


def rates_of(target: Target | None) -> Rates:
    """The rates that the cost model uses for a target."""
    return CostModel(target).rates


def with_gains(
    rows: Sequence[Placement], kernels: Mapping[int, Sequence[Operation]], rates: Rates
) -> list[Placement]:
    """`rows` with their gains, where times are known; `kernels` compute each row, by its index."""
    borders = {
        row.index: [
            border for op in kernels.get(row.index, ()) for border in borders_of(op, ended_in(op))
        ]
        for row in rows
    }
    sharing = Counter(border.by for found in borders.values() for border in found)
    return [replace(row, gain_ns=_gain(row, borders[row.index], sharing, rates)) for row in rows]


def _gain(
    row: Placement, borders: Sequence[Border], sharing: Counter[Operation], rates: Rates
) -> float | None:
    if row.precision is None or not {"f32", row.precision} <= row.modelled_ns.keys():
        return None
    converting = sum(conversion_ns(border, rates) / sharing[border.by] for border in borders)
    return row.modelled_ns["f32"] - row.modelled_ns[row.precision] - converting


def conversion_ns(border: Border, rates: Rates) -> float:
    """How long a conversion takes: a kernel of its own, some work of a loop, or more to store."""
    conversion, elements = border.conversion, border.elements
    before, after = ELEMENT_BYTES[conversion.source], ELEMENT_BYTES[conversion.target]
    narrow = conversion.source if before < after else conversion.target
    if not conversion.fused:
        work = conversion_work(elements, narrow, elements * (before + after))
        return nanoseconds(work, rates)
    if isinstance(border.by, LoopOp):
        return elements / rates.conversions[narrow]
    more = max(elements * (after - before), 0)
    return more / rates.bandwidth[rates.level_of(more)]

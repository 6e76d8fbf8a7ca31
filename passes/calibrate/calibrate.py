"""Pass `calibrate`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, f64
from xdsl.dialects.func import FuncOp
from xdsl.ir import BlockArgument, OpResult, SSAValue

from dialects.calibrator import Measured, Method, Range
from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.nn.base import NnOp
from dialects.program import (
    RANGE,
    argument_attributes,
    range_of,
    scheme_of,
    set_argument_attributes,
    set_argument_range,
)
from passes.base import Numerics, OctetPass
from passes.calibrate.measuring.measurement import by_reference, measure, observed_values
from passes.facts import RANGES_KNOWN


@dataclass(frozen=True)
class CalibratePass(OctetPass):
    """Measure the range of every float value on calibration data.

    Before:

        func.func @main(%x : tensor<..> {nn.name = "image"})
          %y = nn.conv %x, %w <..> {layer = "stem"} : ..

    After:

        func.func @main(%x : tensor<..> {nn.name = "image", nn.range = array<f64: -1.0, 1.0>})
          %y = nn.conv %x, %w <..> {layer = "stem", range = array<f64: 0.0, 5.25>} : ..

    Every range holds 0. Constants get none (their contents are known), nor do integers, booleans,
    and values that the model quantizes itself: their parameters are fixed. A value that takes on
    infinities it was given (an attention mask of -inf) gets none either, and cannot become int8.
    A value whose `scheme` fixes a range or scale keeps that; one whose scheme names a method is
    measured by it.

    The values are those of the float program as it stands here. The context's calibrator, if any,
    may know ranges already (from a table file) and measure the others its own way (by compiled
    kernels, in several processes); without one, the reference is run.

    `method` is min-max (the extremes), moving-average (extremes per batch, averaged with
    `momentum`), or, from a histogram of `bins` bins: percentile (the range of `percentile` percent
    of the values), mse, sqnr or entropy (see `thresholds.py`). Batches are
    streamed: memory does not grow with their number.
    """

    name = "calibrate"
    NUMERICS: ClassVar = Numerics.EXACT
    NEEDS_DATA: ClassVar = True
    READS_DATA: ClassVar = True
    ESTABLISHES: ClassVar = frozenset({RANGES_KNOWN})

    method: Literal["min-max", "moving-average", "percentile", "mse", "sqnr", "entropy"] = "sqnr"
    percentile: int | float = 99.99
    momentum: int | float = 0.9
    bins: int = 2048

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self._check_options()
        values = observed_values(module)
        methods = {position: self._method(value) for position, value in enumerate(values)}
        calibrator = ctx.calibrator
        known = {} if calibrator is None else calibrator.known_ranges(module, values, methods)
        methods = {at: method for at, method in methods.items() if at not in known}
        ranges = dict(known)
        if methods or not known:
            if ctx.calibration_data is not None:
                measured = (
                    measured_here(ctx, module, methods)
                    if calibrator is None
                    else calibrator.measure(ctx, module, methods)
                )
                if not measured.batches:
                    raise OctetError(
                        "calibrate: the calibration data holds no batch; give at least one"
                    )
                self.count(ctx, "batches", measured.batches)
                ranges |= measured.ranges
            elif not known:
                raise OctetError(
                    "calibrate: no calibration data was given; pass representative inputs (for "
                    "example --calibration-data inputs.npz, one array per input name)"
                )
        clear_ranges(values)
        write_ranges({values[position]: bounds for position, bounds in ranges.items()})
        if calibrator is not None:
            calibrator.calibrated(module)

    def _check_options(self) -> None:
        if not 50.0 < self.percentile <= 100.0:
            raise OctetError(
                f"calibrate: percentile is above 50 and at most 100, got {self.percentile}"
            )
        if not 0.0 <= self.momentum < 1.0:
            raise OctetError(f"calibrate: momentum is at least 0 and below 1, got {self.momentum}")
        if not 16 <= self.bins <= 2**20:
            raise OctetError(f"calibrate: bins is 16 to 1048576, got {self.bins}")

    def _method(self, value: SSAValue) -> Method:
        """What the value's own scheme says, the rest as the options say."""
        scheme = scheme_of(value)
        name = scheme.calibration_method or self.method
        momentum = self.momentum if scheme.momentum is None else scheme.momentum
        percentile = self.percentile if scheme.percentile is None else scheme.percentile
        return Method(
            name,
            percentile=float(percentile) if name == "percentile" else None,
            momentum=float(momentum) if name == "moving-average" else None,
            bins=None if name in ("min-max", "moving-average") else scheme.bins or self.bins,
        )


def measured_here(ctx: OctetContext, module: ModuleOp, methods: Mapping[int, Method]) -> Measured:
    """By the reference, in this process."""
    assert ctx.calibration_data is not None
    measurement = measure(
        module,
        methods,
        enumerate(ctx.calibration_data()),
        by_reference(module, ctx.weights),
        ctx.watch,
    )
    return Measured(measurement.ranges(), measurement.batches)


def clear_ranges(values: Iterable[SSAValue]) -> None:
    """Forgets what an earlier calibration measured for `values`."""
    for value in values:
        if isinstance(value, BlockArgument):
            function = cast(FuncOp, value.block.parent_op())
            attributes = argument_attributes(function)
            if attributes[value.index].pop(RANGE, None) is not None:
                set_argument_attributes(function, attributes)
        elif isinstance(op := value.owner, NnOp):
            op.range = None


def write_ranges(ranges: Mapping[SSAValue, Range]) -> None:
    """Writes `range` on ops and `nn.range` on arguments.

    A result without a range beside one that has one (the indices of a top-k) gets [0, 0].
    """
    for value, (low, high) in ranges.items():
        if isinstance(value, BlockArgument):
            set_argument_range(value, low, high)
        elif isinstance(value, OpResult) and isinstance(op := value.op, NnOp):
            bounds = [0.0] * 2 * len(op.results)
            for index, result in enumerate(op.results):
                bounds[2 * index : 2 * index + 2] = range_of(result) or (0.0, 0.0)
            bounds[2 * value.index : 2 * value.index + 2] = low, high
            op.range = DenseArrayBase.from_list(f64, bounds)

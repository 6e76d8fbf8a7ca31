"""Pass `calibrate`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, DenseArrayBase, ModuleOp, StringAttr, TensorType, f64
from xdsl.dialects.func import FuncOp
from xdsl.ir import BlockArgument, Operation, OpResult, SSAValue

from dialects.context import Feed, OctetContext
from dialects.elements import dtype_of, is_float
from dialects.errors import OctetError
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.program import (
    DIMS,
    FIXED_SHAPE,
    RANGE,
    argument_attributes,
    body_of,
    input_names,
    main_function,
    range_of,
    scheme_of,
    set_argument_attributes,
    set_argument_range,
)
from passes.base import Numerics, OctetPass
from passes.calibrate.observers import MinMax, MovingAverage, Observer, Optimal, Percentile
from passes.calibrate.thresholds import (
    greatest_sqnr_range,
    least_divergence_range,
    least_squares_range,
)
from passes.dataflow import quantizations
from passes.facts import RANGES_KNOWN
from runtime.reference.evaluate import evaluate


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

    `method` is min-max (the extremes), moving-average (extremes per batch, averaged with
    `momentum`), or, from a histogram of `bins` bins: percentile (the range of `percentile` percent
    of the values), mse, sqnr or entropy (see `passes/calibrate/thresholds.py`). Batches are
    streamed: memory does not grow with their number.
    """

    name = "calibrate"
    NUMERICS: ClassVar = Numerics.EXACT
    NEEDS_DATA: ClassVar = True
    READS_DATA: ClassVar = True
    ESTABLISHES: ClassVar = frozenset({RANGES_KNOWN})

    method: Literal["min-max", "moving-average", "percentile", "mse", "sqnr", "entropy"] = "min-max"
    percentile: int | float = 99.99
    momentum: int | float = 0.9
    bins: int = 2048

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        self._check_options()
        if ctx.calibration_data is None:
            raise OctetError(
                "calibrate: no calibration data was given; pass representative inputs (for "
                "example --calibration-data inputs.npz, one array per input name)"
            )
        observers = {value: self._observer(value) for value in observed_values(module)}
        clear_ranges(observers)
        batches = stream(ctx.calibration_data(), module, ctx, observers)
        if not batches:
            raise OctetError("calibrate: the calibration data holds no batch; give at least one")
        self.count(ctx, "batches", batches)
        write_ranges(observers)

    def _check_options(self) -> None:
        if not 50.0 < self.percentile <= 100.0:
            raise OctetError(
                f"calibrate: percentile is above 50 and at most 100, got {self.percentile}"
            )
        if not 0.0 <= self.momentum < 1.0:
            raise OctetError(f"calibrate: momentum is at least 0 and below 1, got {self.momentum}")
        if not 16 <= self.bins <= 2**20:
            raise OctetError(f"calibrate: bins is 16 to 1048576, got {self.bins}")

    def _observer(self, value: SSAValue) -> Observer:
        scheme = scheme_of(value)
        momentum = self.momentum if scheme.momentum is None else scheme.momentum
        percentile = self.percentile if scheme.percentile is None else scheme.percentile
        bins = scheme.bins or self.bins
        match scheme.calibration_method or self.method:
            case "moving-average":
                return MovingAverage(float(momentum))
            case "percentile":
                return Percentile(float(percentile), bins)
            case "mse":
                return Optimal(least_squares_range, bins)
            case "sqnr":
                return Optimal(greatest_sqnr_range, bins)
            case "entropy":
                return Optimal(least_divergence_range, bins)
            case _:
                return MinMax()


def observed_values(module: ModuleOp) -> list[SSAValue]:
    """Arguments and results that get a range, in program order."""
    block = body_of(main_function(module))
    results = [
        result
        for op in block.ops
        if isinstance(op, NnOp) and not isinstance(op, ConstantOp)
        for result in op.results
    ]
    return [
        value
        for value in (*block.args, *results)
        if is_float(element_of_value(value))
        and next(quantizations(value), None) is None
        and not scheme_of(value).is_fixed
    ]


def stream(
    batches: Iterable[Feed],
    module: ModuleOp,
    ctx: OctetContext,
    observers: dict[SSAValue, Observer],
) -> int:
    """Feeds every batch through the program and its values to their observers; counts batches.

    A value that is not finite although its operands are is an error that names the layer. One
    that inherits infinities leaves `observers`.
    """
    function = main_function(module)
    fixed = FIXED_SHAPE in module.attributes
    known_constants: set[SSAValue] = set()
    infinite: set[SSAValue] = set()
    count = 0
    for index, feed in enumerate(batches):
        check_feed(function, feed, index, fixed)

        def observe(value: SSAValue, array: np.ndarray, index: int = index) -> None:
            if array.dtype.kind != "f" or not array.size or value in known_constants:
                return
            if isinstance(value.owner, ConstantOp):
                known_constants.add(value)
            if not np.isfinite(array).all():
                _check_inherited(value, array, index, infinite)
                infinite.add(value)
                observers.pop(value, None)
            elif value in observers:
                observers[value].update(array)
                if ctx.watch is not None:
                    ctx.watch(value, array)

        evaluate(module, feed, ctx.weights, observe)
        count += 1
    return count


def _check_inherited(
    value: SSAValue, array: np.ndarray, batch: int, infinite: AbstractSet[SSAValue]
) -> None:
    op = cast(Operation, value.owner)
    has_nan = bool(np.isnan(array).any())
    inherited = isinstance(op, ConstantOp) or any(operand in infinite for operand in op.operands)
    if has_nan or not inherited:
        raise OctetError(
            f"calibrate: layer '{op.source_name if isinstance(op, NnOp) else op.name}' gives "
            f"{'NaN' if has_nan else 'Inf'} on calibration batch {batch}; check the preprocessing "
            "of the data and the weights of this layer"
        )


def check_feed(function: FuncOp, feed: Feed, batch: int, fixed: bool) -> None:
    """Raises OctetError, naming input and batch, for data that does not fit the program."""
    names = input_names(function)
    where = f"calibrate: batch {batch}"
    unknown, missing = sorted(set(feed) - set(names)), [name for name in names if name not in feed]
    if unknown or missing:
        wrong = f"lacks input '{missing[0]}'" if missing else f"has unknown input '{unknown[0]}'"
        raise OctetError(f"{where} {wrong}; the program's inputs are {', '.join(names)}")
    for name, argument, attributes in zip(
        names, body_of(function).args, argument_attributes(function), strict=True
    ):
        array = np.asarray(feed[name])
        dtype = dtype_of(element_of_value(argument))
        if array.dtype != dtype:
            raise OctetError(f"{where}: input '{name}' should be {dtype}, got {array.dtype}")
        free = _free_dimensions(cast(TensorType, argument.type), attributes.get(DIMS), fixed)
        expected = shape_of(argument)
        fits = array.ndim == len(expected) and all(
            may_vary or size == wanted
            for may_vary, size, wanted in zip(free, array.shape, expected, strict=True)
        )
        if not fits:
            wanted = [
                "any" if may_vary else size for may_vary, size in zip(free, expected, strict=True)
            ]
            raise OctetError(
                f"{where}: input '{name}' should have shape {wanted}, got {list(array.shape)}"
            )
        if not array.size:
            raise OctetError(f"{where}: input '{name}' is empty, shape {list(array.shape)}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise OctetError(f"{where}: input '{name}' holds NaN or Inf")


def _free_dimensions(type: TensorType, dims: object, fixed: bool) -> list[bool]:
    """Which dimensions of an input may differ from its type: the symbolic ones.

    Hand-written programs without `nn.dims` may vary in the first dimension, the batch.
    """
    rank = len(type.get_shape())
    if fixed:
        return [False] * rank
    if isinstance(dims, ArrayAttr):
        return [isinstance(name, StringAttr) and bool(name.data) for name in dims]
    return [index == 0 for index in range(rank)]


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


def write_ranges(observers: Mapping[SSAValue, Observer]) -> None:
    """Writes `range` on ops and `nn.range` on arguments.

    A result without a range beside one that has one (the indices of a top-k) gets [0, 0].
    """
    for value, observer in observers.items():
        low, high = observer.range()
        if isinstance(value, BlockArgument):
            set_argument_range(value, low, high)
        elif isinstance(value, OpResult) and isinstance(op := value.op, NnOp):
            bounds = [0.0] * 2 * len(op.results)
            for index, result in enumerate(op.results):
                bounds[2 * index : 2 * index + 2] = range_of(result) or (0.0, 0.0)
            bounds[2 * value.index : 2 * value.index + 2] = low, high
            op.range = DenseArrayBase.from_list(f64, bounds)

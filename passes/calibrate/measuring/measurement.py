"""Measuring the values of a program on batches: the whole data, or a part that is merged later."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from dialects.calibrator import Method, Range
from dialects.context import Feed
from dialects.elements import is_float
from dialects.errors import OctetError
from dialects.nn.base import NnOp, element_of_value
from dialects.nn.constant import ConstantOp
from dialects.program import FIXED_SHAPE, body_of, main_function, scheme_of
from dialects.weights import WeightStore
from passes.calibrate.measuring.feeds import check_feed
from passes.calibrate.measuring.observers import observer_of
from passes.calibrate.measuring.trajectory import Trajectory
from passes.dataflow import quantizations
from runtime.reference.evaluate import evaluate

Observe = Callable[[SSAValue, np.ndarray], None]
Evaluate = Callable[[Feed, Observe], object]
"""Runs a program on a batch and shows every float value as it is computed, constants included.

An array may be a window onto memory that is used again: it is only looked at.
"""


def observed_values(module: ModuleOp) -> list[SSAValue]:
    """Arguments and results that get a range from data, in program order."""
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


def by_reference(module: ModuleOp, weights: WeightStore) -> Evaluate:
    """The reference arithmetic, which runs every program."""
    return lambda feed, observe: evaluate(module, feed, weights, observe)


@dataclass
class Measurement:
    """What was seen, by position among `observed_values`. Parts of the data, measured in any
    order and anywhere, merge to what the whole gives, bit for bit."""

    seen: dict[int, Trajectory] = field(default_factory=dict[int, Trajectory])
    infinite: set[int] = field(default_factory=set[int])
    """Values that took on infinities they were given: they get no range."""
    batches: int = 0

    def merge(self, other: Measurement) -> None:
        for position, trajectory in other.seen.items():
            if position in self.seen:
                self.seen[position].merge(trajectory)
            else:
                self.seen[position] = trajectory
        self.infinite |= other.infinite
        self.batches += other.batches

    def ranges(self) -> dict[int, Range]:
        """By position, in order."""
        return {
            position: self.seen[position].range()
            for position in sorted(self.seen)
            if position not in self.infinite
        }


def measure(
    module: ModuleOp,
    methods: Mapping[int, Method],
    batches: Iterable[tuple[int, Feed]],
    evaluate: Evaluate,
    watch: Observe | None = None,
) -> Measurement:
    """Runs numbered batches and measures the values at the positions of `methods`.

    Raises OctetError for a batch that does not fit the program, and for a value that is not finite
    although its operands are, naming the layer. `watch` sees every finite array that is measured.
    """
    function = main_function(module)
    fixed = FIXED_SHAPE in module.attributes
    values = observed_values(module)
    positions = {values[position]: position for position in methods}
    measurement = Measurement()
    constants: dict[SSAValue, bool] = {}

    for index, feed in batches:
        check_feed(function, feed, index, fixed)
        infinite = {value for value, finite in constants.items() if not finite}

        def observe(
            value: SSAValue,
            array: np.ndarray,
            index: int = index,
            infinite: set[SSAValue] = infinite,
        ) -> None:
            if array.dtype.kind != "f" or not array.size or value in constants:
                return
            low, high = float(array.min()), float(array.max())
            finite = bool(np.isfinite(low) and np.isfinite(high))  # NaN spreads to both
            if isinstance(value.owner, ConstantOp):
                constants[value] = finite
            position = positions.get(value)
            if not finite:
                _check_inherited(value, array, index, infinite)
                infinite.add(value)
                if position is not None:
                    measurement.infinite.add(position)
            elif position is not None:
                if position not in measurement.seen:
                    fresh = partial(observer_of, methods[position])
                    measurement.seen[position] = Trajectory(fresh)
                measurement.seen[position].add(array, low, high, index)
                if watch is not None:
                    watch(value, array)

        evaluate(feed, observe)
        measurement.batches += 1
    return measurement


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

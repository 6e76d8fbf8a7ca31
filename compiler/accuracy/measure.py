"""The error of every value: float and quantized program run side by side, sample by sample.

Two experiments give two figures for each value.

- *As deployed* (propagated): the quantized program runs as it is, so an error holds those of all
  layers before.
- *Alone* (isolated): each layer gets the float program's values as they are stored for it, and is
  held against the float layer on the same values. So the error is this layer's own, from its
  weights and its result; rounding its inputs counts where they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import ReturnOp
from xdsl.ir import SSAValue

from compiler.accuracy.decibels import Decibels, decibels
from compiler.accuracy.pairs import Placed, quantized_values
from compiler.calibration.data import input_specs
from compiler.quantized_io import real_outputs, stored_feeds
from dialects.context import Feed
from dialects.nn.base import element_of_value
from dialects.program import body_of, input_names, main_function
from dialects.quant import UniformQuantizedType
from dialects.weights import WeightStore
from runtime.reference.evaluate import evaluate, evaluate_op, one_blas_thread, params_of
from runtime.reference.precision import is_float
from runtime.reference.quantization import dequantize, quantize


@dataclass
class Error:
    """Sums of squares and of products, over all elements that are finite on both sides."""

    signal: float = 0.0
    noise: float = 0.0
    product: float = 0.0
    power: float = 0.0

    def add(self, expected: np.ndarray, actual: np.ndarray) -> None:
        with np.errstate(invalid="ignore"):
            before, after = expected.astype(np.float64), actual.astype(np.float64)
            # Infinities (of an attention mask) have no error.
            finite = np.isfinite(before) & np.isfinite(after)
        before, after = before[finite], after[finite]
        self.signal += float(np.square(before).sum())
        self.noise += float(np.square(before - after).sum())
        self.product += float(np.dot(before, after))
        self.power += float(np.square(after).sum())

    @property
    def decibels(self) -> Decibels:
        return decibels(self.signal, self.noise)

    @property
    def cosine(self) -> float | None:
        """Cosine similarity of the two; None if one of them is all zero."""
        if self.signal == 0.0 or self.power == 0.0:
            return None
        return self.product / float(np.sqrt(self.signal) * np.sqrt(self.power))


@dataclass
class Storage:
    """How a quantized type takes a value: the float program's numbers, rounded to it.

    `levels` counts them by stored integer, from the least on; `beyond` those that lie outside by
    more than half a step, whose errors `clipped` sums up; `noise` is the error of all. `least` and
    `greatest` are the float program's extremes.
    """

    type: UniformQuantizedType
    levels: np.ndarray
    beyond: int = 0
    clipped: float = 0.0
    noise: float = 0.0
    least: float = 0.0
    greatest: float = 0.0

    @classmethod
    def of(cls, type: UniformQuantizedType) -> Storage:
        low, high = type.limits
        return cls(type, np.zeros(high - low + 1, np.int64))

    @property
    def saturated(self) -> float:
        """The share of values that the type cannot hold."""
        count = int(self.levels.sum())
        return self.beyond / count if count else 0.0

    def span(self, share: float) -> float:
        """The part of the type's levels, from 0 to 1, between which `share` of the values lie, as
        many left out below as above."""
        below = np.cumsum(self.levels)
        outside = (1.0 - share) / 2.0 * below[-1]
        first = int(np.searchsorted(below, outside, side="right"))
        last = int(np.searchsorted(below, below[-1] - outside, side="left"))
        return (last - first + 1) / len(self.levels)

    def add(self, expected: np.ndarray) -> np.ndarray:
        """Counts an array; returns it as it is stored."""
        params = params_of(self.type)
        stored = quantize(expected, params)
        real = dequantize(stored, params).astype(np.float64)
        error = np.square(expected.astype(np.float64) - real)
        step = float(np.max(params.scale))
        beyond = ((stored == params.qmin) | (stored == params.qmax)) & (error > (0.51 * step) ** 2)
        self.levels += np.bincount(
            stored.astype(np.int64).ravel() - params.qmin, minlength=len(self.levels)
        )
        self.beyond += int(np.count_nonzero(beyond))
        self.clipped += float(error[beyond].sum())
        self.noise += float(error.sum())
        self.least = min(self.least, float(expected.min(initial=0.0)))
        self.greatest = max(self.greatest, float(expected.max(initial=0.0)))
        return stored


@dataclass
class ValueErrors:
    """What was measured of one value."""

    deployed: Error = field(default_factory=Error)
    alone: Error = field(default_factory=Error)
    storage: Storage | None = None


@dataclass
class Accuracy:
    """Errors by value id and, as deployed, by the names of outputs, over `samples` samples."""

    samples: int = 0
    values: dict[int, ValueErrors] = field(default_factory=dict[int, ValueErrors])
    outputs: dict[str, Error] = field(default_factory=dict[str, Error])


def single_samples(batches: Iterable[Feed], module: ModuleOp) -> Iterator[Feed]:
    """Batches cut into single samples where the program takes any batch size: one sample's
    values are held in memory, not a batch's."""
    free = all(spec.free_batch and spec.shape for spec in input_specs(module))
    for batch in batches:
        if not free:
            yield batch
            continue
        for index in range(min(len(array) for array in batch.values())):
            yield {name: array[index : index + 1] for name, array in batch.items()}


def measure_accuracy(
    placed: Placed,
    quantized: ModuleOp,
    weights: WeightStore,
    samples: Iterable[Feed],
    done: Callable[[], None] = lambda: None,
) -> Accuracy:
    """Compares every value of the placed program, computed in float, with what it has become.

    `quantized` is the program at a stage that the reference arithmetic can run, `quantize` or
    `integer`. `done` is called after each sample.
    """
    pairs = {value: index for index, value in quantized_values(placed, quantized).items()}
    result = Accuracy()
    for feed in samples:
        expected: dict[int, np.ndarray] = {}

        def keep(
            value: SSAValue, array: np.ndarray, expected: dict[int, np.ndarray] = expected
        ) -> None:
            if value in placed.ids and is_float(array.dtype):
                expected[placed.ids[value]] = array

        def compare(
            value: SSAValue, array: np.ndarray, expected: dict[int, np.ndarray] = expected
        ) -> None:
            index = pairs.get(value)
            if index is not None and index in expected:
                real = _real(value, array)
                if real.shape == expected[index].shape:
                    errors = result.values.setdefault(index, ValueErrors())
                    errors.deployed.add(expected[index], real)

        reference = evaluate(placed.module, feed, weights, keep)
        taken = stored_feeds(quantized, feed)
        actual = real_outputs(quantized, evaluate(quantized, taken, weights, compare))
        _measure_alone(placed, quantized, pairs, expected, feed, weights, result.values)
        for name, array in reference.items():
            if is_float(array.dtype):
                result.outputs.setdefault(name, Error()).add(array, actual[name])
        result.samples += 1
        done()
    return result


def _measure_alone(
    placed: Placed,
    quantized: ModuleOp,
    pairs: Mapping[SSAValue, int],
    expected: Mapping[int, np.ndarray],
    feed: Feed,
    weights: WeightStore,
    into: dict[int, ValueErrors],
) -> None:
    stored = {
        value: _stored(value, expected[index], into.setdefault(index, ValueErrors()))
        for value, index in pairs.items()
        if index in expected
    }
    seen = {pairs[value]: _real(value, array) for value, array in stored.items()}

    def keep(value: SSAValue, clean: np.ndarray) -> np.ndarray:
        index = placed.ids.get(value)
        if index is None or index not in seen:
            return clean
        fits = seen[index].shape == clean.shape
        real, seen[index] = seen[index], clean
        return real.astype(clean.dtype) if fits else clean

    _run(placed.module, feed, weights, keep)
    # From here on `seen` holds the float layers' results on stored values.

    def compare(value: SSAValue, array: np.ndarray) -> np.ndarray:
        index = pairs.get(value)
        if index is None or value not in stored or stored[value].shape != array.shape:
            return array
        into[index].alone.add(seen[index], _real(value, array))
        return stored[value].astype(array.dtype)

    _run(quantized, feed, weights, compare)


Replace = Callable[[SSAValue, np.ndarray], np.ndarray]
"""Sees a value as it was computed, and gives what those that use it get."""


def _run(module: ModuleOp, feed: Feed, weights: WeightStore, replace: Replace) -> None:
    """Runs a program op by op, with every value replaced once it is computed."""
    function = main_function(module)
    block = body_of(function)
    taken = stored_feeds(module, feed)
    values: dict[SSAValue, np.ndarray] = {
        argument: replace(argument, np.asarray(taken[name]))
        for argument, name in zip(block.args, input_names(function), strict=True)
    }
    with one_blas_thread():
        for op in block.ops:
            if isinstance(op, ReturnOp):
                return
            operands = [values[operand] for operand in op.operands]
            for value, array in zip(op.results, evaluate_op(op, operands, weights), strict=True):
                values[value] = replace(value, array)


def _stored(value: SSAValue, expected: np.ndarray, errors: ValueErrors) -> np.ndarray:
    """What `value` would hold if it had no error but that of its own type."""
    element = element_of_value(value)
    if not isinstance(element, UniformQuantizedType):
        return expected
    if element.storage.width.data > 8:  # sums: too many levels to count, and never too few
        return quantize(expected, params_of(element))
    if errors.storage is None:
        errors.storage = Storage.of(element)
    return errors.storage.add(expected)


def _real(value: SSAValue, array: np.ndarray) -> np.ndarray:
    """The real numbers that an array of a value stands for."""
    element = element_of_value(value)
    if isinstance(element, UniformQuantizedType):
        return dequantize(array, params_of(element))
    return array

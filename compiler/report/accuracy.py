"""The error of every op: float and quantized program run side by side on calibration samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from compiler.calibration.data import input_specs
from compiler.report.document import Decibels, decibels
from compiler.report.graph import Placed
from compiler.report.values import quantized_values
from dialects.context import Feed
from dialects.nn.base import element_of_value
from dialects.quant import UniformQuantizedType
from dialects.weights import WeightStore
from runtime.reference.evaluate import evaluate, params_of
from runtime.reference.precision import is_float
from runtime.reference.quantization import dequantize


@dataclass
class Accuracy:
    """Signal-to-noise ratios by value id and by the names of outputs, over `samples` samples."""

    samples: int = 0
    values: dict[int, Decibels] = field(default_factory=dict[int, Decibels])
    outputs: dict[str, Decibels] = field(default_factory=dict[str, Decibels])


@dataclass
class _Error:
    """Sums of squares."""

    signal: float = 0.0
    noise: float = 0.0

    def add(self, expected: np.ndarray, actual: np.ndarray) -> None:
        with np.errstate(invalid="ignore"):
            before, after = expected.astype(np.float64), actual.astype(np.float64)
            # Infinities (of an attention mask) have no error.
            finite = np.isfinite(before) & np.isfinite(after)
        self.signal += float(np.square(before[finite]).sum())
        self.noise += float(np.square(before[finite] - after[finite]).sum())

    @property
    def decibels(self) -> Decibels:
        return decibels(self.signal, self.noise)


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
    placed: Placed, quantized: ModuleOp, weights: WeightStore, samples: Iterable[Feed]
) -> Accuracy:
    """Compares every value of the placed program, computed in float, with what it has become."""
    pairs = {value: index for index, value in quantized_values(placed, quantized).items()}
    errors: dict[int, _Error] = {}
    outputs: dict[str, _Error] = {}
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
            if index is None or index not in expected:
                return
            element = element_of_value(value)
            if isinstance(element, UniformQuantizedType):
                array = dequantize(array, params_of(element))
            if array.shape == expected[index].shape:
                errors.setdefault(index, _Error()).add(expected[index], array)

        reference = evaluate(placed.module, feed, weights, keep)
        actual = evaluate(quantized, feed, weights, compare)
        _compare_outputs(reference, actual, outputs)
        result.samples += 1
    result.values = {index: error.decibels for index, error in errors.items()}
    result.outputs = {name: error.decibels for name, error in outputs.items()}
    return result


def _compare_outputs(
    expected: Mapping[str, np.ndarray], actual: Mapping[str, np.ndarray], into: dict[str, _Error]
) -> None:
    for name, array in expected.items():
        if is_float(array.dtype):
            into.setdefault(name, _Error()).add(array, actual[name])

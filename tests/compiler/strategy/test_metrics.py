"""Figures of quality, and what a budget says about them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from compiler.strategy.metrics import Budget, Quality, drop, quality_of

REFERENCE = [{"y": np.array([[3.0, 4.0], [1.0, 0.0]], np.float32)}]


def outputs(*rows: tuple[float, float]) -> list[dict[str, np.ndarray]]:
    return [{"y": np.array(rows, np.float32)}]


def test_equal_outputs_have_no_noise() -> None:
    quality = quality_of(REFERENCE, REFERENCE, np.array([1, 1]))
    assert (quality.noise, quality.sqnr, quality.agreement, quality.accuracy) == (
        0.0, math.inf, 1.0, 50.0,
    )  # fmt: skip


def test_noise_is_power_of_error_over_power_of_signal() -> None:
    quality = quality_of(outputs((3.0, 4.0), (1.0, 2.6)), REFERENCE, None)
    assert quality.noise == pytest.approx(2.6**2 / 26)
    assert quality.sqnr == pytest.approx(10 * math.log10(26 / 2.6**2))
    assert quality.agreement == 0.5
    assert quality.accuracy is None


def test_the_worst_output_counts() -> None:
    reference = [{"a": np.ones((1, 2), np.float32), "b": np.ones((1, 2), np.float32)}]
    actual = [{"a": np.ones((1, 2), np.float32), "b": np.zeros((1, 2), np.float32)}]
    assert quality_of(actual, reference, None).noise == 1.0


def test_an_output_that_is_not_finite_is_infinite_noise() -> None:
    quality = quality_of(outputs((math.nan, 4.0), (1.0, 0.0)), REFERENCE, None)
    assert quality.sqnr == -math.inf
    assert Budget("min-sqnr", 10).excess(quality, quality) == math.inf


def test_infinities_of_the_float_program_are_no_error() -> None:
    reference = outputs((-math.inf, 4.0), (1.0, 0.0))
    assert quality_of(reference, reference, None).noise == 0.0


def test_labels_run_on_over_batches() -> None:
    batches = [*outputs((0.0, 1.0)), *outputs((1.0, 0.0), (0.0, 1.0))]
    assert quality_of(batches, batches, np.array([1, 0, 0])).correct == 2


@pytest.mark.parametrize(
    ("kind", "limit", "excess"),
    [
        ("max-drop", 2.0, 0.0), ("max-drop", 1.5, 0.5),
        ("min-sqnr", 30.0, 0.0), ("min-sqnr", 31.0, 1.0),
        ("min-agreement", 0.97, 0.0), ("min-agreement", 0.98, 0.01),
    ],
)  # fmt: skip
def test_budgets(kind: str, limit: float, excess: float) -> None:
    reference = Quality(100, 0.0, 100, 90)
    quality = Quality(100, 1e-3, 97, 88)
    assert drop(quality, reference) == pytest.approx(2.0)
    assert Budget(kind, limit).excess(quality, reference) == pytest.approx(excess)

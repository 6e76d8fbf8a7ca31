"""Rounding by second moments, beside every rounding there is."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from passes.quantize.correction.moments import Moments, centred
from passes.quantize.correction.second_order import damped, excess, missing, nearest_plane, refitted

LOW, HIGH = -127, 127


def errors(rounded: np.ndarray, target: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    """(q - u)^T H (q - u), [G, O]."""
    difference = rounded - target
    return np.sum((hessian @ difference) * difference, axis=1)


def problem(
    seed: int, inputs: int, outputs: int = 1, groups: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Targets and the moments of inputs that share a common part."""
    random = np.random.default_rng(seed)
    common = random.normal(size=(groups, 1, 4 * inputs))
    x = random.normal(size=(groups, inputs, 4 * inputs)) + 2.0 * common
    return 5.0 * random.normal(size=(groups, inputs, outputs)), x @ x.swapaxes(1, 2)


def best_of_all(target: np.ndarray, hessian: np.ndarray) -> float:
    """The least error of one channel among all integers within two steps."""
    roundings = np.array(list(product(range(-2, 3), repeat=target.shape[1])), np.float64)
    candidates = np.rint(target[0]) + roundings.T
    return float(errors(candidates[None], target, hessian).min())


def test_comes_near_the_best_of_all_roundings() -> None:
    nearest, together, best = [], [], []
    for seed in range(100):
        target, hessian = problem(seed, inputs=4)
        nearest.append(errors(np.rint(target), target, hessian).sum())
        together.append(errors(nearest_plane(target, hessian, LOW, HIGH), target, hessian).sum())
        best.append(best_of_all(target, hessian))
    assert all(found >= least * (1 - 1e-9) for found, least in zip(together, best, strict=True))
    assert np.sum(together) < 1.15 * np.sum(best)
    assert np.sum(nearest) > 1.5 * np.sum(best)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 150), st.integers(1, 3), st.integers(1, 3))
def test_keeps_the_bound_of_the_nearest_plane(
    seed: int, inputs: int, outputs: int, groups: int
) -> None:
    """Half a step along each Gram-Schmidt direction, taken in the order of the moments (Babai
    1986); blocks and groups change nothing."""
    target, hessian = problem(seed, inputs, outputs, groups)
    hessian = damped(hessian, 0.01)
    rounded = nearest_plane(target, hessian, LOW, HIGH)
    assert np.array_equal(rounded, np.rint(rounded))
    for group in range(groups):
        order = np.argsort(np.diag(hessian[group]), kind="stable")
        factor = np.linalg.cholesky(hessian[group][np.ix_(order, order)])
        bound = np.sum(np.diag(factor) ** 2) / 4
        assert errors(rounded, target, hessian)[group].max() <= bound * (1 + 1e-9)


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 100))
def test_uncorrelated_inputs_are_rounded_to_the_nearest(seed: int, inputs: int) -> None:
    random = np.random.default_rng(seed)
    target = 5.0 * random.normal(size=(1, inputs, 2))
    hessian = np.diag(random.uniform(0.5, 2.0, inputs))[None]
    assert np.array_equal(nearest_plane(target, hessian, LOW, HIGH), np.rint(target))


def test_stays_within_the_storage_range_and_makes_up_for_clipping() -> None:
    """Two inputs that are always equal: what the one cannot express, the next one takes."""
    hessian = damped(np.ones((1, 2, 2)), 1e-3)
    target = np.array([[[2.0], [10.0]]])
    rounded = nearest_plane(target, hessian, -7, 7)
    assert np.abs(rounded).max() <= 7
    assert rounded[0].tolist() == [[5.0], [7.0]]


def test_inputs_without_data_are_rounded_to_the_nearest() -> None:
    target = np.array([[[0.4], [2.6]], [[1.2], [-3.7]]])
    hessian = damped(np.zeros((2, 2, 2)), 0.01)
    assert np.array_equal(nearest_plane(target, hessian, LOW, HIGH), np.rint(target))


def folds(x: np.ndarray, t: np.ndarray) -> tuple[Moments, Moments]:
    """Moments of the even and the odd positions of x [K, P] and t [O, P]."""
    halves = []
    for part in (slice(0, None, 2), slice(1, None, 2)):
        moments = Moments.zeros(1, len(x), len(t))
        moments.add(x[None, :, part], t[None, :, part])
        halves.append(moments)
    return halves[0], halves[1]


def test_refits_weights_to_inputs_that_were_distorted() -> None:
    random = np.random.default_rng(0)
    weight = random.normal(size=(1, 6, 3))
    x = random.normal(size=(6, 2000))
    t = weight[0].T @ x
    distorted = np.clip(x, -1.0, 1.0)
    halves = folds(distorted, t)
    found = refitted(weight, halves)
    moments = halves[0] + halves[1]
    change = excess(found - weight, missing(weight, moments), moments.xx)
    before = np.sum((t - weight[0].T @ distorted) ** 2, axis=1)
    after = np.sum((t - found[0].T @ distorted) ** 2, axis=1)
    np.testing.assert_allclose(change[0], after - before, rtol=1e-6)
    assert np.all(after < 0.8 * before)


def test_does_not_refit_to_noise() -> None:
    """Fewer positions than inputs: every half can be fitted, and none tells about the other."""
    random = np.random.default_rng(0)
    weight = random.normal(size=(1, 64, 3))
    x = random.normal(size=(64, 40))
    t = weight[0].T @ x + random.normal(size=(3, 40))
    assert np.array_equal(refitted(weight, folds(x, t)), weight)


def test_moments_about_the_means() -> None:
    random = np.random.default_rng(0)
    x, t = random.normal(3.0, 1.0, size=(1, 4, 50)), random.normal(-2.0, 1.0, size=(1, 2, 50))
    parts = Moments.zeros(1, 4, 2), Moments.zeros(1, 4, 2)
    parts[0].add(x[:, :, :20], t[:, :, :20])
    parts[1].add(x[:, :, 20:], t[:, :, 20:])
    x0, t0 = x - x.mean(axis=2, keepdims=True), t - t.mean(axis=2, keepdims=True)
    first, second = centred(parts)
    both = first + second
    np.testing.assert_allclose(both.xx, x0 @ x0.swapaxes(1, 2))
    np.testing.assert_allclose(both.tx, t0 @ x0.swapaxes(1, 2))
    np.testing.assert_allclose(both.x, 0.0, atol=1e-9)
    early, wanted = x0[:, :, :20], t0[:, :, :20]
    np.testing.assert_allclose(first.tx, wanted @ early.swapaxes(1, 2))
    np.testing.assert_allclose(first.xx, early @ early.swapaxes(1, 2))


def test_no_data_has_no_moments() -> None:
    first, _ = centred((Moments.zeros(1, 4, 2), Moments.zeros(1, 4, 2)))
    assert not first.xx.any()

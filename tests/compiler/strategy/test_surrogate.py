"""The model that proposes placements: sums that agree with one another, and minima that are."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from compiler.driver import Compilation, CompileRequest
from compiler.strategy.builder import Builder
from compiler.strategy.sensitivity import all_but, alone, experiments, sensitivities
from compiler.strategy.surrogate import Surrogate, random_start, surrogate_of, with_precision
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp


class Costs:
    """A microsecond per byte of an element, and half of one for each conversion."""

    def op_ns(self, op: NnOp, precision: Precision) -> float:
        return {Precision.INT8: 1e3, Precision.F32: 4e3}.get(precision, 2e3)

    def conversion_ns(self, value: object, before: Precision, after: Precision) -> float:
        return 0.0 if before is after else 500.0


@pytest.fixture(scope="module")
def builder(model: Path, data: Path) -> Builder:
    compilation = Compilation(CompileRequest(model, data, stop_after="calibrate"), ())
    compilation.run()
    return Builder.of(compilation)


@pytest.fixture(scope="module")
def surrogate(builder: Builder) -> Surrogate:
    random = np.random.default_rng(0)
    noise = {
        (index, precision): float(random.uniform(0.5, 1.5)) * scale
        for index in range(len(builder.space.choices))
        for precision, scale in (
            (Precision.INT8, 1e-3), (Precision.BF16, 1e-5), (Precision.F16, 1e-7),
        )
    }  # fmt: skip
    return surrogate_of(builder.module, builder.space, Costs(), noise)


def test_choices_are_the_ops_that_compute(builder: Builder) -> None:
    found = [(choice.selector, choice.op) for choice in builder.space.choices]
    assert found == [
        ("name:stem", "conv"), ("name:body", "conv"), ("name:pool", "reduce_mean"),
        ("name:head", "matmul"),
    ]  # fmt: skip
    assert all(set(choice.precisions) == set(Precision) for choice in builder.space.choices)


def test_latency_counts_each_conversion_once(surrogate: Surrogate) -> None:
    """int8, bf16, f32: the input and both borders; the residual needs no conversion of its own."""
    space = surrogate.space
    assert surrogate.latency(space.uniform(Precision.F32)) == 16e3
    assert surrogate.latency(space.uniform(Precision.INT8)) == 4e3 + 2 * 500
    mixed = (Precision.INT8, Precision.BF16, Precision.F32, Precision.F32)
    assert surrogate.latency(mixed) == 1e3 + 2e3 + 8e3 + 3 * 500


def test_a_part_changes_as_the_whole_does(surrogate: Surrogate) -> None:
    random = np.random.default_rng(1)
    price = 1e6
    for _ in range(100):
        before = random_start(surrogate.space, random)
        group = tuple(random.permutation(4)[: int(random.integers(1, 4))].tolist())
        after = with_precision(before, group, Precision(random.choice(list(Precision))))
        whole = surrogate.latency(after) - surrogate.latency(before)
        whole += price * (surrogate.noise(after) - surrogate.noise(before))
        part = surrogate.local_cost(group, after, price)
        part -= surrogate.local_cost(group, before, price)
        assert part == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("price", [0.0, 1e5, 1e6, 1e7, 1e8, 1e9, 1e12])
def test_descent_finds_the_minimum(surrogate: Surrogate, price: float) -> None:
    space = surrogate.space

    def total(assignment: tuple[Precision, ...]) -> float:
        return surrogate.latency(assignment) + price * surrogate.noise(assignment)

    found = surrogate.minimum([space.uniform(precision) for precision in Precision], price)
    everything = itertools.product(*(choice.precisions for choice in space.choices))
    assert total(found) == pytest.approx(min(map(total, everything)))


def test_sensitivities_of_noise_that_adds(builder: Builder) -> None:
    """Both experiments agree where noise is a sum, so the mean is what each op adds."""
    space = builder.space
    shares = {Precision.INT8: 1e-3, Precision.BF16: 1e-5, Precision.F16: 1e-7, Precision.F32: 0.0}
    noise = {
        assignment: sum((1 + index) * shares[given] for index, given in enumerate(assignment))
        for assignment in experiments(space)
    }
    found = sensitivities(space, noise)
    for (index, precision), value in found.items():
        assert value == pytest.approx((1 + index) * shares[precision])
    assert len(found) == 3 * len(space.choices)


def test_missing_experiments_share_what_is_known(builder: Builder) -> None:
    space = builder.space
    found = sensitivities(
        space, {space.uniform(Precision.INT8): 8e-3, alone(space, 1, Precision.INT8): 5e-3}
    )
    assert found[0, Precision.INT8] == 2e-3
    assert found[1, Precision.INT8] == 5e-3
    assert found[0, Precision.BF16] == 0.0
    assert all_but(space, 1)[1] is Precision.F32

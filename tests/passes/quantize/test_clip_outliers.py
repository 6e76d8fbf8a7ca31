"""Ranges shrunk where the results of layers become more exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.errors import OctetError
from dialects.nn.elementwise import GeluOp
from dialects.nn.linear import MatmulOp
from dialects.program import body_of, main_function, range_of
from dialects.quant import QuantizeCastOp
from passes.calibrate.calibrate import CalibratePass
from passes.dataflow import element_of_quantized
from passes.placement.place_precision import PlacePrecisionPass
from passes.quantize.clip_outliers import SHARES, ClipOutliersPass, least_range
from passes.quantize.correct_bias import CorrectBiasPass
from passes.quantize.insert_qdq import InsertQdqPass
from passes.quantize.parameters import activation_element

QUANTIZE = (CalibratePass(), PlacePrecisionPass(), InsertQdqPass())
CLIP = ClipOutliersPass(samples=64)


def heavy_tailed(network: Callable[..., Any], seed: int = 0) -> Any:
    """Two layers; the data hold a few values far out in a feature that hardly counts, and
    calibration sees them as well."""
    net = network((1, 16), seed)
    weight = net.random.normal(size=(16, 32)) / 4
    weight[5] *= 1e-3
    x = net.op(MatmulOp, net.x, net.constant(weight), layer="a")
    net.outputs(net.dense(x, 8, "b"))
    net.calibrate_on([spiked(net, s) for s in range(100, 104)])
    return net


def spiked(net: Any, seed: int, batch: int = 64) -> np.ndarray:
    x = net.noise(seed, batch)
    x[3, 5] = 30.0
    return x


def steep(network: Callable[..., Any]) -> Any:
    """A layer with results far below 0, a GELU, which is flat there, and another layer."""
    net = network((1, 16))
    weight = net.random.normal(size=(16, 32)) * 2
    x = net.op(MatmulOp, net.x, net.constant(weight), layer="a")
    shifted = net.op(GeluOp, x, approximate="none", layer="gelu")
    net.outputs(net.dense(shifted, 8, "b"))
    net.calibrate_on([net.noise(seed, 64) for seed in range(100, 104)])
    return net


def casts(net: Any) -> list[QuantizeCastOp]:
    block = body_of(main_function(net.module))
    return [op for op in block.ops if isinstance(op, QuantizeCastOp)]


def test_helps_where_a_few_values_lie_far_out(
    network: Callable[..., Any], sqnr: Callable[[np.ndarray, np.ndarray], float]
) -> None:
    real = heavy_tailed(network)
    x = real.noise(7, 256)
    (expected,) = real.run(x)
    plain = heavy_tailed(network).apply(*QUANTIZE)
    clipped = heavy_tailed(network).apply(*QUANTIZE, CLIP)
    assert sqnr(expected, clipped.run(x)[0]) > sqnr(expected, plain.run(x)[0]) + 2


def test_cuts_off_where_the_next_op_is_flat(network: Callable[..., Any]) -> None:
    """The error of the tensor alone would grow."""
    net = steep(network).apply(*QUANTIZE)
    before = range_of(net.layers()["a"].results[0])
    net.apply(ClipOutliersPass(samples=64, weights=False))
    after = range_of(net.layers()["a"].results[0])
    assert before is not None
    assert after is not None
    assert before[0] < -8
    assert after[0] > 0.7 * before[0]


def test_types_and_ranges_agree(network: Callable[..., Any]) -> None:
    net = heavy_tailed(network).apply(*QUANTIZE, CLIP)
    changed = 0
    for cast in casts(net):
        bounds = range_of(cast.input)
        assert bounds is not None
        assert element_of_quantized(cast.result) == activation_element(*bounds, "u8")
        changed += bounds[1] < 29
    assert changed


@given(
    low=st.floats(-100, 0),
    high=st.floats(0, 100),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=50, deadline=None)
def test_a_range_never_grows_and_its_error_never_does(low: float, high: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    costs: dict[tuple[float, float], float] = {}

    def error(*bounds: float) -> float:
        return costs.setdefault((bounds[0], bounds[1]), float(random.uniform()))

    chosen = least_range((low, high), error)
    assert low <= chosen[0] <= 0 <= chosen[1] <= high
    assert costs[chosen] <= costs[low, high]
    assert len(costs) <= 2 * len(SHARES)


@given(seed=st.integers(0, 500))
@settings(max_examples=8, deadline=None)
def test_scales_of_weights_only_shrink_and_results_come_nearer(
    network: Callable[..., Any], seed: int
) -> None:
    """On the data that were used, layer by layer."""
    plain = heavy_tailed(network, seed).apply(*QUANTIZE)
    clipped = heavy_tailed(network, seed).apply(*QUANTIZE)
    clipped.apply(ClipOutliersPass(samples=256, activations=False))
    for name in ("a", "b"):
        elements, errors = [], []
        for net in (plain, clipped):
            constant = net.layers()[name].operands[1].owner.input.owner
            element = element_of_quantized(constant.result)
            scales = np.array(element.scales.get_values())
            weight = net.ctx.weights[constant.origin.digest.data].astype(np.float64)
            elements.append(scales)
            errors.append(constant.array(net.ctx.weights) * scales - weight)
        assert np.all(elements[1] <= elements[0])
        if name == "a":
            x = np.concatenate([feed["x"] for feed in plain.ctx.calibration_data()])
            before, after = (np.square(x.astype(np.float64) @ e).sum(0) for e in errors)
            assert np.all(after <= before * (1 + 1e-6))


def test_twice_is_once(network: Callable[..., Any]) -> None:
    net = heavy_tailed(network).apply(*QUANTIZE, CLIP)
    text = net.text()
    assert net.apply(CLIP).text() == text
    assert heavy_tailed(network).apply(*QUANTIZE, CLIP).text() == text


def test_goes_before_bias_correction(
    network: Callable[..., Any], sqnr: Callable[[np.ndarray, np.ndarray], float]
) -> None:
    """Which takes up what cutting off does to means."""
    real = heavy_tailed(network)
    x = spiked(real, 9, 256)
    (expected,) = real.run(x)
    both = heavy_tailed(network).apply(*QUANTIZE, CLIP, CorrectBiasPass(samples=256))
    plain = heavy_tailed(network).apply(*QUANTIZE)
    assert sqnr(expected[4:], both.run(x)[0][4:]) > sqnr(expected[4:], plain.run(x)[0][4:])


def test_says_what_is_missing(network: Callable[..., Any]) -> None:
    net = heavy_tailed(network).apply(*QUANTIZE)
    text = net.text()
    assert net.apply(ClipOutliersPass(samples=0)).text() == text
    with pytest.raises(OctetError, match="samples is at least 0, got -1"):
        net.apply(ClipOutliersPass(samples=-1))
    net.ctx.calibration_data = None
    with pytest.raises(OctetError, match="no calibration data was given"):
        net.apply(CLIP)

"""Channels between two layers, equalized: the float program stays, int8 gets better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.errors import OctetError
from dialects.nn.attributes import ActivationAttr
from dialects.nn.elementwise import ReluOp, SigmoidOp
from dialects.nn.movement import ConcatOp, ReshapeOp
from dialects.nn.pooling import MaxPoolOp
from dialects.program import range_of
from passes.calibrate.calibrate import CalibratePass
from passes.calibrate.equalize_channels import EQUALIZED, EqualizeChannelsPass
from passes.calibrate.rescaling.rescale import input_magnitudes, output_magnitudes, weight_array
from passes.placement.place_precision import PlacePrecisionPass
from passes.quantize.insert_qdq import InsertQdqPass
from tests.passes.calibrate.imbalance import uneven

PER_TENSOR = (CalibratePass(), PlacePrecisionPass(), InsertQdqPass(per_channel=False))
PER_CHANNEL = (CalibratePass(), PlacePrecisionPass(), InsertQdqPass())


def chain(network: Callable[..., Any], seed: int = 0, decades: float = 1.0) -> Any:
    """conv, depthwise, conv, whose channels differ by factors that cancel in the next layer."""
    net = network((1, 4, 8, 8), seed)
    x = net.conv(net.x, 8, 3, "a", relu=True)
    x = net.conv(x, 8, 3, "dw", relu=True, groups=8)
    net.outputs(net.conv(x, 6, 1, "b"))
    return uneven(net, ("a", "dw", "b"), decades, seed)


def spread(net: Any, layer: str, magnitudes: Callable[..., np.ndarray]) -> np.ndarray:
    op = net.layers()[layer]
    return magnitudes(op, weight_array(op, net.ctx.weights))


@pytest.mark.parametrize("by", ["weights", "activations"])
@given(seed=st.integers(0, 1000), decades=st.floats(0.0, 3.0))
@settings(max_examples=10, deadline=None)
def test_the_float_program_stays(
    network: Callable[..., Any], by: Any, seed: int, decades: float
) -> None:
    net = chain(network, seed, decades)
    (expected,) = net.run()
    (actual,) = net.apply(EqualizeChannelsPass(by=by)).run()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_ranges_of_weights_agree_along_a_chain(network: Callable[..., Any]) -> None:
    net = chain(network, decades=2.0)
    before = spread(net, "a", output_magnitudes) / spread(net, "dw", input_magnitudes)
    assert before.max() / before.min() > 10
    net.apply(EqualizeChannelsPass())
    for first, second in (("a", "dw"), ("dw", "b")):
        ranges = spread(net, first, output_magnitudes), spread(net, second, input_magnitudes)
        np.testing.assert_allclose(*ranges, rtol=1e-3)


def test_helps_weights_of_one_scale(
    network: Callable[..., Any], sqnr: Callable[[np.ndarray, np.ndarray], float]
) -> None:
    """As in the paper's section 3.1: weights that differ from channel to channel."""
    (expected,) = chain(network, decades=2.0).run()
    plain = chain(network, decades=2.0).apply(*PER_TENSOR)
    equalized = chain(network, decades=2.0).apply(EqualizeChannelsPass(), *PER_TENSOR)
    assert sqnr(expected, equalized.run()[0]) > sqnr(expected, plain.run()[0]) + 10


def test_by_activations_helps_weights_of_a_scale_per_channel(
    network: Callable[..., Any], sqnr: Callable[[np.ndarray, np.ndarray], float]
) -> None:
    (expected,) = chain(network, decades=2.0).run()
    plain = chain(network, decades=2.0).apply(*PER_CHANNEL)
    by_activations = EqualizeChannelsPass(by="activations")
    equalized = chain(network, decades=2.0).apply(by_activations, *PER_CHANNEL)
    assert sqnr(expected, equalized.run()[0]) > sqnr(expected, plain.run()[0]) + 10


def forked(network: Callable[..., Any]) -> Any:
    """A fire module: one layer feeds two, whose results are joined, pooled and multiplied."""
    net = network((1, 4, 8, 8))
    x = net.conv(net.x, 8, 1, "squeeze", relu=True)
    both = [net.conv(x, 6, 1, "left", relu=True), net.conv(x, 10, 3, "right", relu=True)]
    joined = net.op(ConcatOp, *both, axis=1, layer="join")
    pooled = net.pool(MaxPoolOp, joined, "pool", size=8)
    flat = net.op(ReshapeOp, pooled, shape=[-1, 16])
    return net.outputs(net.dense(flat, 5, "out"))


@pytest.mark.parametrize("by", ["weights", "activations"])
def test_through_forks_joins_pools_and_flattening(network: Callable[..., Any], by: Any) -> None:
    net = forked(network)
    (expected,) = net.run()
    (actual,) = net.apply(EqualizeChannelsPass(by=by)).run()
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    layers = net.layers()
    assert all(EQUALIZED in layers[name].attributes for name in ("left", "right", "out"))


@pytest.mark.parametrize("by", ["weights", "activations"])
def test_twice_is_once(network: Callable[..., Any], by: Any) -> None:
    net = chain(network).apply(EqualizeChannelsPass(by=by))
    text = net.text()
    assert net.apply(EqualizeChannelsPass(by=by)).text() == text
    assert chain(network).apply(EqualizeChannelsPass(by=by)).text() == text


def clamped(network: Callable[..., Any]) -> Any:
    """Two layers with a clamp at 1.5 between, which some channels reach and others do not."""
    net = network((1, 4, 4, 4))
    weight = net.random.normal(size=(8, 4, 1, 1)) * np.repeat([2.0, 0.05], 4).reshape(8, 1, 1, 1)
    x = net.conv(net.x, 8, 1, "a", relu=True, weight=weight)
    x.owner.activation = ActivationAttr(0.0, 1.5)
    return net.outputs(net.conv(x, 6, 1, "b"))


@pytest.mark.parametrize("by", ["weights", "activations"])
def test_a_clamp_goes_on_acting_where_it_did(network: Callable[..., Any], by: Any) -> None:
    net = clamped(network)
    data = np.concatenate([feed["x"] for feed in net.ctx.calibration_data()])
    (expected,) = net.run(data)
    before = spread(net, "a", output_magnitudes)
    (actual,) = net.apply(EqualizeChannelsPass(by=by)).run(data)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)
    changed = spread(net, "a", output_magnitudes) / before
    np.testing.assert_array_equal(changed[:4], 1.0)
    assert np.all(np.abs(changed[4:] - 1.0) > 0.01)


def test_without_data_a_clamp_is_a_border(network: Callable[..., Any]) -> None:
    net = clamped(network)
    net.ctx.calibration_data = None
    text = net.text()
    assert net.apply(EqualizeChannelsPass()).text() == text
    with pytest.raises(OctetError, match="no calibration data was given"):
        net.apply(EqualizeChannelsPass(by="activations"))


@pytest.mark.parametrize("case", ["output", "residual", "nonlinear", "input"])
def test_leaves_other_uses_alone(network: Callable[..., Any], case: str) -> None:
    net = network((1, 4, 4, 4))
    if case == "input":
        net.outputs(net.conv(net.op(ReluOp, net.x), 4, 1, "b"))
    else:
        x = net.conv(net.x, 4, 1, "a", relu=True)
        y = net.op(SigmoidOp, x) if case == "nonlinear" else x
        y = net.conv(y, 4, 1, "b", residual=x if case == "residual" else None)
        net.outputs(*((x, y) if case == "output" else (y,)))
    text = net.text()
    assert net.apply(EqualizeChannelsPass()).text() == text
    assert net.apply(EqualizeChannelsPass(by="activations")).text() == text


def test_calibrated_ranges_follow(network: Callable[..., Any]) -> None:
    """In either order, the same ranges come out, where they are the extremes."""
    calibrate, equalize = CalibratePass(method="min-max"), EqualizeChannelsPass(by="activations")
    after = chain(network).apply(calibrate, equalize)
    before = chain(network).apply(equalize, calibrate)
    for name, op in after.layers().items():
        expected = range_of(before.layers()[name].results[0])
        np.testing.assert_allclose(range_of(op.results[0]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("by", ["weights", "activations"])
@pytest.mark.parametrize("extreme", [0.0, 1e-40, 3e38, np.inf, np.nan])
def test_extreme_weights_stay_as_they_are(
    network: Callable[..., Any], by: Any, extreme: float
) -> None:
    """A channel that is dead, or beyond what 8 bits can hold, sets no factor."""
    net = network((1, 4, 4, 4))
    weight = net.random.normal(size=(8, 4, 1, 1))
    weight[2] = extreme if np.isfinite(extreme) else 1.0
    x = net.conv(net.x, 8, 1, "a", relu=True, weight=weight)
    behind = net.random.normal(size=(6, 8, 1, 1))
    behind[:, 2] = 0.0 if np.isfinite(extreme) else extreme
    net.outputs(net.conv(x, 6, 1, "b", weight=behind))
    if extreme == 3e38:
        net.calibrate_on([np.zeros((1, 4, 4, 4), np.float32)])
    net.apply(EqualizeChannelsPass(by=by))
    first = weight_array(net.layers()["a"], net.ctx.weights)
    np.testing.assert_array_equal(first[2], weight.astype(np.float32)[2])
    assert np.isfinite(first).all()

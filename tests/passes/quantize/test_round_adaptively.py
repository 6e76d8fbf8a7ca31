"""Weights rounded by what their errors do to a layer's results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialects.errors import OctetError
from dialects.nn.attention import AttentionOp
from dialects.nn.base import NnOp, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import ReluOp
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.nn.movement import ReshapeOp
from dialects.nn.scheme import Scheme, SchemeAttr
from passes.base import OctetPass
from passes.calibrate.calibrate import CalibratePass
from passes.dataflow import constant_of, element_of_quantized
from passes.placement.place_precision import PlacePrecisionPass
from passes.quantize.correct_bias import CorrectBiasPass
from passes.quantize.correction.moments import moments_of
from passes.quantize.insert_qdq import InsertQdqPass
from passes.quantize.round_adaptively import ROUNDED, RoundAdaptivelyPass, by_input
from runtime.reference.linear import convolve

QUANTIZE = (CalibratePass(), PlacePrecisionPass(), InsertQdqPass())
REFERENCE = (CalibratePass(), PlacePrecisionPass(precision="f32"))

Build = Callable[..., Any]


def correlated(net: Any, seed: int, batch: int) -> np.ndarray:
    """Positive inputs, whose channels are mixtures of two."""
    shape = (batch, *shape_of(net.x)[1:])
    random = np.random.default_rng(seed)
    parts = random.normal(size=(batch, 2, *shape[2:]))
    mixed = np.einsum("cp,bp...->bc...", np.random.default_rng(0).random((shape[1], 2)), parts)
    return np.abs(mixed + 0.05 * random.normal(size=shape)).astype(np.float32)


def image(network: Build) -> Any:
    """Two convolutions and a product on correlated inputs."""
    net = network((1, 8, 6, 6))
    x = net.conv(net.x, 8, 3, "a", relu=True)
    x = net.conv(x, 8, 1, "b")
    x = net.op(ReshapeOp, x, shape=[-1, 288])
    net.outputs(net.dense(x, 5, "c"))
    net.calibrate_on([correlated(net, seed, 32) for seed in range(4)])
    return net


def weights_of(net: Any) -> dict[str, np.ndarray]:
    return {
        name: weight_of(op).array(net.ctx.weights)
        for name, op in net.layers().items()
        if isinstance(op, ConvOp | MatmulOp)
    }


def weight_of(op: NnOp) -> ConstantOp:
    constant = constant_of(op.operands[1])
    assert constant is not None
    return constant


def test_outputs_come_nearer_where_inputs_are_correlated(
    network: Build, sqnr: Callable[[np.ndarray, np.ndarray], float]
) -> None:
    """On data that was not used, with weights of 4 bits, so that they are what errors come from;
    beside biases corrected on the same data."""
    x = correlated(image(network), 99, 64)
    (expected,) = image(network).run(x)
    results = []
    for correction in (CorrectBiasPass(samples=128), RoundAdaptivelyPass(samples=128)):
        net = image(network)
        coarse(net, (-7, 7)).apply(correction)
        results.append(sqnr(expected, net.run(x)[0]))
    assert results[1] > results[0] + 3.0


def coarse(net: Any, limits: tuple[int, int]) -> Any:
    """`net` quantized, with weights that use few integers."""
    net.apply(CalibratePass(), PlacePrecisionPass())
    for op in net.layers().values():
        if isinstance(op, ConvOp | MatmulOp):
            op.weight_scheme = SchemeAttr(Scheme(storage_range=limits))
    return net.apply(InsertQdqPass())


@st.composite
def convolutions(draw: st.DrawFn) -> dict[str, Any]:
    groups = draw(st.sampled_from([1, 2, 4]))
    return {
        "groups": groups,
        "channels": 4,
        "outputs": 4 * draw(st.sampled_from([1, 2])),
        "kernel": draw(st.sampled_from([[1, 1], [3, 3], [3, 1], [2, 3]])),
        "strides": draw(st.sampled_from([[1, 1], [2, 1], [2, 2]])),
        "dilations": draw(st.sampled_from([[1, 1], [2, 1]])),
        "pads": draw(st.sampled_from([[0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 2, 0]])),
        "size": [draw(st.integers(5, 8)), draw(st.integers(5, 8))],
        "seed": draw(st.integers(0, 1000)),
    }


def convolution(net: Any, case: dict[str, Any], *, residual: bool = False) -> Any:
    shape = (case["outputs"], case["channels"] // case["groups"], *case["kernel"])
    weight = net.constant(net.random.normal(size=shape))
    options = {name: case[name] for name in ("strides", "pads", "dilations", "groups")}
    return net.op(ConvOp, net.x, weight, None, None, **options, layer="a")


SLOW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@SLOW
@given(convolutions())
def test_moments_tell_the_error_of_a_convolution(network: Build, case: dict[str, Any]) -> None:
    """The second moments of its windows, whatever its shape, beside the convolution itself."""
    net = network((1, case["channels"], *case["size"]), case["seed"])
    net.outputs(convolution(net, case))
    op = net.layers()["a"]
    x, weight = net.noise(case["seed"], 3), net.random.normal(size=shape_of(op.weight))
    options = {name: case[name] for name in ("strides", "pads", "dilations", "groups")}
    results = convolve(x.astype(np.float64), weight, **options)
    first, second = moments_of(op, [list(x)], [list(results)], 10**6)
    moments = first + second
    by_group = by_input(op, weight)
    np.testing.assert_allclose(moments.xx @ by_group, moments.tx.swapaxes(1, 2), atol=1e-3)
    energy = np.sum(by_group * (moments.xx @ by_group), axis=1).reshape(-1)
    np.testing.assert_allclose(energy, np.sum(results**2, axis=(0, 2, 3)), rtol=1e-4)


def squared_error(net: Any, real: Any, data: Sequence[np.ndarray]) -> np.ndarray:
    """Per channel of the one layer, over `data`."""
    total: Any = 0.0
    for x in data:
        difference = net.run(x)[0].astype(np.float64) - real.run(x)[0]
        axes = (0, 2, 3) if difference.ndim == 4 else (0, 1)
        total = total + np.sum(difference**2, axis=axes)
    return total


@SLOW
@given(convolutions(), st.booleans(), st.booleans())
def test_no_channel_is_worse_than_with_nearest_rounding(
    network: Build, case: dict[str, Any], refit: bool, per_channel: bool
) -> None:
    """On the data of calibration, beside nearest rounding with the bias that is best for it."""
    errors = []
    passes = (CorrectBiasPass(), RoundAdaptivelyPass(refit=refit))
    for correction in passes:
        net, real = (network((1, case["channels"], *case["size"]), case["seed"]) for _ in range(2))
        data = [correlated(net, seed, 4) for seed in range(3)]
        for one in (net, real):
            one.outputs(convolution(one, case))
            one.calibrate_on(data)
        net.apply(CalibratePass(), PlacePrecisionPass(), InsertQdqPass(per_channel=per_channel))
        errors.append(squared_error(net.apply(correction), real, data))
    nearest, together = errors
    assert np.all(together <= nearest * (1 + 1e-4) + 1e-8)


@pytest.mark.parametrize("weight_type", ["s8", "u8"])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("per_channel", [True, False])
def test_products_of_sequences(
    network: Build, weight_type: Any, symmetric: bool, per_channel: bool
) -> None:
    """Types stay, integers stay in their range, and the error falls, most of which is due to the
    inputs."""
    errors = []
    for correction in (CorrectBiasPass(), RoundAdaptivelyPass()):
        net, real = (network((1, 10, 16)) for _ in range(2))
        data = [correlated(net, seed, 8).cumsum(axis=2) for seed in range(4)]
        for one in (net, real):
            one.outputs(one.dense(one.x, 6, "a"))
            one.calibrate_on(data)
        insert = InsertQdqPass(
            weight_type=weight_type, weight_symmetric=symmetric, per_channel=per_channel
        )
        net.apply(CalibratePass(), PlacePrecisionPass(), insert)
        element = element_of_quantized(weight_of(net.layers()["a"]).result)
        net.apply(correction)
        changed = weight_of(net.layers()["a"])
        assert element_of_quantized(changed.result) == element
        stored = changed.array(net.ctx.weights)
        assert element.limits[0] <= stored.min() <= stored.max() <= element.limits[1]
        errors.append(squared_error(net, real, data).sum())
    assert errors[1] < 0.9 * errors[0]


def test_twice_is_once(network: Build) -> None:
    net = image(network).apply(*QUANTIZE, RoundAdaptivelyPass())
    text = net.text()
    assert text.count(ROUNDED) == 3
    assert net.apply(RoundAdaptivelyPass()).text() == text
    assert image(network).apply(*QUANTIZE, RoundAdaptivelyPass()).text() == text


def test_biases_corrected_before_or_after_are_those_of_the_float_program(network: Build) -> None:
    """A corrected bias keeps saying what it was, so that either order means the same."""
    round_weights, correct = RoundAdaptivelyPass(), CorrectBiasPass()
    alone = image(network).apply(*QUANTIZE, round_weights)
    expected = biases_of(alone)
    for order in ((correct, round_weights), (round_weights, correct)):
        net = image(network).apply(*QUANTIZE, *order)
        for name, weight in weights_of(alone).items():
            np.testing.assert_array_equal(weights_of(net)[name], weight)
            np.testing.assert_allclose(biases_of(net)[name], expected[name], atol=1e-5)


def biases_of(net: Any) -> dict[str, np.ndarray]:
    layers = net.layers()
    return {name: layers[name].bias.owner.array(net.ctx.weights) for name in ("a", "b", "c")}


def test_what_attention_masks_does_not_count(network: Build) -> None:
    rounded = []
    for fill in (0.0, 5.0):
        net = network((1, 6, 8))
        mask = np.zeros((1, 1, 1, 6), np.float32)
        mask[..., 4:] = -1e4
        q, k, v = (net.dense(net.x, 8, name) for name in "qkv")
        mixed = net.op(AttentionOp, q, k, v, net.constant(mask), heads=2, scale=0.5, layer="mix")
        net.outputs(net.dense(mixed, 8, "o"))
        data = [net.noise(seed, 8) for seed in range(4)]
        net.calibrate_on(data)
        # The same ranges for both: it is about what is rounded on.
        net.apply(*QUANTIZE)
        for x in data:
            x[:, 4:] = fill
        net.calibrate_on(data)
        net.apply(RoundAdaptivelyPass())
        rounded.append(weights_of(net))
    for name in "qkvo":
        np.testing.assert_array_equal(*(weights[name] for weights in rounded))


def test_leaves_other_weights_alone_and_says_why(network: Build) -> None:
    real = image(network).apply(*REFERENCE, InsertQdqPass())
    text = real.text()
    assert real.apply(RoundAdaptivelyPass()).text() == text
    from_model = image(network).apply(*QUANTIZE)
    for op in from_model.module.walk():
        if isinstance(op, ConstantOp):
            op.origin = None
    text = from_model.text()
    assert from_model.apply(RoundAdaptivelyPass()).text() == text
    key = ("round-adaptively", "left alone: the weight was quantized in the model")
    assert from_model.ctx.statistics[key] == 3


def test_leaves_shared_weights_alone(network: Build) -> None:
    net = network((1, 8, 6, 6))
    weight = net.constant(net.random.normal(size=(8, 8, 1, 1)))
    options = {"strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1], "groups": 1}
    x = net.op(ConvOp, net.x, weight, None, None, **options, layer="a")
    x = net.op(ReluOp, x, layer="between")
    net.outputs(net.op(ConvOp, x, weight, None, None, **options, layer="b"))
    text = net.apply(*QUANTIZE).text()
    assert net.apply(RoundAdaptivelyPass()).text() == text
    key = ("round-adaptively", "left alone: the weight has several uses")
    assert net.ctx.statistics[key] == 2


def test_one_sample_is_enough_to_go_on(network: Build) -> None:
    net = image(network)
    net.calibrate_on([correlated(net, 0, 1)])
    net.apply(*QUANTIZE, RoundAdaptivelyPass())
    assert np.isfinite(net.run()[0]).all()


def test_fewer_positions_are_drawn_the_same_each_time(network: Build) -> None:
    texts = [
        image(network).apply(*QUANTIZE, RoundAdaptivelyPass(positions=positions)).text()
        for positions in (512, 512, 10**6)
    ]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": -1}, "samples is at least 0, got -1"),
        ({"positions": 0}, "positions is at least 1, got 0"),
        ({"damping": 0}, "damping is above 0 and at most 1000, got 0"),
    ],
)
def test_says_which_options_it_takes(network: Build, options: dict[str, Any], message: str) -> None:
    with pytest.raises(OctetError, match=message):
        image(network).apply(RoundAdaptivelyPass(**options))


def test_says_what_is_missing(network: Build) -> None:
    net = image(network).apply(*QUANTIZE)
    no_op: OctetPass = RoundAdaptivelyPass(samples=0)
    net.ctx.calibration_data = None
    net.apply(no_op)
    with pytest.raises(OctetError, match="round-adaptively: no calibration data was given"):
        net.apply(RoundAdaptivelyPass())

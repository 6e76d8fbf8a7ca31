"""Biases shifted by the mean error of quantization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dialects.errors import OctetError
from dialects.nn.base import NnOp
from dialects.nn.constant import ConstantOp
from dialects.nn.elementwise import ReluOp
from dialects.nn.movement import ReshapeOp
from passes.calibrate.calibrate import CalibratePass
from passes.placement.place_precision import PlacePrecisionPass
from passes.quantize.correct_bias import CORRECTED, CorrectBiasPass
from passes.quantize.correction.side_by_side import mean_difference
from passes.quantize.insert_qdq import InsertQdqPass
from runtime.reference.evaluate import evaluate

QUANTIZE = (CalibratePass(), PlacePrecisionPass(), InsertQdqPass())


def image(network: Callable[..., Any], bias: Any = None) -> Any:
    """Two convolutions and a product; positive inputs, so that errors of weights do not average
    out."""
    net = network((1, 4, 6, 6))
    x = net.op(ReluOp, net.x, layer="in")
    x = net.conv(x, 8, 3, "a", relu=True, bias=bias)
    x = net.conv(x, 8, 1, "b")
    x = net.op(ReshapeOp, x, shape=[-1, 288])
    return net.outputs(net.dense(x, 5, "c"))


def mean_errors(net: Any, real: Any) -> dict[str, float]:
    """How far the mean of each linear layer's channels is from the float program's, over the
    calibration data and relative to the channels' spread."""
    expected, actual = observed(real, real.layers()), observed(net, net.layers())
    errors = {}
    for name, array in expected.items():
        others = (0, *range(2, array.ndim))
        shift = array.mean(axis=others) - actual[name].mean(axis=others)
        errors[name] = float(np.abs(shift).mean() / array.std())
    return errors


def observed(net: Any, layers: dict[str, NnOp]) -> dict[str, np.ndarray]:
    values = {layers[name].results[0]: name for name in ("a", "b", "c")}
    seen: dict[str, list[np.ndarray]] = {}

    def observe(value: Any, array: np.ndarray) -> None:
        if value in values:
            seen.setdefault(values[value], []).append(array)

    for feed in net.ctx.calibration_data():
        evaluate(net.module, feed, net.ctx.weights, observe)
    return {name: np.concatenate(arrays) for name, arrays in seen.items()}


def test_channel_means_are_those_of_the_float_program(network: Callable[..., Any]) -> None:
    real = image(network)
    plain = image(network).apply(*QUANTIZE)
    corrected = image(network).apply(*QUANTIZE, CorrectBiasPass())
    before, after = mean_errors(plain, real), mean_errors(corrected, real)
    assert after["a"] < 0.5 * before["a"]  # seen behind its ReLU
    for layer in ("b", "c"):
        assert before[layer] > 1e-3
        assert after[layer] < 1e-6


def test_outputs_come_nearer(
    network: Callable[..., Any], sqnr: Callable[[np.ndarray, np.ndarray], float]
) -> None:
    """On data that was not used."""
    x = network((1, 4, 6, 6)).noise(7, 64)
    (expected,) = image(network).run(x)
    results = []
    for extra in ((), (CorrectBiasPass(),)):
        net = image(network).apply(*QUANTIZE, *extra)
        results.append(sqnr(expected, net.run(x)[0]))
    assert results[1] > results[0] + 0.5


def test_twice_is_once(network: Callable[..., Any]) -> None:
    net = image(network).apply(*QUANTIZE, CorrectBiasPass())
    text = net.text()
    assert net.apply(CorrectBiasPass()).text() == text
    assert net.text() == image(network).apply(*QUANTIZE, CorrectBiasPass()).text()


def test_batches_of_any_size_give_the_same(network: Callable[..., Any]) -> None:
    """But for the rounding of sums."""
    biases = []
    for sizes in ((4, 4), (1, 3, 4)):
        net = image(network).apply(*QUANTIZE)
        data = net.noise(3, 8)
        net.calibrate_on(np.split(data, np.cumsum(sizes)[:-1]))
        net.apply(CorrectBiasPass())
        layers = net.layers()
        biases.append([layers[name].bias.owner.array(net.ctx.weights) for name in ("a", "b", "c")])
    for first, second in zip(*biases, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)


def test_adds_a_bias_where_there_is_none(network: Callable[..., Any]) -> None:
    net = network((1, 4, 6, 6))
    x = net.op(ReluOp, net.x, layer="in")
    product = net.conv(x, 8, 3, "a")
    op = product.owner
    net.outputs(product)
    bare = type(op).make(op.operands[0], op.operands[1], None, None, **op.values(), layer="a")
    net.block.insert_op_before(bare, op)
    product.replace_all_uses_with(bare.results[0])
    op.detach()
    op.erase()
    net.apply(*QUANTIZE, CorrectBiasPass())
    bias = net.layers()["a"].bias
    assert isinstance(bias.owner, ConstantOp)
    assert bias.owner.array(net.ctx.weights).any()


def test_leaves_float_ops_and_quantized_models_alone(network: Callable[..., Any]) -> None:
    real = image(network)
    real.apply(CalibratePass(), PlacePrecisionPass(precision="f32"), InsertQdqPass())
    text = real.text()
    assert real.apply(CorrectBiasPass()).text() == text
    from_model = image(network).apply(*QUANTIZE)
    for op in from_model.module.walk():
        if isinstance(op, ConstantOp):
            op.origin = None
    text = from_model.text()
    assert from_model.apply(CorrectBiasPass()).text() == text
    assert CORRECTED not in text


def test_says_what_is_missing(network: Callable[..., Any]) -> None:
    net = image(network).apply(*QUANTIZE)
    with pytest.raises(OctetError, match="samples is at least 0, got -1"):
        net.apply(CorrectBiasPass(samples=-1))
    net.calibrate_on([])
    with pytest.raises(OctetError, match="holds no batch"):
        net.apply(CorrectBiasPass())
    net.ctx.calibration_data = None
    with pytest.raises(OctetError, match="no calibration data was given"):
        net.apply(CorrectBiasPass())


def test_means_are_of_all_batches_and_finite() -> None:
    real = [np.array([[1.0, 3e38]], np.float32), np.array([[3.0, 3e38], [5.0, 0.0]], np.float32)]
    quantized = [np.zeros_like(real[0]), np.full_like(real[1], -3e38)]
    quantized[1][:, 0] = 0.0
    shift = mean_difference([list(a) for a in real], [list(a) for a in quantized], axis=0)
    assert shift.tolist() == [3.0, 0.0]
